"""The cases of fixtures/revise: enough of them, each weak or clean as it says, tests that pass.

Outside judges have their say where they are installed; without them only our own checker has.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook

sys.path.insert(0, str(ROOT / "tests" / "revise"))
from cases import cases  # noqa: E402

RULES = ROOT / "fixtures" / "revise" / "judge.yml"
JUDGES = {
    "bandit": "bandit",
    "flawfinder": "flawfinder",
    "semgrep": f"semgrep=semgrep --config {RULES}",
}


def test_there_are_enough() -> None:
    number = Counter((it["lang"], it["label"]) for it in cases())
    assert number["python", "vulnerable"] >= 60 and number["c", "vulnerable"] >= 20, number
    assert number["python", "secure"] + number["c", "secure"] >= 60, number
    weak = [it for it in cases() if it["label"] == "vulnerable"]
    assert sum("tests" in it for it in weak) >= 30
    assert len({it["cwe"] for it in weak}) >= 25
    assert max(Counter(it["cwe"] for it in weak).values()) <= len(weak) / 6, "no CWE decides alone"
    assert len({it["code"] for it in cases()}) == len(cases())


def test_each_is_what_it_says(secondlook: Secondlook, tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(it) + "\n" for it in cases()))
    there = [name for name in JUDGES if shutil.which(name)]
    words = [word for name in there for word in ("--judge", JUDGES[name])]
    run = tmp_path / "run"
    done = secondlook(
        *("eval", "revise", path, "--out", run, "--isolated", "--modes", "templates"),
        *("--run-tests", *words),
    )
    assert done.code == 0, done
    measures = json.loads((run / "measures.json").read_text())
    rows = {(it["judge"], it["lang"]): it for it in measures["rows"]}
    weak = sum(it["label"] == "vulnerable" for it in cases())
    own = rows["secondlook", "all"]
    assert (own["flagged"], own["clean"]) == (weak, len(cases()) - weak)
    assert own["introduced"] == 0
    assert own["tested"] == sum("tests" in it for it in cases()), "a test fails before any revision"
    assert own["kept"] == own["tested"], "a template breaks what a program does"
    if len(there) == len(JUDGES):
        assert rows["outside", "all"]["flagged"] == weak
        assert rows["outside", "all"]["introduced"] == 0
    else:
        pytest.skip(f"judges that are not installed: {', '.join(JUDGES.keys() - set(there))}")
