"""`secondlook check` on ordinary code: what it reports, where, in which form, how it exits."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support import samples
from support.binary import ROOT, Report, Secondlook, place

LINK = re.compile(r"https://\S+")


def assert_places(report: Report, path: Path) -> None:
    """Holds every range of the findings in one file against the file's bytes."""
    data = path.read_bytes()
    text = data.decode("utf-8")
    for finding in report.of(path.name):
        start, end = finding["bytes"]
        assert 0 <= start < end <= len(data), finding
        said = data[start:end].decode("utf-8")
        by_columns = text[
            place(text, finding["range"]["start"]) : place(text, finding["range"]["end"])
        ]
        assert said == by_columns, finding
        for step in finding["trace"]:
            assert place(text, step["range"]["start"]) <= place(text, step["range"]["end"])


def test_the_demo_is_found_with_links(secondlook: Secondlook) -> None:
    demo = ROOT / "fixtures" / "demo"
    report = secondlook.check(demo)
    assert report.outcome.code == 1
    assert report.skipped == {}
    expected = {path.name for path in demo.iterdir() if path.suffix in {".py", ".c"}}
    assert {Path(it["path"]).name for it in report.findings} == expected
    for finding in report.findings:
        assert finding["discussions"], finding
    for path in demo.iterdir():
        if path.suffix in {".py", ".c"}:
            assert_places(report, path)


def test_the_text_of_the_demo_has_a_link_for_each_finding(secondlook: Secondlook) -> None:
    demo = ROOT / "fixtures" / "demo"
    shown = secondlook("check", demo)
    assert shown.code == 1
    report = secondlook.check(demo)
    for finding in report.findings:
        assert finding["message"] in shown.out
        assert any(it["url"] in shown.out for it in finding["discussions"]), finding
    assert len(LINK.findall(shown.out)) >= len(report.findings)
    assert "\x1b[" not in shown.out


def test_quiet_code_stays_quiet(secondlook: Secondlook) -> None:
    report = secondlook.check(ROOT / "fixtures" / "quiet")
    assert [(it["path"], it["entry"]) for it in report.findings] == []
    assert report.outcome.code == 0


def test_a_clean_file_ends_with_zero(secondlook: Secondlook, folder: Path) -> None:
    (folder / "clean.py").write_text(samples.PY_CLEAN)
    (folder / "clean.c").write_text(samples.C_CLEAN)
    assert secondlook("check", folder).code == 0
    assert secondlook.check(folder).document["findings"] == []


def test_the_working_folder_is_checked_when_no_path_is_named(
    secondlook: Secondlook, folder: Path
) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "app.py").write_text(samples.PY_SHELL.format(head="", note=""))
    report = secondlook.check(cwd=folder)
    assert "CWE-78" in report.cwes("app.py")


def test_a_missing_file_is_named_and_the_others_are_checked(
    secondlook: Secondlook, folder: Path
) -> None:
    (folder / "app.py").write_text(samples.PY_SHELL.format(head="", note=""))
    report = secondlook.check("nowhere.py", "app.py", cwd=folder)
    assert report.outcome.code == 2
    assert "nowhere.py" in report.outcome.err
    assert "CWE-78" in report.cwes("app.py")

    shown = secondlook("check", "app.py", "nowhere.py", cwd=folder)
    assert shown.code == 2
    assert "os.system" in shown.out
    assert "nowhere.py" in shown.err


def test_an_unknown_option_ends_with_two(secondlook: Secondlook) -> None:
    outcome = secondlook("check", "--no-such-option")
    assert outcome.code == 2
    assert "--no-such-option" in outcome.err


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("head", ["", 'label = "🙂é漢"; '], ids=["ascii", "emoji"])
def test_columns_count_characters_and_bytes_are_utf8(
    secondlook: Secondlook, folder: Path, head: str, line_end: str
) -> None:
    text = samples.PY_SHELL.format(head=head, note="").replace("\n", line_end)
    path = folder / "app.py"
    path.write_bytes(text.encode())
    report = secondlook.check(path)
    assert_places(report, path)
    (finding,) = report.of("app.py")
    start = finding["range"]["start"]
    assert start["line"] == 5
    line = text.split(line_end)[4]
    assert start["column"] > line.index("os.system")
    assert "🙂" not in path.read_bytes()[slice(*finding["bytes"])].decode()


def test_data_flow_is_told_step_by_step(secondlook: Secondlook, folder: Path) -> None:
    (folder / "app.py").write_text(samples.PY_PICKLE)
    report = secondlook.check(folder)
    (finding,) = report.of("app.py")
    assert "CWE-502" in finding["cwe"]
    assert_places(report, folder / "app.py")
    assert any(step["range"]["start"]["line"] == 10 for step in finding["trace"]), finding


def test_a_declaration_of_a_library_function_hides_nothing(
    secondlook: Secondlook, folder: Path
) -> None:
    # C11 took gets out of stdio.h, so code that calls it declares it.
    text = samples.C_GETS.format(note="").replace("\n\n", "\n\nchar *gets(char *line);\n\n", 1)
    (folder / "ask.c").write_text(text)
    assert "CWE-242" in secondlook.check(folder).cwes()


def test_the_answer_is_the_same_every_time(secondlook: Secondlook, folder: Path) -> None:
    for number in range(40):
        text = samples.PY_SHELL if number % 2 else samples.C_FORMAT
        suffix = "py" if number % 2 else "c"
        (folder / f"file{number:02}.{suffix}").write_text(text.format(head="", note=""))
    first = secondlook.check(folder)
    assert len(first.findings) == 40
    paths = [it["path"] for it in first.findings]
    assert paths == sorted(paths)
    assert secondlook.check(folder).document == first.document


def test_standard_input_takes_the_name_it_is_given(secondlook: Secondlook, folder: Path) -> None:
    text = samples.PY_SHELL.format(head="", note="")
    report = secondlook.check("--stdin-filename", "made/up.py", "-", stdin=text, cwd=folder)
    assert report.outcome.code == 1
    assert {it["path"] for it in report.findings} == {"made/up.py"}
    assert "CWE-78" in report.cwes()

    quiet = secondlook.check("--stdin-filename", "up.py", "-", stdin=samples.PY_CLEAN, cwd=folder)
    assert quiet.outcome.code == 0
    code_in_c = samples.C_FORMAT.format(note="")
    in_c = secondlook.check("--stdin-filename", "up.c", "-", stdin=code_in_c, cwd=folder)
    assert "CWE-134" in in_c.cwes()


def test_explain_shows_scores(secondlook: Secondlook, folder: Path) -> None:
    (folder / "app.py").write_text(samples.PY_SHELL.format(head="", note=""))
    plain = secondlook("check", folder)
    explained = secondlook("check", "--explain", folder)
    assert explained.code == plain.code == 1
    score = re.compile(r"\b\d+\.\d+\b")
    assert len(score.findall(explained.out)) > len(score.findall(plain.out))

    report = secondlook.check("--explain", folder)
    assert any(
        isinstance(it["score"], (int, float))
        for finding in report.findings
        for it in finding["discussions"]
    )


class TestSuppression:
    """A comment silences a finding, that finding only, and only where it stands."""

    @pytest.mark.parametrize("named", [True, False], ids=["one entry", "every entry"])
    @pytest.mark.parametrize(
        ("name", "text", "comment"),
        [
            ("app.py", samples.PY_SHELL, "  # secondlook: ignore{}"),
            ("app.c", samples.C_FORMAT, " // secondlook: ignore{}"),
            ("app.c", samples.C_FORMAT, " /* secondlook: ignore{} */"),
        ],
        ids=["python", "c line", "c block"],
    )
    def test_on_the_line(
        self,
        secondlook: Secondlook,
        folder: Path,
        name: str,
        text: str,
        comment: str,
        named: bool,
    ) -> None:
        path = folder / name
        path.write_text(text.format(head="", note=""))
        (before,) = secondlook.check(path).findings
        word = f"[{before['entry']}]" if named else ""
        path.write_text(text.format(head="", note=comment.format(word)))
        after = secondlook.check(path)
        assert after.findings == []
        assert after.outcome.code == 0

    def test_another_entry_is_not_silenced(self, secondlook: Secondlook, folder: Path) -> None:
        note = "  # secondlook: ignore[py/something-else]"
        (folder / "app.py").write_text(samples.PY_SHELL.format(head="", note=note))
        assert "CWE-78" in secondlook.check(folder).cwes()

    def test_another_line_is_not_silenced(self, secondlook: Secondlook, folder: Path) -> None:
        text = samples.PY_SHELL.format(head="", note="")
        (folder / "app.py").write_text("import os  # secondlook: ignore\n" + text)
        assert "CWE-78" in secondlook.check(folder).cwes()

    def test_a_string_silences_nothing(self, secondlook: Secondlook, folder: Path) -> None:
        head = 'note = " # secondlook: ignore"; '
        (folder / "app.py").write_text(samples.PY_SHELL.format(head=head, note=""))
        assert "CWE-78" in secondlook.check(folder).cwes()


class TestFixes:
    """`--diff` shows, `--fix` writes, and both mean the same."""

    @staticmethod
    def write(folder: Path, line_end: str = "\n", tail: str = "") -> Path:
        path = folder / "report.c"
        text = samples.C_FORMAT.format(note="").replace("\n", line_end) + tail
        path.write_bytes(text.encode())
        return path

    def test_the_json_edits_mend_the_file(self, secondlook: Secondlook, folder: Path) -> None:
        path = self.write(folder)
        (finding,) = secondlook.check(path).findings
        fix = next(it for it in finding["fixes"] if it["applicability"] == "safe")
        data = path.read_bytes()
        for edit in sorted(fix["edits"], key=lambda it: it["bytes"], reverse=True):
            start, end = edit["bytes"]
            data = data[:start] + edit["text"].encode() + data[end:]
        path.write_bytes(data)
        assert b'printf("%s", message)' in data
        assert secondlook.check(path).findings == []

    def test_diff_shows_the_change_and_makes_none(
        self, secondlook: Secondlook, folder: Path
    ) -> None:
        path = self.write(folder)
        before = path.read_bytes()
        shown = secondlook("check", "--diff", "report.c", cwd=folder)
        assert path.read_bytes() == before
        assert shown.code == 1
        lines = shown.out.splitlines()
        assert any(line.startswith("--- ") and "report.c" in line for line in lines)
        assert any(line.startswith("+++ ") and "report.c" in line for line in lines)
        assert any(line.startswith("@@ ") for line in lines)
        assert "-    printf(message);" in lines
        assert '+    printf("%s", message);' in lines

    def test_the_diff_can_be_applied(self, secondlook: Secondlook, folder: Path) -> None:
        path = self.write(folder)
        shown = secondlook("check", "--diff", "report.c", cwd=folder)
        applied = [
            subprocess.run(
                ["git", "apply", level, "-"], cwd=folder, input=shown.out.encode(), check=False
            ).returncode
            for level in ("-p0", "-p1")
        ]
        assert 0 in applied, shown.out
        by_diff = path.read_bytes()
        self.write(folder)
        secondlook("check", "--fix", "report.c", cwd=folder)
        assert path.read_bytes() == by_diff

    @pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
    @pytest.mark.parametrize(
        "tail", ["", "/* no line end", "\t \n\n\n"], ids=["plain", "open", "blank"]
    )
    def test_fix_changes_nothing_but_the_weakness(
        self, secondlook: Secondlook, folder: Path, line_end: str, tail: str
    ) -> None:
        tail = tail if not tail.startswith("/*") else tail + " */"
        path = self.write(folder, line_end, tail)
        before = path.read_bytes()
        secondlook("check", "--fix", path)
        assert path.read_bytes() == before.replace(b"printf(message)", b'printf("%s", message)')
        assert secondlook.check(path).findings == []

    def test_fix_keeps_a_byte_order_mark_and_the_mode(
        self, secondlook: Secondlook, folder: Path
    ) -> None:
        path = self.write(folder)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        path.chmod(0o750)
        secondlook("check", "--fix", path)
        assert path.read_bytes().startswith(b"\xef\xbb\xbf#include")
        assert b'printf("%s", message)' in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o750

    def test_fix_leaves_what_a_person_should_see(
        self, secondlook: Secondlook, folder: Path
    ) -> None:
        path = folder / "ask.c"
        path.write_text(samples.C_GETS.format(note=""))
        before = path.read_bytes()
        fixes = [fix for it in secondlook.check(path).findings for fix in it["fixes"]]
        assert {fix["applicability"] for fix in fixes} == {"review"}
        outcome = secondlook("check", "--fix", path)
        assert outcome.code == 1
        assert path.read_bytes() == before


class TestIgnoredFiles:
    """Version control's word on what is not ours to check."""

    def test_gitignore_is_honoured(self, secondlook: Secondlook, folder: Path) -> None:
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        (folder / ".gitignore").write_text("build/\n*.gen.py\n")
        (folder / "build").mkdir()
        for name in ("app.py", "made.gen.py", "build/copy.py"):
            (folder / name).write_text(samples.PY_SHELL.format(head="", note=""))
        report = secondlook.check(cwd=folder)
        assert {Path(it["path"]).name for it in report.findings} == {"app.py"}

    def test_a_file_that_is_named_is_checked(self, secondlook: Secondlook, folder: Path) -> None:
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        (folder / ".gitignore").write_text("made.py\n")
        (folder / "made.py").write_text(samples.PY_SHELL.format(head="", note=""))
        assert "CWE-78" in secondlook.check("made.py", cwd=folder).cwes()


def test_no_network_is_needed(secondlook: Secondlook, folder: Path) -> None:
    (folder / "app.py").write_text(samples.PY_SHELL.format(head="", note=""))
    with_network = secondlook.check(folder).document
    prefix = ["unshare", "--map-root-user", "--net"]
    try:
        able = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        pytest.skip("this machine cannot make a network namespace (unshare --net)")
    secondlook.prefix = prefix
    assert secondlook.check(folder).document == with_network
    assert secondlook("kb", "search", "shell=True").code == 0


def filtered(secondlook: Secondlook, name: str, text: bytes) -> bytes:
    command = [str(secondlook.path), "check", "--stdin-filename", name, "--fix"]
    return subprocess.run(
        command, input=text, capture_output=True, check=False, env=secondlook.environment
    ).stdout


@pytest.mark.parametrize(
    "text",
    [b'name = "\xe9"\n', b"\xef\xbb\xbfname = 1\n", b"a\x00b", b""],
    ids=["latin-1", "byte-order mark", "binary", "empty"],
)
def test_a_filter_never_loses_the_text(secondlook: Secondlook, text: bytes) -> None:
    assert filtered(secondlook, "filter.py", text) == text


def test_standard_input_and_paths_are_not_mixed_in_silence(secondlook: Secondlook) -> None:
    command = [str(secondlook.path), "check", "-", "other.py"]
    done = subprocess.run(
        command, input=b"x = 1\n", capture_output=True, check=False, env=secondlook.environment
    )
    assert done.returncode == 2
    assert b"other.py" in done.stderr
