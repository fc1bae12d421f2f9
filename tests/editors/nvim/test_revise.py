"""Revise with a model in a real Neovim: with progress, cancelled once, applied once, saved."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.binary import Secondlook
from support.model_server import chat, hang, serve

DRIVER = Path(__file__).with_name("revise.lua")
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    emoji = "🙂"; out = subprocess.run("ls -l " + folder, shell=True)\n'
    "    return out, emoji\n"
)
CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')


def test_a_revision_is_cancelled_once_and_applied_once(
    secondlook: Secondlook, folder: Path
) -> None:
    named = os.environ.get("SECONDLOOK_NVIM")
    if not named:
        pytest.skip("SECONDLOOK_NVIM names no Neovim; tests/run nvim installs one")
    file = folder / "app.py"
    file.write_text(CODE)
    with serve(hang, chat(f"```python\n{CURED}```\n")) as server:
        command = [named, "--headless", "--clean", "-n", "-l", DRIVER]
        done = subprocess.run(
            [str(it) for it in [*command, secondlook.path, file, server.url]],
            cwd=file.parent,
            env=secondlook.environment
            | {"XDG_STATE_HOME": str(secondlook.home / "state"), "PATIENCE_MS": "60000"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert server.settled()
    said = next((it for it in done.stdout.splitlines() if it.startswith("{")), None)
    assert said is not None, f"the driver said nothing\n{done.stdout}\n{done.stderr}"
    seen = json.loads(said)
    assert done.returncode == 0, seen
    assert seen["untouched"] is True
    assert seen["progress"][0].startswith("begin")
    assert "end: cancelled" in seen["progress"]
    assert "end: revised" in seen["progress"]
    assert len(server.requests) == 2
    assert file.read_text() == CURED
