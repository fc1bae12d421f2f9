"""A real Neovim, the language server, the co-decoding program and a small real model, all together.

SmolLM2 mends nothing: the gate refuses its answer, which is said, and the file stays as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook
from support.real_model import BINARY, MODEL, NEEDED, none_is_left

pytestmark = NEEDED
DRIVER = ROOT / "tests" / "editors" / "nvim" / "revise.lua"
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    return subprocess.run("ls -l " + folder, shell=True)\n'
)


def test_an_answer_is_cancelled_then_judged_and_nothing_stays(
    secondlook: Secondlook, folder: Path
) -> None:
    named = os.environ.get("SECONDLOOK_NVIM")
    if not named:
        pytest.skip("SECONDLOOK_NVIM names no Neovim; tests/run models installs one")
    file = folder / "app.py"
    file.write_text(CODE)
    settings = {
        "model-provider": "codecode",
        "codecode-program": BINARY,
        "codecode-base": str(MODEL),
        "codecode-security": str(MODEL),
        "codecode-context": 2048,
        "model-prompt-size": "2 KiB",
        "model-max-tokens": 48,
        "model-repairs": 0,
    }
    done = subprocess.run(
        [named, "--headless", "--clean", "-n", "-l", str(DRIVER), str(secondlook.path), str(file)],
        cwd=folder,
        env=secondlook.environment
        | {
            "XDG_STATE_HOME": str(secondlook.home / "state"),
            "PATIENCE_MS": "280000",
            "RAYON_NUM_THREADS": "1",
            "SETTINGS": json.dumps(settings),
            "REFUSED": "1",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    said = next((it for it in done.stdout.splitlines() if it.startswith("{")), None)
    assert said is not None, f"the driver said nothing\n{done.stdout}\n{done.stderr}"
    seen = json.loads(said)
    assert done.returncode == 0, seen
    assert any("local model" in it for it in seen["progress"]), seen
    assert "end: cancelled" in seen["progress"]
    assert seen["messages"], seen
    assert seen["untouched"] is True and file.read_text() == CODE
    assert none_is_left()
