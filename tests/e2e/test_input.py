"""`secondlook check` on input nobody wishes for: it says what it left out and does the rest."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from support import samples
from support.binary import Secondlook

DEEP = 10_000


@pytest.fixture
def beside(folder: Path) -> Path:
    """A folder with one ordinary weakness in it, which must be found whatever lies beside."""
    (folder / "good.py").write_text(samples.PY_SHELL.format(head="", note=""))
    return folder


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("broken.py", b"import os\n\xff\xfe\xfa = 1\nos.system('ls ' + \xc3\x28)\n"),
        ("broken.c", b'int main(void) { char *s = "\xff\xfe"; return gets(s) != 0; }\n'),
        ("binary.py", bytes(range(256)) * 64),
        ("zeros.c", b"\0" * 4096),
        ("utf16.py", samples.PY_SHELL.format(head="", note="").encode("utf-16")),
        ("latin.py", b"# -*- coding: latin-1 -*-\nname = '\xe9\xe8'\n"),
        ("brackets.py", b"x = " + b"(" * DEEP + b"1" + b")" * DEEP + b"\n"),
        ("lists.py", b"x = " + b"[" * DEEP + b"\n"),
        ("calls.py", b"x = " + b"f(" * DEEP + b")" * DEEP + b"\n"),
        ("plus.py", b"import os\nos.system(" + b"x + " * DEEP + b"y)\n"),
        ("dots.py", b"x = a" + b".b" * DEEP + b"\n"),
        ("ifs.py", b"".join(b" " * n + b"if x:\n" for n in range(600)) + b" " * 600 + b"y\n"),
        ("elifs.py", b"if x:\n  y\n" + b"elif z:\n  y\n" * DEEP),
        ("braces.c", b"void f(void) {" + b"{" * DEEP + b"}" * DEEP + b"}\n"),
        ("stars.c", b"int " + b"*" * DEEP + b"p;\n"),
        ("parens.c", b"int x = " + b"(" * DEEP + b"1" + b")" * DEEP + b";\n"),
        ("elses.c", b"void f(int x) { " + b"if (x) x++; else " * DEEP + b"x--; }\n"),
        ("define.c", b"#define A A A\n" * 2000 + b"int x = A;\n"),
        ("quotes.py", b'x = """never closed\n' + b"os.system(x)\n" * 100),
        ("line.py", b"x = '" + b"a" * 3_000_000 + b"'\n"),
        ("empty.py", b""),
        ("returns.py", b"import os\ros.system('a' + b)\r"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_odd_content_stops_nothing(
    secondlook: Secondlook, beside: Path, name: str, data: bytes
) -> None:
    (beside / name).write_bytes(data)
    report = secondlook.check(beside)
    assert "CWE-78" in report.cwes("good.py")
    assert report.outcome.code == 1
    shown = secondlook("check", beside)
    assert shown.code == 1
    assert "good.py" in shown.out


@pytest.mark.parametrize(
    ("name", "data"),
    [("binary.py", bytes(range(256)) * 64), ("zeros.c", b"\0" * 4096)],
)
def test_what_is_no_text_is_skipped_by_name(
    secondlook: Secondlook, beside: Path, name: str, data: bytes
) -> None:
    (beside / name).write_bytes(data)
    report = secondlook.check(beside)
    assert list(report.skipped) == [name]
    assert "1 file skipped" in secondlook("check", beside).out


def test_bytes_that_are_no_utf8_hide_nothing_silently(secondlook: Secondlook, beside: Path) -> None:
    text = samples.PY_SHELL.format(head="", note="").encode()
    (beside / "broken.py").write_bytes(text + b"name = '\xff\xfe'\n")
    report = secondlook.check(beside)
    assert "CWE-78" in report.cwes("broken.py") or "broken.py" in report.skipped


def test_python_2_is_read(secondlook: Secondlook, folder: Path) -> None:
    (folder / "old.py").write_text(samples.PY2_SHELL)
    report = secondlook.check(folder)
    assert "CWE-78" in report.cwes("old.py")
    assert [it["range"]["start"]["line"] for it in report.findings] == [7]


def test_code_around_a_syntax_error_is_read(secondlook: Secondlook, folder: Path) -> None:
    good = samples.PY_SHELL.format(head="", note="")
    (folder / "half.py").write_text(good + "\n\ndef half(:\n    return (\n\n\n" + good)
    report = secondlook.check(folder)
    assert 5 in {it["range"]["start"]["line"] for it in report.findings}


def test_a_loop_of_links_ends(secondlook: Secondlook, beside: Path) -> None:
    (beside / "inner").mkdir()
    (beside / "inner" / "loop").symlink_to(beside, target_is_directory=True)
    (beside / "self.py").symlink_to("self.py")
    (beside / "gone.py").symlink_to("nowhere.py")
    report = secondlook.check(beside)
    assert len(report.of("good.py")) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_not_waited_for(secondlook: Secondlook, beside: Path) -> None:
    os.mkfifo(beside / "pipe.py")
    (beside / "folder.py").mkdir()
    report = secondlook.check(beside)
    assert "CWE-78" in report.cwes()
    assert report.of("pipe.py") == []
    by_name = secondlook.check("pipe.py", "good.py", cwd=beside)
    assert "CWE-78" in by_name.cwes()
    assert "pipe.py" in by_name.skipped or "pipe.py" in by_name.outcome.err


def test_an_unreadable_file_is_named(secondlook: Secondlook) -> None:
    somebody = 65534 if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        home.chmod(0o777)
        copy = home / "secondlook"
        shutil.copy(secondlook.path, copy)
        copy.chmod(0o755)
        shut = home / "shut.py"
        shut.write_text(samples.PY_CLEAN)
        shut.chmod(0)
        (home / "good.py").write_text(samples.PY_SHELL.format(head="", note=""))
        (home / "good.py").chmod(0o644)
        runner = Secondlook(copy, home, home / "cache")
        report = runner.check("shut.py", "good.py", user=somebody)
        assert "CWE-78" in report.cwes("good.py")
        assert "shut.py" in report.skipped or "shut.py" in report.outcome.err
        around = runner.check(home, user=somebody)
        assert "CWE-78" in around.cwes("good.py")
        assert list(around.skipped) == ["shut.py"]


def test_names_that_are_no_ascii_are_kept(secondlook: Secondlook, folder: Path) -> None:
    for name in ("naïve 漢字.py", "with space.py", "-dash.py", "quote'.py"):
        (folder / name).write_text(samples.PY_SHELL.format(head="", note=""))
    report = secondlook.check(cwd=folder)
    assert {Path(it["path"]).name for it in report.findings} == {it.name for it in folder.iterdir()}
