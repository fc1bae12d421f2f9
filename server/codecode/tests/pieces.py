"""Makes tests/pieces.json: a small SentencePiece vocabulary and how SentencePiece itself spells some texts with it.

Run with the Python package `sentencepiece`; the file it writes is committed.
"""

import io
import json
from pathlib import Path

import sentencepiece

HERE = Path(__file__).parent
TEXTS = [
    "",
    "a",
    " ",
    "   ",
    "def main():\n    return 0\n",
    '\tfor (int i = 0; i < 10; i++) {\n\t\tprintf("%d\\n", i);\n\t}\n',
    'query = "SELECT * FROM t WHERE id = " + str(id)',
    "naïve café, Straße, 日本語, 🙂 and 👩‍👩‍👧",
    "  two  spaces   and three ",
    "no trailing newline\r\nand one from Windows\r\n",
    "\u00a0non-breaking\u2003wide\u200bnothing",
    "e\u0301 is not \u00e9, and ﬁ stays a ligature",
    "<s> </s> <unk> <0x41> [INST] are text here",
    "1234567890 3.14159 0xdeadbeef",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\x00\x01\x7f control",
]


def main() -> None:
    source = sorted((HERE.parent / "src").rglob("*.rs"))
    lines = [
        line
        for file in source
        for line in file.read_text().splitlines()
        if line.strip()
    ]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=700,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        character_coverage=0.9995,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    size = processor.get_piece_size()
    kinds = [
        2
        if processor.is_unknown(i)
        else 3
        if processor.is_control(i)
        else 6
        if processor.is_byte(i)
        else 1
        for i in range(size)
    ]
    made = {
        "tokens": [processor.id_to_piece(i) for i in range(size)],
        "scores": [processor.get_score(i) for i in range(size)],
        "kinds": kinds,
        "cases": [[text, processor.encode(text)] for text in TEXTS + lines[:400:8]],
    }
    (HERE / "pieces.json").write_text(
        json.dumps(made, ensure_ascii=True, separators=(",", ":")) + "\n"
    )


main()
