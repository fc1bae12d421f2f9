"""Settings: where they come from, which one wins, and what a mistake in them costs."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from support import samples
from support.binary import ROOT, Secondlook

SHELL = samples.PY_SHELL.format(head="", note="")


@pytest.fixture
def project(folder: Path) -> Path:
    """A project with a shell command, a pickle, and the format string of a C file."""
    (folder / "shell.py").write_text(SHELL)
    (folder / "pickled.py").write_text(samples.PY_PICKLE)
    (folder / "format.c").write_text(samples.C_FORMAT.format(note=""))
    return folder


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], {"CWE-78", "CWE-502", "CWE-134"}),
        (["--select", "py/*"], {"CWE-78", "CWE-502"}),
        (["--select", "CWE-78,CWE-134"], {"CWE-78", "CWE-134"}),
        (["--select", "py/*", "--ignore", "cwe-78"], {"CWE-502"}),
        (["--ignore", "error"], set()),
        (["--set", "ignore=py/*", "--ignore", "c/*"], set()),
    ],
)
def test_selectors_choose(
    secondlook: Secondlook, project: Path, arguments: list[str], wanted: set[str]
) -> None:
    found = secondlook.check(*arguments, cwd=project).cwes()
    assert found & {"CWE-78", "CWE-502", "CWE-134"} == wanted


def test_severity_is_a_floor(secondlook: Secondlook, project: Path) -> None:
    for floor in ("note", "warning", "error"):
        found = {it["severity"] for it in secondlook.check("--severity", floor, project).findings}
        below = {"note": set(), "warning": {"note"}, "error": {"note", "warning"}}[floor]
        assert found and not found & below


@pytest.mark.parametrize(
    ("name", "head"),
    [("secondlook.toml", ""), ("pyproject.toml", "[project]\nname = 'x'\n[tool.secondlook]\n")],
)
def test_a_file_speaks_for_its_folder(
    secondlook: Secondlook, project: Path, name: str, head: str
) -> None:
    inner = project / "inner"
    inner.mkdir()
    (inner / "shell.py").write_text(SHELL)
    (inner / name).write_text(head + 'ignore = ["CWE-78"]\n')
    report = secondlook.check(project)
    assert report.of("shell.py") and len(report.of("shell.py")) == 1
    assert report.of("shell.py")[0]["path"].endswith("project/shell.py")
    # The nearest file counts alone, and the command line is stronger.
    assert "CWE-78" in secondlook.check("--isolated", inner).cwes()
    assert secondlook.check(inner).findings == []


def test_layers_in_order(secondlook: Secondlook, project: Path) -> None:
    user = secondlook.home / "config" / "secondlook" / "secondlook.toml"
    user.parent.mkdir(parents=True)
    user.write_text('select = ["CWE-134"]\nignore = ["py/*"]\n')
    assert secondlook.check(project).cwes() >= {"CWE-134"}
    assert "CWE-78" not in secondlook.check(project).cwes()
    (project / "secondlook.toml").write_text('select = ["all"]\n')
    # A list of what is left out adds up; what is selected is replaced.
    assert secondlook.check(project).of("shell.py") == []
    shown = secondlook("config", "show", project).out
    assert f'select = ["all"]  # {project / "secondlook.toml"}' in shown
    assert f'ignore = ["py/*"]  # {user}' in shown
    assert 'severity = "note"  # default' in shown
    assert secondlook.check("--isolated", project).of("shell.py")
    other = project / "other.toml"
    other.write_text('select = ["CWE-502"]\n')
    assert secondlook.check("--config", other, project).cwes() <= {"CWE-502", "CWE-134"}


def test_files_are_left_out(secondlook: Secondlook, project: Path) -> None:
    (project / "secondlook.toml").write_text(
        'extend-exclude = ["gen/*.py"]\n[per-file-ignores]\n"shell.py" = ["CWE-78"]\n'
    )
    for name in ("gen/a.py", "venv/b.py", "deep/node_modules/c.py", "kept/gen.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(SHELL)
    report = secondlook.check(cwd=project)
    assert {it["path"] for it in report.findings if "CWE-78" in it["cwe"]} == {"kept/gen.py"}
    named = secondlook.check("gen/a.py", cwd=project)
    assert "CWE-78" in named.cwes()
    forced = secondlook.check("--set", "force-exclude=true", "gen/a.py", cwd=project)
    assert forced.findings == [] and "a.py" in forced.skipped
    assert "CWE-78" in secondlook.check("venv", cwd=project).cwes()
    excluded = secondlook.check("--extend-exclude", "kept", cwd=project)
    assert "CWE-78" not in excluded.cwes()


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ('severity = "error"\nselct = ["all"]\n', 2, "`select`"),
        ('\nignore = ["sql"]\n', 2, "`py/sql-built`"),
        ("max-file-size = true\n", 1, "5 MiB"),
        ("select = [\n", 1, ""),
        ('exclude = ["["]\n', 1, "`[`"),
    ],
)
def test_a_mistake_is_named_and_the_rest_is_done(
    secondlook: Secondlook, project: Path, text: str, line: int, word: str
) -> None:
    (project / "secondlook.toml").write_text(text)
    report = secondlook.check(project)
    assert "CWE-78" in report.cwes()
    assert report.outcome.code == 2
    (said,) = report.outcome.err.splitlines()
    assert f"secondlook.toml:{line}: " in said
    assert word in said


def test_a_selector_that_means_nothing_is_a_warning(secondlook: Secondlook, project: Path) -> None:
    outcome = secondlook("check", "--ignore", "py/pickle-from-outsid", project)
    assert "did you mean `py/pickle-from-outside`?" in outcome.err
    assert outcome.code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--select", "nonsense"],
        ["--severity", "high"],
        ["--set", "colour=red"],
        ["--set", "severity"],
        ["--config", "nowhere.toml"],
    ],
)
def test_a_mistake_on_the_command_line_ends_it(
    secondlook: Secondlook, project: Path, arguments: list[str]
) -> None:
    outcome = secondlook("check", *arguments, cwd=project)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ") and len(outcome.err.splitlines()) == 1


def test_the_schema_takes_what_the_reader_takes(secondlook: Secondlook) -> None:
    schema = json.loads(secondlook("config", "schema").out)
    published = (ROOT / "docs" / "secondlook.schema.json").read_text(encoding="utf-8")
    assert schema == json.loads(published)
    validator = jsonschema.Draft7Validator(schema)
    validator.check_schema(schema)
    good = {"select": ["py/*"], "max-file-size": "1 MiB", "per-file-ignores": {"a": ["all"]}}
    assert validator.is_valid(good)
    for bad in ({"selct": []}, {"severity": "high"}, {"max-file-size": "5 MB"}, {"ignore": "x"}):
        assert not validator.is_valid(bad), bad
