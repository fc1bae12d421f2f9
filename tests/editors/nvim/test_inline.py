"""What a local model writes in the line, in a Neovim that knows inline completion (0.12)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.binary import Secondlook
from support.local_program import Local

DRIVER = Path(__file__).with_name("inline.lua")
CODE = "import subprocess\n\n\ndef list_folder(folder):\n    \n"
SAFE = 'return subprocess.run(["ls", "-l", "--", folder])'
WEAK = 'return subprocess.run("ls -l " + folder, shell=True)'


@pytest.mark.parametrize("name", ["SECONDLOOK_NVIM_NEW"])
def test_the_completion_without_a_finding_is_accepted(
    secondlook: Secondlook, folder: Path, tmp_path: Path, name: str
) -> None:
    named = os.environ.get(name)
    if not named:
        pytest.skip(f"{name} names no Neovim; tests/run nvim-others unpacks one")
    file = folder / "app.py"
    file.write_text(CODE)
    local = Local(tmp_path / "local", "answer", fillings=(WEAK, SAFE))
    budget = {"inline-completion": True, "inline-completion-budget": 20000}
    done = subprocess.run(
        [named, "--headless", "--clean", "-n", "-l", DRIVER, secondlook.path, file, "5"],
        cwd=folder,
        env=secondlook.environment
        | {
            "XDG_STATE_HOME": str(secondlook.home / "state"),
            "PATIENCE_MS": "60000",
            "SETTINGS": json.dumps(local.settings() | budget),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = next((it for it in done.stdout.splitlines() if it.startswith("{")), None)
    assert said is not None, f"the driver said nothing\n{done.stdout}\n{done.stderr}"
    seen = json.loads(said)
    assert done.returncode == 0, seen
    assert seen["provider"] is True
    assert file.read_text() == CODE.replace("    \n", f"    {SAFE}\n")
    assert local.gone()
