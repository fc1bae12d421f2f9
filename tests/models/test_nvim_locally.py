"""A real Neovim, the language server, the co-decoding program and a small real model, all together.

Asked to mend something, SmolLM2 fails: the gate refuses its answer, which is said, and the file
stays as it is. Asked to go on with a file that does something safely seven times, it does it
safely once more. With SECONDLOOK_TEST_PAIR set, Qwen's pair (tests/models/fetch pair) does it too,
which takes minutes.
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
DRIVERS = ROOT / "tests" / "editors" / "nvim"
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    return subprocess.run("ls -l " + folder, shell=True)\n'
)


NAMES = ["settings", "users", "groups", "orders", "prices", "colours", "shapes"]
WEAK = 'yaml.load(open("towns.yaml"))'
FILE = (
    "import yaml\n\n"
    + "".join(f'{it} = yaml.safe_load(open("{it}.yaml"))\n' for it in NAMES)
    + f"towns = {WEAK}\n"
)


SMALL = {"codecode-base": str(MODEL), "codecode-security": str(MODEL)}
QWEN = {
    "codecode-base": str(MODEL.with_name("qwen2.5-coder-1.5b.gguf")),
    "codecode-security": str(MODEL.with_name("qwen2.5-coder-0.5b.gguf")),
}
LONG = pytest.mark.skipif(
    not os.environ.get("SECONDLOOK_TEST_PAIR") or not Path(QWEN["codecode-base"]).is_file(),
    reason="SECONDLOOK_TEST_PAIR is not set, or tests/models/fetch pair was not run",
)


def drive(
    secondlook: Secondlook,
    folder: Path,
    driver: Path,
    *words: str,
    models: dict[str, str] = SMALL,
    **more: str,
) -> dict:
    """What a script in Neovim saw; it must end well."""
    named = os.environ.get("SECONDLOOK_NVIM")
    if not named:
        pytest.skip("SECONDLOOK_NVIM names no Neovim; tests/run models installs one")
    settings = {
        "model-provider": "codecode",
        "codecode-program": BINARY,
        "codecode-context": 2048,
        "model-prompt-size": "2 KiB",
        "model-max-tokens": 48,
        "model-repairs": 0,
    } | models
    done = subprocess.run(
        [named, "--headless", "--clean", "-n", "-l", driver, secondlook.path, *words],
        cwd=folder,
        env=secondlook.environment
        | {
            "XDG_STATE_HOME": str(secondlook.home / "state"),
            "PATIENCE_MS": "280000",
            "RAYON_NUM_THREADS": "1",
            "SETTINGS": json.dumps(settings),
        }
        | more,
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
    return seen


def test_an_answer_is_cancelled_then_judged_and_nothing_stays(
    secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "app.py"
    file.write_text(CODE)
    seen = drive(secondlook, folder, DRIVERS / "revise.lua", str(file), REFUSED="1")
    assert seen["messages"], seen
    assert seen["untouched"] is True and file.read_text() == CODE
    assert none_is_left()


@pytest.mark.parametrize("models", [SMALL, pytest.param(QWEN, marks=LONG)], ids=["small", "qwen"])
def test_a_block_is_written_anew_and_saved(
    secondlook: Secondlook, folder: Path, models: dict[str, str]
) -> None:
    file = folder / "app.py"
    file.write_text(FILE)
    line = len(NAMES) + 2
    place = (str(line), str(len("towns = ")), str(len("towns = ") + len(WEAK)))
    seen = drive(secondlook, folder, DRIVERS / "regenerate.lua", str(file), *place, models=models)
    assert seen["untouched"] is True and seen["messages"] == [], seen
    assert seen["progress"][-1] == "end: regenerated"
    assert file.read_text() == FILE.replace("yaml.load", "yaml.safe_load")
    assert none_is_left()
