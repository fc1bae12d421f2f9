"""Findings that are known or accepted: baselines, comments of other checkers, idle comments."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support import samples
from support.binary import Secondlook

SHELL = samples.PY_SHELL.format(head="", note="")


class TestBaseline:
    """What a baseline knows is not reported again, wherever it moves."""

    @pytest.fixture
    def project(self, secondlook: Secondlook, folder: Path) -> Path:
        """A project whose findings are written down."""
        (folder / "app.py").write_text(SHELL)
        (folder / "twice.c").write_text(samples.C_FORMAT.format(note="\n    printf(message);"))
        outcome = secondlook("check", "--write-baseline", "known.json", cwd=folder)
        assert outcome.code == 0 and outcome.out == ""
        assert "findings written to known.json" in outcome.err
        return folder

    def known(self, secondlook: Secondlook, project: Path) -> list[dict]:
        """What is reported beside the baseline."""
        return secondlook.check("--baseline", "known.json", cwd=project).findings

    def test_what_is_known_is_silent(self, secondlook: Secondlook, project: Path) -> None:
        assert self.known(secondlook, project) == []
        outcome = secondlook("check", "--baseline", "known.json", cwd=project)
        assert outcome.code == 0
        assert "3 findings known to the baseline." in outcome.out

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "# a new line\n\n" + text,
            lambda text: text.replace("os.system(", "os.system( "),
            lambda text: text.replace("\n", "\r\n"),
            lambda text: text.replace(" + host)", " +\n        host)"),
            lambda text: text.replace("def ping(", "def other():\n    pass\n\n\ndef ping("),
        ],
        ids=["moved", "spaced", "crlf", "wrapped", "another function"],
    )
    def test_it_stays_known(
        self, secondlook: Secondlook, project: Path, change: Callable[[str], str]
    ) -> None:
        path = project / "app.py"
        path.write_bytes(change(path.read_text()).encode())
        assert self.known(secondlook, project) == []

    def test_what_is_new_is_reported(self, secondlook: Secondlook, project: Path) -> None:
        path = project / "app.py"
        path.write_text(SHELL + SHELL.replace("ping", "pong").replace("import os\n", ""))
        (found,) = self.known(secondlook, project)
        assert found["range"]["start"]["line"] > 5
        # One more of the same code is one too many.
        (project / "twice.c").write_text(samples.C_FORMAT.format(note="\n    printf(message);" * 2))
        assert len(self.known(secondlook, project)) == 2

    def test_a_renamed_file_stays_known(self, secondlook: Secondlook, project: Path) -> None:
        (project / "app.py").rename(project / "moved.py")
        assert self.known(secondlook, project) == []

    def test_settings_name_it_and_fixes_leave_it(
        self, secondlook: Secondlook, project: Path
    ) -> None:
        (project / "secondlook.toml").write_text('baseline = "known.json"\n')
        inner = project / "inner"
        inner.mkdir()
        assert secondlook.check("..", cwd=inner).findings == []
        before = (project / "twice.c").read_text()
        secondlook("check", "--fix", cwd=project)
        assert (project / "twice.c").read_text() == before

    @pytest.mark.parametrize("text", ["{", '{"version": 7, "findings": []}', None])
    def test_a_broken_one_is_named_and_the_rest_is_done(
        self, secondlook: Secondlook, project: Path, text: str | None
    ) -> None:
        path = project / "known.json"
        path.unlink() if text is None else path.write_text(text)
        report = secondlook.check("--baseline", "known.json", cwd=project)
        assert report.outcome.code == 2
        assert "baseline " in report.outcome.err and "known.json" in report.outcome.err
        assert len(report.findings) == 3

    def test_it_is_sorted_and_holds_no_code(self, project: Path) -> None:
        text = (project / "known.json").read_text()
        rows = json.loads(text)["findings"]
        assert [it["path"] for it in rows] == ["app.py", "twice.c", "twice.c"]
        assert "ping" not in text and "printf" not in text


@pytest.mark.parametrize(
    ("note", "silent"),
    [
        ("  # nosec", True),
        ("  # nosec B605", True),
        ("  # nosec: B101, B605", True),
        ("  # nosec start_process_with_a_shell", True),
        ("  # nosec B608", False),
        ("  # nosec because the name is ours", True),
        ("  # nosection", False),
        ("  # noqa: S605", True),
        ("  # noqa: E501,S605", True),
        ("  # NOQA:S605 # and more", True),
        ("  # noqa: S608", False),
        ("  # noqa: E501", False),
        ("  # noqa", False),
        ('; x = "# nosec"', False),
    ],
)
def test_comments_of_others_silence_what_they_mean(
    secondlook: Secondlook, folder: Path, note: str, silent: bool
) -> None:
    (folder / "app.py").write_text(samples.PY_SHELL.format(head="", note=note))
    report = secondlook.check(folder)
    assert ("CWE-78" not in report.cwes()) is silent
    off = [*("--set", "honour-nosec=false"), *("--set", "honour-noqa=false")]
    assert "CWE-78" in secondlook.check(*off, folder).cwes()


def test_inside_a_statement_bandits_comment_holds(secondlook: Secondlook, folder: Path) -> None:
    text = (
        "import os\n\n\ndef ping(host):\n    os.system(\n        'ping '  {}\n        + host\n    )"
    )
    (folder / "app.py").write_text(text.format("# nosec B605"))
    assert "CWE-78" not in secondlook.check(folder).cwes()
    (folder / "app.py").write_text(text.format("# noqa: S605"))
    assert "CWE-78" in secondlook.check(folder).cwes()


def test_a_comment_may_speak_of_the_whole_file(secondlook: Secondlook, folder: Path) -> None:
    (folder / "app.py").write_text("# ruff: noqa: S605\n" + SHELL)
    assert "CWE-78" not in secondlook.check(folder).cwes()
    (folder / "app.py").write_text("# ruff: noqa\n" + SHELL)
    assert "CWE-78" in secondlook.check(folder).cwes()


class TestIdle:
    """A comment of ours that silences nothing is reported, and `--fix` takes it out."""

    @pytest.mark.parametrize(
        ("name", "before", "after"),
        [
            ("a.py", "x = 1  # secondlook: ignore[py/sql-built]\n", "x = 1\n"),
            ("a.py", "x = 1\n    # secondlook: ignore\ny = 2\n", "x = 1\ny = 2\n"),
            ("a.py", "x = 1  # secondlook: ignore[py/x]  # noqa\n", "x = 1  # noqa\n"),
            ("a.c", "int x; /* secondlook: ignore[c/x] */ int y;\n", "int x; int y;\n"),
            ("a.c", "int x; // secondlook: ignore\r\n", "int x;\r\n"),
        ],
    )
    def test_it_is_taken_out(
        self, secondlook: Secondlook, folder: Path, name: str, before: str, after: str
    ) -> None:
        path = folder / name
        path.write_bytes(before.encode())
        report = secondlook.check(folder)
        assert report.outcome.code == 0
        assert len(report.document["unused_suppressions"]) == 1
        assert "silences nothing" in secondlook("check", folder).out
        secondlook("check", "--fix", folder)
        assert path.read_bytes().decode() == after
        assert secondlook.check(folder).document["unused_suppressions"] == []

    def test_of_several_names_the_idle_ones(self, secondlook: Secondlook, folder: Path) -> None:
        path = folder / "app.py"
        path.write_text(SHELL)
        (found,) = secondlook.check(folder).findings
        note = "  # secondlook: ignore[py/a, py/b, {}, py/c]".format(found["entry"])
        path.write_text(samples.PY_SHELL.format(head="", note=note))
        report = secondlook.check(folder)
        assert report.findings == []
        assert len(report.document["unused_suppressions"]) == 3
        secondlook("check", "--fix", folder)
        assert f"# secondlook: ignore[{found['entry']}]\n" in path.read_text()

    def test_it_is_not_asked_about_what_was_not_chosen(
        self, secondlook: Secondlook, folder: Path
    ) -> None:
        note = "  # secondlook: ignore"
        (folder / "app.py").write_text(samples.PY_SHELL.format(head="", note=note))
        report = secondlook.check("--select", "CWE-89", folder)
        assert report.document["unused_suppressions"] == []
        (folder / "app.py").write_text("x = 1" + note + "\n")
        off = secondlook.check("--set", "report-unused-suppressions=false", folder)
        assert off.document["unused_suppressions"] == []


def test_a_fix_of_what_is_not_selected_is_not_applied(secondlook: Secondlook, folder: Path) -> None:
    path = folder / "app.c"
    path.write_text(samples.C_FORMAT.format(note=""))
    secondlook("check", "--fix", "--ignore", "CWE-134", folder)
    assert path.read_text() == samples.C_FORMAT.format(note="")
    secondlook("check", "--fix", folder)
    assert path.read_text() != samples.C_FORMAT.format(note="")
