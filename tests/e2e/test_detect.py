"""`secondlook eval detect`: the counts are right, and on the labelled code they reach the bars."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support import samples
from support.binary import Secondlook


def detect(secondlook: Secondlook, *files: Path) -> list[dict[str, Any]]:
    """The rows of the answer."""
    outcome = secondlook("eval", "detect", "--format", "json", *files)
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)["rows"]


def total(rows: list[dict[str, Any]], lang: str) -> dict[str, Any]:
    """The row of a language over all weaknesses."""
    (row,) = [it for it in rows if it["lang"] == lang and it["cwe"] == "all"]
    return row


def case(name: str, code: str, label: str, cwe: str = "CWE-78", lang: str = "python") -> str:
    """One line of a labelled file; a case and its twin differ in their last word."""
    pair, _, side = name.rpartition(" ")
    twin = f"{pair} {'after' if side == 'before' else 'before'}"
    return json.dumps(
        {"id": name, "suite": "ours", "lang": lang, "cwe": cwe, "code": code}
        | {"file_name": "x", "label": label, "lines": None, "pair": twin}
    )


def test_pairs_are_counted_as_defined(secondlook: Secondlook, folder: Path) -> None:
    weak = samples.PY_SHELL.format(head="", note="")
    lines = [
        # Told apart.
        case("first before", weak, "vulnerable"),
        case("first after", samples.PY_CLEAN, "secure"),
        # Found on both sides, so an alarm and not told apart.
        case("second before", weak, "vulnerable"),
        case("second after", weak, "secure"),
        # Missed.
        case("third before", samples.PY_CLEAN, "vulnerable"),
        case("third after", samples.PY_CLEAN, "secure"),
        # Found, but for another weakness than the one that was meant.
        case("fourth before", weak, "vulnerable", cwe="CWE-89"),
        case("fourth after", weak, "secure", cwe="CWE-89"),
        # A number of the same family is the same weakness.
        case("fifth before", weak, "vulnerable", cwe="CWE-77"),
        case("fifth after", samples.PY_CLEAN, "secure", cwe="CWE-77"),
    ]
    file = folder / "cases.jsonl"
    file.write_text("\n".join(lines) + "\n")
    row = total(detect(secondlook, file), "python")
    assert (row["vulnerable"], row["secure"], row["pairs"]) == (5, 5, 5)
    assert (row["found_any"], row["found_same"]) == (4, 3)
    assert (row["alarm_any"], row["alarm_same"]) == (2, 1)
    assert row["told_apart"] == 2


def test_a_broken_line_is_named(secondlook: Secondlook, folder: Path) -> None:
    file = folder / "cases.jsonl"
    file.write_text(case("first before", "", "vulnerable") + "\n{no json\n")
    outcome = secondlook("eval", "detect", file)
    assert outcome.code == 2
    assert "cases.jsonl" in outcome.err
    assert "line 2" in outcome.err


@pytest.fixture(scope="module")
def labelled() -> Path:
    """The labelled code, where this machine has it."""
    named = os.environ.get("SECONDLOOK_DATA")
    file = Path(named) / "sven_train.jsonl" if named else None
    if file is None or not file.is_file():
        pytest.skip("no labelled code: set SECONDLOOK_DATA to a folder with sven_train.jsonl")
    return file


def test_python_reaches_the_bar(secondlook: Secondlook, labelled: Path) -> None:
    row = total(detect(secondlook, labelled), "python")
    assert row["pairs"] > 300
    assert row["told_apart"] / row["pairs"] >= 0.48, row
    assert row["alarm_same"] / row["secure"] <= 0.05, row


def test_c_reaches_the_bar(secondlook: Secondlook, labelled: Path) -> None:
    row = total(detect(secondlook, labelled), "c")
    assert row["pairs"] > 300
    assert row["told_apart"] / row["pairs"] >= 0.02, row
    assert row["alarm_same"] / row["secure"] < row["told_apart"] / row["pairs"], row
