"""Input that is broken, huge or hostile: each is an error or a skip that says why, and whatever
stands beside it is looked at all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from support import samples
from support.binary import Secondlook

SHELL = samples.PY_SHELL.format(head="", note="")
DEEP = 10_000


@pytest.fixture
def beside(folder: Path) -> Path:
    """A folder with one ordinary weakness in it."""
    (folder / "good.py").write_text(SHELL)
    return folder


def test_a_missing_file_is_an_error(secondlook: Secondlook, beside: Path) -> None:
    report = secondlook.check("missing.py", "good.py", cwd=beside)
    assert "CWE-78" in report.cwes("good.py")
    assert report.outcome.code == 2
    assert report.outcome.err == "error: missing.py: no such file or directory\n"


def test_an_unreadable_folder_is_named(secondlook: Secondlook) -> None:
    somebody = 65534 if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        home.chmod(0o777)
        copy = home / "secondlook"
        shutil.copy(secondlook.path, copy)
        copy.chmod(0o755)
        (home / "good.py").write_text(SHELL)
        (home / "good.py").chmod(0o644)
        shut = home / "shut"
        shut.mkdir()
        (shut / "inner.py").write_text(SHELL)
        shut.chmod(0)
        runner = Secondlook(copy, home, home / "cache")
        report = runner.check(home, user=somebody)
        assert "CWE-78" in report.cwes("good.py")
        assert report.skipped["shut"] == "permission denied"
        shown = runner("check", home, user=somebody)
        assert "shut: skipped: permission denied" in shown.err
        shut.chmod(0o700)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("huge.py", b"", "larger than 5 MiB"),
        ("huge.ipynb", b" " * (6 << 20), "larger than 5 MiB"),
        ("zeros.py", b"\0" * 4096, ""),
    ],
)
def test_what_is_not_read_says_why(
    secondlook: Secondlook, beside: Path, name: str, data: bytes, reason: str
) -> None:
    path = beside / name
    if name == "huge.py":
        with path.open("wb") as file:
            file.truncate(50 << 20)
    else:
        path.write_bytes(data)
    report = secondlook.check(beside)
    assert "CWE-78" in report.cwes("good.py")
    assert report.outcome.code == 1
    assert list(report.skipped) == [name]
    assert reason in report.skipped[name]
    named = secondlook("check", path)
    assert "skipped: " in named.err and reason in named.err


def test_a_larger_file_is_read_where_settings_say_so(secondlook: Secondlook, folder: Path) -> None:
    (folder / "big.py").write_text("# padding\n" * 600_000 + SHELL)
    assert "big.py" in secondlook.check(folder).skipped
    assert "CWE-78" in secondlook.check("--set", "max-file-size=7 MiB", folder).cwes()


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("latin.py", SHELL.encode() + b"name = '\xff\xfe'\n", True),
        ("deep.py", SHELL.encode() + b"x = " + b"(" * DEEP + b"1" + b")" * DEEP + b"\n", True),
        (
            "long.py",
            b"import os; x = '" + b"a" * (2 << 20) + b"'; os.system(x + input())\n",
            True,
        ),
        (
            "long.c",
            b'char *x = "' + b"a" * (2 << 20) + b'"; int y[] = {' + b"1," * (1 << 15) + b"};\n",
            False,
        ),
    ],
)
def test_odd_files_are_read_as_far_as_they_go(
    secondlook: Secondlook, beside: Path, name: str, data: bytes, found: bool
) -> None:
    (beside / name).write_bytes(data)
    report = secondlook.check(beside)
    assert "CWE-78" in report.cwes("good.py")
    assert ("CWE-78" in report.cwes(name)) is found
    for form in ("text", "sarif"):
        shown = secondlook("check", "--format", form, beside)
        assert shown.code == 1
        # A line of two million letters is not repeated for each finding.
        assert len(shown.out) < 100_000


def test_a_broken_configuration_costs_itself_only(secondlook: Secondlook, beside: Path) -> None:
    (beside / "secondlook.toml").write_bytes(b'ignore = ["py/*"]\n\xff\n')
    inner = beside / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.secondlook\n")
    (inner / "inner.py").write_text(SHELL)
    report = secondlook.check(beside)
    assert "CWE-78" in report.cwes("good.py") and "CWE-78" in report.cwes("inner.py")
    assert report.outcome.code == 2
    said = report.outcome.err.splitlines()
    assert len(said) == 2
    assert "secondlook.toml: not read: line 2 is not UTF-8" in said[0]
    assert "pyproject.toml:1: " in said[1]


def test_a_broken_entry_costs_itself_only(secondlook: Secondlook, beside: Path) -> None:
    entries = secondlook.entries / "python"
    entries.mkdir(parents=True)
    (entries / "broken-thing.md").write_text('+++\nid = "py/broken-thing"\nnonsense = 1\n+++\n')
    (entries / "binary-thing.md").write_bytes(b"\xff\xfe\0")
    report = secondlook.check(beside)
    assert "CWE-78" in report.cwes("good.py")
    assert "broken-thing.md:" in report.outcome.err and "nonsense" in report.outcome.err
    assert "binary-thing.md" in report.outcome.err


def test_links_in_a_loop_end(secondlook: Secondlook, beside: Path) -> None:
    (beside / "inner").mkdir()
    (beside / "inner" / "loop").symlink_to(beside, target_is_directory=True)
    (beside / "self.py").symlink_to("self.py")
    report = secondlook.check(beside)
    assert [it["path"] for it in report.findings if "CWE-78" in it["cwe"]] == [
        str(beside / "good.py")
    ]
    named = secondlook.check(beside / "self.py", beside / "good.py")
    assert "CWE-78" in named.cwes("good.py")
    assert named.outcome.code == 2 and "self.py: " in named.outcome.err


def catches(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process}/status").read_text()
    (mask,) = [it.split()[1] for it in status.splitlines() if it.startswith("SigCgt:")]
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to watch signals in")
def test_an_interrupt_ends_the_run_with_what_it_has(secondlook: Secondlook, folder: Path) -> None:
    slow = "import os\n" + "\n".join(
        f"def f{n}(a):\n    b = a + input()\n    os.system(b + 'x{n}')\n" for n in range(300)
    )
    for n in range(300):
        (folder / f"m{n:03}.py").write_text(slow)
    with subprocess.Popen(
        [secondlook.path, "check", "--jobs", "1", "--format", "json", "."],
        cwd=folder,
        env=secondlook.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while running.poll() is None and not catches(running.pid, signal.SIGINT):
            time.sleep(0.001)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "interrupted" in err
    assert len({it["path"] for it in json.loads(out)["findings"]}) < 300
