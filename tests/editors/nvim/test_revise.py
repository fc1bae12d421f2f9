"""Revise with a model in a real Neovim: with progress, cancelled once, applied once, saved."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.binary import Secondlook
from support.local_program import Local
from support.model_server import chat, hang, serve

DRIVER = Path(__file__).with_name("revise.lua")
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    emoji = "🙂"; out = subprocess.run("ls -l " + folder, shell=True)\n'
    "    return out, emoji\n"
)
CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')


def drive(secondlook: Secondlook, file: Path, url: str, **environment: str) -> dict[str, Any]:
    """Runs the driver to its end; gives what it saw."""
    named = os.environ.get("SECONDLOOK_NVIM")
    if not named:
        pytest.skip("SECONDLOOK_NVIM names no Neovim; tests/run nvim installs one")
    file.write_text(CODE)
    command = [named, "--headless", "--clean", "-n", "-l", DRIVER]
    done = subprocess.run(
        [str(it) for it in [*command, secondlook.path, file, url]],
        cwd=file.parent,
        env=secondlook.environment
        | {"XDG_STATE_HOME": str(secondlook.home / "state"), "PATIENCE_MS": "60000"}
        | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = next((it for it in done.stdout.splitlines() if it.startswith("{")), None)
    assert said is not None, f"the driver said nothing\n{done.stdout}\n{done.stderr}"
    seen = json.loads(said)
    assert done.returncode == 0, seen
    assert seen["untouched"] is True
    assert seen["progress"][0].startswith("begin")
    assert "end: cancelled" in seen["progress"]
    return seen


def test_a_revision_is_cancelled_once_and_applied_once(
    secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "app.py"
    with serve(hang, chat(f"```python\n{CURED}```\n")) as server:
        seen = drive(secondlook, file, server.url)
        assert server.settled()
    assert "end: revised" in seen["progress"]
    assert len(server.requests) == 2
    assert file.read_text() == CURED


def test_the_same_with_a_program_on_this_machine(secondlook: Secondlook, folder: Path) -> None:
    local = Local(folder / "local", "hang+answer", answer=f"```python\n{CURED}```\n")
    file = folder / "app.py"
    seen = drive(secondlook, file, "", SETTINGS=json.dumps(local.settings()))
    assert "end: revised" in seen["progress"]
    assert len(local.notes("start")) == 1 and len(local.notes("question")) == 2
    assert local.gone()
    assert file.read_text() == CURED
