"""`secondlook eval revise` with a scripted model and scripted judges.

What every number must be is counted by hand here; no judge and no model of the real world is run.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from support.binary import Outcome, Secondlook
from support.model_server import ModelServer, Reply, chat, closed_port, serve, silent

SHELL = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    out = subprocess.run("exec ls -l " + folder, shell=True, capture_output=True)\n'
    "    return out.stdout\n"
)
CURED = SHELL.replace('"exec ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')
# Silences the finding and breaks the function.
GUTTED = SHELL.replace(
    '    out = subprocess.run("exec ls -l " + folder, shell=True, capture_output=True)\n'
    "    return out.stdout\n",
    '    return b""\n',
)
YAML = 'import yaml\n\n\ndef settings(text):\n    return yaml.load(text, Loader=yaml.Loader)["a"]\n'
CLEAN = "def double(value):\n    # <script>alert(1)</script>\n    return value * 2\n"
WORSE = "import os\n\n\ndef double(value):\n    os.system(value)\n    return value * 2\n"

CASES: list[dict[str, Any]] = [
    {
        "id": "shell",
        "lang": "python",
        "cwe": "CWE-78",
        "code": SHELL,
        "rules": {"words": ["S1"]},
        "tests": "import sample\nassert b'sample.py' in sample.list_folder('.')\n",
    },
    {"id": "yaml", "lang": "python", "cwe": "CWE-502", "code": YAML},
    {
        "id": "double",
        "lang": "python",
        "code": CLEAN,
        "tests": "import sample\nassert sample.double(2) == 4\n",
    },
]

# Fires on shells that are run and on careless loaders; a note on every import stands for nothing.
WORDS = """#!/bin/sh
cd "$1" || exit 2
say() { grep -nE "$1" /dev/null *.py | sed -E "s/^([^:]*:[0-9]+):.*/\\1:$2/"; }
say 'shell=True|os.system' ' S1 CWE-78'
say 'yaml.Loader' '3: Y1 CWE-502'
say '^import' ' I1 imports'
exit 1
"""


def fence(code: str) -> str:
    return f"```python\n{code}```\n"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A folder with cases and a judge."""
    lines = [json.dumps({"suite": "s"} | case) for case in CASES]
    (tmp_path / "cases.jsonl").write_text("\n".join(lines) + "\n")
    judge = tmp_path / "words"
    judge.write_text(WORDS)
    judge.chmod(0o755)
    return tmp_path


def run(secondlook: Secondlook, bench: Path, *more: object) -> Outcome:
    words = ["--judge", f"words={bench / 'words'}", "--run-tests", *map(str, more)]
    return secondlook(
        "eval", "revise", bench / "cases.jsonl", "--out", bench / "run", "--isolated", *words
    )


def rows(bench: Path, mode: str, judge: str, variant: str = "proven") -> dict[str, Any]:
    """The row of a mode over all languages."""
    measures = json.loads((bench / "run" / "measures.json").read_text())
    found = [
        it
        for it in measures["rows"]
        if (it["mode"], it["judge"], it["variant"], it["lang"]) == (mode, judge, variant, "all")
    ]
    assert len(found) == 1, found
    return found[0]


def scripted(server: list[ModelServer]) -> Reply:
    """A model that knows the cure when it has the advice, guts it otherwise, and meddles."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        asked = server[0].requests[-1]["messages"][1]["content"]
        if "def double" in asked:
            chat(fence(WORSE))(handler)
        elif "def settings" in asked:
            chat("NO CHANGE NEEDED")(handler)
        elif "an analysis has proven" in asked:
            chat(fence(CURED))(handler)
        else:
            chat(fence(GUTTED))(handler)

    return reply


def test_templates_need_no_model(secondlook: Secondlook, bench: Path) -> None:
    done = run(secondlook, bench)
    assert done.code == 0, done
    row = rows(bench, "templates", "words")
    # The judge flags both, and the entry's own fix mends the loader.
    assert (row["flagged"], row["fixed"], row["clean"], row["introduced"]) == (2, 1, 1, 0)
    assert (row["fix_rate"], row["macro_fix_rate"], row["intro_rate"]) == (0.5, 0.5, 0.0)
    assert row["no_change_rate"] == pytest.approx(2 / 3)
    assert row["identical"] == 2
    assert row["cwes"] == [
        {"cwe": "CWE-78", "flagged": 1, "fixed": 0},
        {"cwe": "CWE-502", "flagged": 1, "fixed": 1},
    ]
    assert (row["tested"], row["kept"], row["secure_pass"]) == (2, 2, 1)
    assert row["intro_bound"] == pytest.approx(0.95)


def test_modes_side_by_side(secondlook: Secondlook, bench: Path) -> None:
    holder: list[ModelServer] = []
    with serve(scripted(holder)) as server:
        holder.append(server)
        words = server.options(model_repairs=1)
        modes = "--modes=templates+community,community,prompt-only"
        done = run(secondlook, bench, modes, *words)
        assert done.code == 0, done
        both = rows(bench, "templates+community", "words")
        assert (both["fixed"], both["flagged"], both["introduced"]) == (2, 2, 0)
        assert (both["kept"], both["secure_pass"], both["tested"]) == (2, 2, 2)
        # What the model would have done to the clean case without the gate.
        worse = rows(bench, "community", "words", "believed")
        assert (worse["introduced"], worse["clean"]) == (1, 1)
        assert rows(bench, "community", "words")["introduced"] == 0
        # The gutted function silences the judge, and its test says what became of it.
        plain = rows(bench, "prompt-only", "words", "believed")
        assert (plain["fixed"], plain["flagged"]) == (1, 2)
        assert (plain["tested"], plain["secure"], plain["secure_pass"]) == (2, 1, 0)
        assert rows(bench, "prompt-only", "words")["fixed"] == 0
        measures = json.loads((bench / "run" / "measures.json").read_text())
        effort = {it["mode"]: it for it in measures["efforts"]}
        # The shell once; the loader twice, because what is proven is said once more; the clean case
        # twice, because its first answer is refused.
        assert effort["templates+community"]["by_template"] == 1
        assert effort["community"]["calls"] == 1 + 2 + 2
        assert effort["community"]["asked_tokens"] == 5 * 123
        assert effort["prompt-only"]["refused"] == 2

        asked = len(server.requests)
        again = run(secondlook, bench, modes, *words)
        assert again.code == 0 and again.out == done.out, again
        assert len(server.requests) == asked, "a run goes on from what it has"
        (bench / "run" / "results.jsonl").unlink()
        again = run(secondlook, bench, modes, *words)
        assert again.code == 0 and again.out == done.out, again
        assert len(server.requests) == asked, "answers are kept by what was asked"


def test_an_interrupted_run_goes_on(secondlook: Secondlook, bench: Path) -> None:
    (bench / "cases.jsonl").write_text(json.dumps({"suite": "s"} | CASES[0]) + "\n")
    with serve(chat(fence(CURED)), silent, chat(fence(CURED))) as server:
        words = server.options()
        command = [
            *(str(secondlook.path), "eval", "revise", str(bench / "cases.jsonl")),
            *("--out", str(bench / "run"), "--isolated", "--modes", "community,cwe", *words),
        ]
        process = subprocess.Popen(
            command, env=secondlook.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        end = time.monotonic() + 60
        while len(server.requests) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert b"interrupted after 1 of 2" in err
        assert server.settled(), "the connection is closed"
        assert not (bench / "run" / "report.html").exists()
        done = run(secondlook, bench, "--modes", "community,cwe", *words)
        assert done.code == 0, done
        assert len(server.requests) == 3, "what was answered is not asked again"
    assert rows(bench, "community", "words")["fixed"] == 1


def test_a_server_that_is_gone_stops_the_run(secondlook: Secondlook, bench: Path) -> None:
    words = ModelServer(port=closed_port()).options()
    done = run(
        secondlook, bench, "--modes", "templates,community", "--set", "model-retries=0", *words
    )
    assert done.code == 2, done
    assert "no connection to the model" in done.err and "goes on from there" in done.err
    assert rows(bench, "templates", "words")["fixed"] == 1, "what was done is reported"
    assert "3 of 6 tried" in (bench / "run" / "report.html").read_text()


def test_tests_run_only_when_asked_for(secondlook: Secondlook, bench: Path) -> None:
    mark = bench / "ran"
    case = CASES[2] | {"suite": "s", "tests": f"open({str(mark)!r}, 'w').close()\n"}
    (bench / "cases.jsonl").write_text(json.dumps(case) + "\n")
    words = ("eval", "revise", bench / "cases.jsonl", "--out", bench / "run", "--isolated")
    assert secondlook(*words).code == 0
    assert not mark.exists()
    assert secondlook(*words, "--run-tests").code == 0
    assert mark.exists()


def test_the_report_needs_nothing_else(secondlook: Secondlook, bench: Path) -> None:
    holder: list[ModelServer] = []
    with serve(scripted(holder)) as server:
        holder.append(server)
        done = run(secondlook, bench, "--modes=community", *server.options())
        assert done.code == 0, done
    page = (bench / "run" / "report.html").read_text()
    assert page.count("<svg") == page.count("</svg>") >= 4
    for word in ("<script", "<link", "src=", "url(", "@import", "http:", "https:"):
        rest = page.replace(server.url, "")
        assert word not in rest, word
    assert "&lt;script&gt;" in page, "code is shown as it is"
    assert re.search(r'class="plus">\+    out = subprocess.run\(\[&quot;ls&quot;', page), page


DOCUMENTS = {
    "bandit": {
        "results": [
            {
                "filename": "FOLDER/case_00000.py",
                "test_id": "B602",
                "line_number": 5,
                "issue_cwe": {"id": 78},
            }
        ]
    },
    "semgrep": {
        "results": [
            {
                "path": "FOLDER/case_00000.py",
                "check_id": "some.where.shell-run",
                "start": {"line": 5},
                "extra": {"metadata": {"cwe": ["CWE-78: OS command injection"]}},
            }
        ]
    },
    "other": {
        "runs": [
            {
                "tool": {
                    "driver": {
                        "rules": [{"id": "X1", "relationships": [{"target": {"id": "CWE-77"}}]}]
                    }
                },
                "results": [
                    {
                        "ruleId": "X1",
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {"uri": "case_00000.py"},
                                    "region": {"startLine": 5},
                                }
                            }
                        ],
                    }
                ],
            }
        ]
    },
}


@pytest.mark.parametrize("judge", DOCUMENTS)
def test_judges_are_understood(secondlook: Secondlook, bench: Path, judge: str) -> None:
    case = CASES[0] | {"suite": "s", "rules": {}}
    (bench / "cases.jsonl").write_text(json.dumps(case) + "\n")
    document = json.dumps(DOCUMENTS[judge])
    program = bench / "judge"
    program.write_text(f"#!/bin/sh\necho '{document}'\n")
    program.chmod(0o755)
    done = run(secondlook, bench, "--judge", f"{judge}={program}")
    assert done.code == 0, done
    assert rows(bench, "templates", judge)["flagged"] == 1
    assert rows(bench, "templates", "outside")["flagged"] == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'no such rules' >&2; exit 2", "no such rules"),
        ("echo '{\"results\": 5}'", "nothing that can be read"),
        ("exit 1", "code 1"),
        ("kill -9 $$", "did not come to its end"),
    ],
)
def test_a_judge_that_fails_is_not_silent(
    secondlook: Secondlook, bench: Path, script: str, said: str
) -> None:
    (bench / "words").write_text(f"#!/bin/sh\n{script}\n")
    done = run(secondlook, bench)
    assert done.code == 2 and "the judge words" in done.err and said in done.err, done


def test_mistakes_are_named(secondlook: Secondlook, bench: Path) -> None:
    done = run(secondlook, bench, "--judge", "absent=/nowhere/at/all")
    assert done.code == 2 and "absent" in done.err, done
    done = run(secondlook, bench, "--judge", "semgrep")
    assert done.code == 2 and "--config" in done.err, done
    done = run(secondlook, bench, "--modes", "best")
    assert done.code == 2 and "templates+community" in done.err, done
    done = run(secondlook, bench, "--modes", "cwe")
    assert done.code == 2 and "none is configured" in done.err, done
    case = json.dumps({"suite": "s"} | CASES[0]) + "\n"
    (bench / "cases.jsonl").write_text(case * 2)
    done = run(secondlook, bench)
    assert done.code == 2 and "two cases are called `shell`" in done.err, done
