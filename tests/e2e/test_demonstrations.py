"""Safe demonstrations: `kb add --pair`, `kb search --safe`, `model` and `eval retrieve`."""

from __future__ import annotations

import json
from pathlib import Path

from support.binary import Secondlook

BEFORE = "def open_ledger(name):\n    return ledgerlib.open_unchecked(name)\n"
AFTER = "def open_ledger(name):\n    return ledgerlib.open_signed(name, key=ledger_key())\n"
PAIR = {"language": "python", "cwe": ["CWE-347"], "before": BEFORE, "after": AFTER, "id": "ours/1"}


def found(secondlook: Secondlook, text: str) -> list[str]:
    """The ids of the demonstrations found, best first."""
    outcome = secondlook("kb", "search", "--safe", "--language", "python", "--", text)
    assert outcome.code in (0, 1), outcome
    # Code is indented, and a score stands in front of an id.
    heads = [line.split() for line in outcome.out.splitlines() if line[:9].strip()]
    return [words[1] for words in heads]


def test_the_next_query_finds_a_pair_that_was_added(secondlook: Secondlook, tmp_path: Path) -> None:
    before = found(secondlook, BEFORE)
    assert before, "the entries' safe examples are there from the start"
    assert "ours/1" not in before
    pair = tmp_path / "fixed.jsonl"
    pair.write_text(json.dumps(PAIR) + "\n")
    outcome = secondlook("kb", "add", "--pair", str(pair))
    assert outcome.code == 0, outcome
    assert "1 pair added" in outcome.err
    assert found(secondlook, BEFORE)[0] == "ours/1"
    again = secondlook("kb", "add", "--pair", str(pair))
    assert again.code == 0, again
    assert "1 known already" in again.err


def test_an_own_fix_stands_in_the_prompt_for_code_like_it(
    secondlook: Secondlook, folder: Path
) -> None:
    code = "import os\n\n\ndef ping(host):\n    os.system('ping ' + host)\n"
    (folder / "app.py").write_text(code)
    before = secondlook("revise", "app.py:5", "--print-prompt", cwd=folder)
    assert before.code == 0, before
    assert "our_ping_of_checked" not in before.out
    fixed = (
        "import os\n\n\ndef ping(host):\n    our_ping_of_checked(host)\n    # os.system('ping ')\n"
    )
    pair = {"language": "python", "cwe": ["CWE-78"], "before": code, "after": fixed, "id": "ours/2"}
    (folder / "fixed.jsonl").write_text(json.dumps(pair) + "\n")
    assert secondlook("kb", "add", "--pair", str(folder / "fixed.jsonl")).code == 0
    after = secondlook("revise", "app.py:5", "--print-prompt", cwd=folder)
    assert "our_ping_of_checked(host)" in after.out
    assert "ours/2" in after.out


def test_a_pair_that_is_not_one_is_named_and_nothing_is_added(
    secondlook: Secondlook, tmp_path: Path
) -> None:
    pair = tmp_path / "fixed.jsonl"
    pair.write_text(json.dumps(PAIR) + "\n" + json.dumps({"language": "python"}) + "\n")
    outcome = secondlook("kb", "add", "--pair", str(pair))
    assert outcome.code == 2, outcome
    assert "fixed.jsonl:2: " in outcome.err
    assert "ours/1" not in found(secondlook, BEFORE)


def test_a_model_is_refused_by_what_it_lacks(secondlook: Secondlook, tmp_path: Path) -> None:
    outcome = secondlook("model", "pull", "--from-file", str(tmp_path))
    assert outcome.code == 2, outcome
    assert "model.safetensors" in outcome.err
    shown = secondlook("model", "show")
    assert shown.code == 0, shown
    assert "no embedding model" in shown.out


def test_a_search_without_a_model_says_what_it_does_instead(secondlook: Secondlook) -> None:
    for more in ([], ["--by", "dense"], ["--by", "fused"]):
        outcome = secondlook("kb", "search", "--safe", *more, "--", BEFORE)
        assert outcome.code == 0, outcome
        assert "BM25 is used alone" in outcome.err
    quiet = secondlook("kb", "search", "--safe", "--by", "bm25", "--", BEFORE)
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.out == outcome.out


def test_retrieval_is_measured_beside_chance(secondlook: Secondlook, tmp_path: Path) -> None:
    cases, pairs = tmp_path / "cases.jsonl", tmp_path / "pairs.jsonl"
    code = {
        "CWE-89": "cur.execute('select * from t where n = %s' {} n)\n",
        "CWE-22": "return open(os.path.join(root, {} name))\n",
    }
    lines, commits = [], []
    for cwe, template in code.items():
        for number in range(3):
            for side, word in (("before", "%"), ("after", ",")):
                lines.append(
                    {
                        "id": f"{cwe}/{number}/{side}",
                        "suite": "made",
                        "lang": "python",
                        "cwe": cwe,
                        "file_name": "a.py",
                        "code": f"def f{number}(n):\n    " + template.format(word),
                        "label": "vulnerable" if side == "before" else "secure",
                        "lines": None,
                        "pair": None,
                    }
                )
            commits.append({"commit_link": f"https://example.org/{cwe}/{number}"})
    cases.write_text("".join(json.dumps(it) + "\n" for it in lines))
    pairs.write_text("".join(json.dumps(it) + "\n" for it in commits))
    outcome = secondlook("eval", "retrieve", str(cases), "--pairs", str(pairs), "--format", "json")
    assert outcome.code == 0, outcome
    rows = {(it["suite"], it["retriever"], it["query"]): it for it in json.loads(outcome.out)}
    bm25 = rows["files", "bm25", "whole"]
    assert bm25["queries"] == 6
    assert bm25["weaknesses"] == 2
    assert bm25["at_1"]["share"] == 1.0
    # Of five demonstrations of other commits two have the same weakness.
    chance = rows["files", "random", "-"]
    assert abs(chance["at_1"]["share"] - 0.4) < 1e-9
    assert bm25["until_all"] == 1
    assert ("entries", "bm25", "sliced") in rows
