"""What people complain about in other checkers: silent where due, heard where it must be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook

HOME = ROOT / "fixtures" / "complaints"
FILES = sorted(it for it in HOME.rglob("*") if it.is_file())
MARK = re.compile(r"(?:#|//) finding: (\S+)$")
# What does not behave yet, and why; whoever mends it is told to take it out.
LIMITS = {
    "python/suppressed_inside_a_statement.py": "our comment holds on the first and the last line "
    "of a statement only, Bandit's on any",
}


def cases() -> list[object]:
    """Every file, with what is known not to work."""
    out = []
    for file in FILES:
        name = file.relative_to(HOME).as_posix()
        marks = [pytest.mark.xfail(reason=LIMITS[name], strict=True)] if name in LIMITS else []
        out.append(pytest.param(file, id=name, marks=marks))
    return out


def marked(file: Path) -> list[tuple[int, str]]:
    """The lines of a file that must be reported, with the entry that must report them."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = ((number, MARK.search(line)) for number, line in enumerate(lines, 1))
    return [(number, it.group(1)) for number, it in found if it]


@pytest.mark.parametrize("file", cases())
def test_exactly_the_marked_lines_are_reported(secondlook: Secondlook, file: Path) -> None:
    report = secondlook.check(file)
    reported = [(it["range"]["start"]["line"], it["entry"]) for it in report.findings]
    assert sorted(reported) == marked(file)
    assert report.document["unused_suppressions"] == []


def test_the_folder_as_a_whole_says_the_same(secondlook: Secondlook) -> None:
    """Another language beside ours, or tests below, change nothing when a folder is checked."""
    expected = [
        (file.name, *it)
        for file in FILES
        if file.relative_to(HOME).as_posix() not in LIMITS
        for it in marked(file)
    ]
    limits = {Path(it).name for it in LIMITS}
    reported = [
        (Path(it["path"]).name, it["range"]["start"]["line"], it["entry"])
        for it in secondlook.check(HOME).findings
        if Path(it["path"]).name not in limits
    ]
    assert expected and sorted(reported) == sorted(expected)


def test_a_name_weighs_less_than_a_value(secondlook: Secondlook) -> None:
    """A table that the request names is a warning, a value in the text of a query an error."""
    python = HOME / "python"
    (name,) = secondlook.check(python / "sql_table_from_request.py").findings
    values = secondlook.check(python / "suppressed_is_narrow.py").findings
    assert name["severity"] == "warning"
    assert {it["severity"] for it in values} == {"error"}
