"""Insertion, diagnostic, hover, fix, saved file: in a real Neovim, driven headless by drive.lua."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import samples
from support.binary import Secondlook

DRIVER = Path(__file__).with_name("drive.lua")
URL = re.compile(r"https://\S+")
START = "#include <stdio.h>\n\n/* 🙂 what went wrong */\n"
# As an assistant would insert it; one finding with a fix that is safe.
COMPLETION = """void report(const char *path, const char *message)
{
    printf("%s: ", path);
    printf(message);
    putchar('\\n');
}
"""


@pytest.fixture(scope="session")
def nvim() -> Path:
    """The Neovim to drive."""
    named = os.environ.get("SECONDLOOK_NVIM")
    if not named:
        pytest.skip("SECONDLOOK_NVIM names no Neovim; tests/run nvim installs one")
    return Path(named)


def drive(
    nvim: Path,
    secondlook: Secondlook,
    file: Path,
    expected: int,
    insertion: Path | None = None,
    patience: int = 60,
) -> tuple[int, dict[str, Any]]:
    """Runs the driver; returns its exit code and what it saw."""
    command = [nvim, "--headless", "--clean", "-n", "-l", DRIVER, secondlook.path, file]
    command += [str(expected), *([insertion] if insertion else [])]
    done = subprocess.run(
        [str(it) for it in command],
        cwd=file.parent,
        env=secondlook.environment
        | {"XDG_STATE_HOME": str(secondlook.home / "state"), "PATIENCE_MS": str(patience * 1000)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = next((it for it in done.stdout.splitlines() if it.startswith("{")), None)
    assert said is not None, f"the driver said nothing\n{done.stdout}\n{done.stderr}"
    return done.returncode, json.loads(said)


def test_a_completion_is_seen_explained_and_mended(
    nvim: Path, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "report.c"
    file.write_text(START)
    insertion = secondlook.home / "completion.c"
    insertion.write_text(COMPLETION)
    code, seen = drive(nvim, secondlook, file, 1, insertion)
    assert code == 0, seen
    assert seen["before"] == 0
    (diagnostic,) = seen["diagnostics"]
    assert diagnostic["source"] == "secondlook"
    assert diagnostic["line"] == 6
    assert "likely AI-inserted" in diagnostic["message"]
    shown = secondlook("kb", "show", diagnostic["code"])
    links = set(URL.findall(shown.out))
    assert any(link.rstrip(").,") in seen["hover"] for link in links), (links, seen["hover"])
    assert seen["saved"]
    mended = COMPLETION.replace("printf(message)", 'printf("%s", message)')
    assert file.read_text() == START + mended
    assert secondlook.check(file).findings == []


def test_windows_line_ends_survive_the_fix(
    nvim: Path, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "report.c"
    text = (START + COMPLETION).replace("\n", "\r\n")
    file.write_bytes(text.encode())
    code, seen = drive(nvim, secondlook, file, 1)
    assert code == 0, seen
    expected = text.replace("printf(message)", 'printf("%s", message)')
    assert file.read_bytes() == expected.encode()


def test_quiet_code_shows_nothing(nvim: Path, secondlook: Secondlook, folder: Path) -> None:
    file = folder / "report.c"
    file.write_text(samples.C_CLEAN)
    code, seen = drive(nvim, secondlook, file, 0)
    assert code == 0, seen
    assert seen["diagnostics"] == []


def test_the_driver_notices_what_it_does_not_expect(
    nvim: Path, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "report.c"
    file.write_text(START + COMPLETION)
    code, seen = drive(nvim, secondlook, file, 0)
    assert code == 1
    assert seen["missing"] == "silence"


def test_the_driver_misses_what_does_not_come(
    nvim: Path, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "report.c"
    file.write_text(samples.C_CLEAN)
    code, seen = drive(nvim, secondlook, file, 1, patience=5)
    assert code == 1
    assert seen["missing"] == "the diagnostics"
