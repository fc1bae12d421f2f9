"""Jupyter notebooks: findings by cell, magics put up with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.binary import Secondlook

CELLS = [
    ("markdown", "# os.system(x)"),
    ("code", "%matplotlib inline\nimport os\n!pip install things\nname = input()\nfiles = !ls"),
    ("code", "%%bash\nrm -rf $HOME"),
    ("code", "# é 😀\n%time os.getcwd()\nos.system('ls ' + name)"),
]


def notebook(cells: list[tuple[str, str]], **metadata: object) -> str:
    """A notebook of version 4, its sources as lists of lines."""
    made = [{"cell_type": kind, "source": text.splitlines(keepends=True)} for kind, text in cells]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def test_a_finding_names_its_cell(secondlook: Secondlook, folder: Path) -> None:
    (folder / "work.ipynb").write_text(notebook(CELLS))
    report = secondlook.check(cwd=folder)
    (found,) = [it for it in report.findings if "CWE-78" in it["cwe"]]
    assert (found["path"], found["cell"]) == ("work.ipynb", 4)
    assert found["range"]["start"] == {"line": 3, "column": 1}
    source = CELLS[3][1].encode()
    start, end = found["bytes"]
    assert source[start:end].startswith(b"os.system(")
    assert found["trace"][0]["cell"] == 2
    assert found["trace"][0]["range"]["start"]["line"] == 4
    # A fix may touch other cells: the shell's words need an import.
    cells = {edit["cell"] for fix in found["fixes"] for edit in fix["edits"]}
    assert 4 in cells
    shown = secondlook("check", cwd=folder).out
    assert "work.ipynb:cell 4:3:1" in shown
    assert "3 | os.system('ls ' + name)" in shown


def test_a_comment_silences_in_a_cell(secondlook: Secondlook, folder: Path) -> None:
    cells = [*CELLS[:3], ("code", "os.system('ls ' + name)  # nosec\nx = 1  # secondlook: ignore")]
    (folder / "work.ipynb").write_text(notebook(cells))
    report = secondlook.check(folder)
    assert "CWE-78" not in report.cwes()
    (idle,) = report.document["unused_suppressions"]
    assert (idle["cell"], idle["range"]["start"]["line"]) == (4, 2)
    before = (folder / "work.ipynb").read_text()
    outcome = secondlook("check", "--fix", folder)
    assert "it is a notebook" in outcome.err
    assert (folder / "work.ipynb").read_text() == before


@pytest.mark.parametrize("form", ["sarif", "github", "concise"])
def test_other_formats_name_the_cell(secondlook: Secondlook, folder: Path, form: str) -> None:
    (folder / "work.ipynb").write_text(notebook(CELLS))
    assert "cell 4" in secondlook("check", "--format", form, cwd=folder).out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not a notebook"),
        ("[" * 100_000, "not a notebook"),
        (notebook(CELLS, kernelspec={"language": "R"}), "a notebook in R"),
        ('{"cells": [{"cell_type": "code", "source": 7}]}', "not a notebook"),
    ],
    ids=["half", "deep", "R", "odd"],
)
def test_what_is_no_notebook_of_python_is_skipped(
    secondlook: Secondlook, folder: Path, text: str, reason: str
) -> None:
    (folder / "odd.ipynb").write_text(text)
    report = secondlook.check(folder)
    assert report.findings == []
    assert report.skipped["odd.ipynb"].startswith(reason)
