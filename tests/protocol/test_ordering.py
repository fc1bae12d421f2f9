"""A thousand edits over three documents, sent without waiting: the server's text is the model's.

Each edit is made on a model text in the client's encoding. Questions are sent in between and not
waited for. At the end the server's texts equal the model's, and its diagnostics equal those of a
fresh server that only opened them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from support import samples
from support.profiles import capabilities
from support.rpc import Client, Json, ResponseError, Start
from support.text import ENCODINGS, apply, body, range_of, split_lines

EDITS = 1_000
# What is inserted: at most two lines at once, because more would count as an AI's insertion and
# change what a diagnostic says.
PIECES = [
    "x",
    "\n",
    "\r\n",
    "\r",
    "    ",
    "🙂",
    "é漢",
    "👩‍👩‍👧 = 1",
    '"🙂\\n"',
    '"""',
    "# 𝔘nicode\r\n",
    "(",
    ")",
    "host",
    'os.system("ls " + host)\n',
    "    os.system('🙂 ' + host)\r\n",
    "import os\n",
    "def go(host): os.system('go ' + host)\r\n",
    "char b[8]; gets(b); /* 漢 */\n",
    "void f(char *s) { printf(s); }\r\n",
    "{\n}",
]
PYTHON = (
    "# 🙂 first line\r\n"
    + samples.PY_SHELL.format(head='label = "🙂"; ', note="").replace("\n", "\r\n")
    + samples.PY_PICKLE
)
IN_C = "/* 漢字 */\r\n" + samples.C_FORMAT.format(note="") + samples.C_GETS.format(note=" /* 🙂 */")


@dataclass
class Document:
    """The model of one open document."""

    uri: str
    language: str
    text: str
    version: int = 1
    history: dict[int, str] = field(default_factory=dict)


def make_documents() -> list[Document]:
    """Three documents, full of what is easily counted wrong."""
    documents = [
        Document("file:///nowhere/first.py", "python", PYTHON),
        Document("file:///nowhere/second.py", "python", PYTHON.replace("\r\n", "\n")),
        Document("file:///nowhere/third.c", "c", IN_C),
    ]
    for it in documents:
        it.history[1] = it.text
    return documents


def place(chance: random.Random, text: str) -> int:
    """An index that has a position: not between the two halves of a line's end."""
    index = chance.randint(0, len(text))
    return index - 1 if text[index - 1 : index + 1] == "\r\n" else index


def edit(chance: random.Random, text: str, encoding: str) -> Json:
    """One content change. Texts neither vanish nor grow without end."""
    start = place(chance, text)
    end = start
    if chance.random() < (0.75 if len(text) > 2_000 else 0.4):
        end = place(chance, text[: start + chance.randint(0, 40)])
    start, end = min(start, end), max(start, end)
    new = chance.choice(PIECES) if start == end or chance.random() < 0.5 else ""
    return {"range": range_of(text, start, end, encoding), "text": new}


def overwrite_a_line(chance: random.Random, text: str, encoding: str) -> Json:
    """Writes a weakness over a whole line, so that findings come and go."""
    lines = split_lines(text)
    number = chance.randrange(len(lines))
    start = sum(map(len, lines[:number]))
    end = start + len(body(lines[number]))
    new = chance.choice(['import os; os.system("🙂" + x)', "gets(b);", "pass", ""])
    return {"range": range_of(text, start, end, encoding), "text": new}


def send_edits(
    client: Client, documents: list[Document], chance: random.Random
) -> dict[int, Document]:
    """Sends all edits and some questions; returns which of those asked for which text."""
    encoding = client.capabilities["positionEncoding"]
    questions: dict[int, Document] = {}
    sent = 0
    while sent < EDITS:
        document = chance.choice(documents)
        changes = []
        for _ in range(min(chance.choice([1, 1, 1, 2, 3]), EDITS - sent)):
            make = overwrite_a_line if chance.random() < 0.1 else edit
            change = make(chance, document.text, encoding)
            document.text = apply(document.text, change, encoding)
            changes.append(change)
        sent += len(changes)
        document.version += chance.choice([1, 1, 5])
        document.history[document.version] = document.text
        client.change(document.uri, document.version, changes)
        about = {"textDocument": {"uri": document.uri}}
        if chance.random() < 0.1:
            number = client.start_request("secondlook/text", {"uri": document.uri})
            questions[number] = document
        if chance.random() < 0.05:
            where = {"line": chance.randint(0, 20), "character": chance.randint(0, 20)}
            client.start_request("textDocument/hover", about | {"position": where})
        if chance.random() < 0.05 and "diagnosticProvider" in client.capabilities:
            client.start_request("textDocument/diagnostic", about)
    return questions


def last_lines(client: Client, documents: list[Document]) -> None:
    """Puts a weakness on top of each text, so that there is something to compare at the end."""
    head = {
        "python": "import os\ndef last(x): os.system('🙂' + x)\n",
        "c": "/* 漢 */\nint last(void) { char b[9]; gets(b); return *b; }\n",
    }
    for document in documents:
        encoding = client.capabilities["positionEncoding"]
        change = {
            "range": range_of(document.text, 0, 0, encoding),
            "text": head[document.language],
        }
        document.text = apply(document.text, change, encoding)
        document.version += 1
        document.history[document.version] = document.text
        client.change(document.uri, document.version, [change])


@pytest.mark.parametrize("pull", [False, True], ids=["push", "pull"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_nothing_is_lost_or_swapped(start: Start, encoding: str, pull: bool) -> None:
    stated = capabilities(encodings=[encoding], pull=pull)
    client = start(stated)
    assert client.capabilities["positionEncoding"] == encoding
    documents = make_documents()
    for document in documents:
        client.open(document.uri, document.text, document.language)

    # The seed is part of the test: the same edits every time.
    questions = send_edits(client, documents, random.Random(f"{encoding} {pull}"))
    last_lines(client, documents)

    assert len(questions) > 20
    for number, document in questions.items():
        answer = client.finish_request(number)
        assert document.history[answer["version"]] == answer["text"]

    found: dict[str, list[Json]] = {}
    for document in documents:
        answer = client.request("secondlook/text", {"uri": document.uri})
        assert answer == {"version": document.version, "text": document.text}
        found[document.uri] = patiently(client, document)

    fresh = start(stated)
    for document in documents:
        fresh.open(document.uri, document.text, document.language, document.version)
        assert found[document.uri] == patiently(fresh, document)
        assert found[document.uri], f"nothing is found in {document.uri}"


def patiently(client: Client, document: Document) -> list[Json]:
    """The diagnostics of the last version; a pull that came too early is repeated."""
    for _ in range(20):
        try:
            return client.diagnostics(document.uri, document.version)
        except ResponseError as error:
            if error.code != -32802:
                raise
    raise AssertionError("the analysis was never ready")


def test_a_change_that_arrives_late_is_put_in_its_place(start: Start) -> None:
    # What Helix 25.01 was recorded to send for `c` on a whole line, the second half first.
    client = start(capabilities(encodings=["utf-8"]))
    uri = "file:///late.py"
    text = "".join(f"line_{number} = {number}\n" for number in range(4)) + samples.PY_PICKLE
    first = {"range": span((1, 0), (2, 0)), "text": ""}
    second = {"range": span((0, 10), (0, 10)), "text": "\n"}
    third = {"range": span((1, 0), (1, 0)), "text": "import sys"}
    client.open(uri, text)
    # The numbers have gaps in Helix, for changes that it keeps to itself.
    for version, change in ((1, {"range": span((0, 0), (0, 0)), "text": ""}), (4, second)):
        client.change(uri, version, [change])
    client.change(uri, 3, [first])
    client.change(uri, 5, [third])
    expected = text
    for change in (first, second, third):
        expected = apply(expected, change, "utf-8")
    answer = client.request("secondlook/text", {"uri": uri})
    assert answer == {"version": 5, "text": expected}
    fresh = start(capabilities(encodings=["utf-8"]))
    fresh.open(uri, expected)
    found, wanted = client.diagnostics(uri, 5), fresh.diagnostics(uri, 1)
    assert wanted and [it["range"] for it in found] == [it["range"] for it in wanted]


def test_a_late_change_before_a_whole_text_changes_nothing(start: Start) -> None:
    client = start(capabilities(encodings=["utf-8"]))
    uri = "file:///whole.py"
    client.open(uri, "a = 1\n")
    client.change(uri, 4, [{"text": "b = 2\n"}])
    client.change(uri, 3, [{"range": span((0, 0), (0, 1)), "text": "c"}])
    assert client.request("secondlook/text", {"uri": uri}) == {"version": 4, "text": "b = 2\n"}


def test_a_version_that_was_there_already_is_no_late_one(start: Start) -> None:
    client = start(capabilities(encodings=["utf-8"]))
    uri = "file:///again.py"
    client.open(uri, "a = 1\n")
    for version, letter in ((2, "x"), (3, "y"), (2, "z")):
        client.change(uri, version, [{"range": span((0, 0), (0, 0)), "text": letter}])
    assert client.request("secondlook/text", {"uri": uri})["text"] == "zyxa = 1\n"


def span(start: tuple[int, int], end: tuple[int, int]) -> Json:
    """A range by its lines and columns."""
    (line, column), (last, final) = start, end
    return {
        "start": {"line": line, "character": column},
        "end": {"line": last, "character": final},
    }
