"""What a key costs in Neovim; run by tests/editors/latency."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support import recorder
from support.binary import ROOT, Secondlook
from support.latency import FLAGGED, KEYS, Round, compare, long_file
from support.model_server import hang, serve

DRIVER = Path(__file__).with_name("latency.lua")


def test_latency_in_neovim(secondlook: Secondlook, folder: Path) -> None:
    nvim = os.environ["SECONDLOOK_NVIM"]
    (folder / "long.py").write_text(long_file())
    (folder / "small.py").write_text(FLAGGED)
    on_path = secondlook.home / "bin"
    on_path.mkdir(exist_ok=True)
    (on_path / "secondlook").symlink_to(secondlook.path)
    common = secondlook.environment | {
        "PATH": f"{on_path}:{os.environ['PATH']}",
        "XDG_STATE_HOME": str(secondlook.home / "state"),
        "SMALL": str(folder / "small.py"),
    }

    def measure(**more: str) -> Round:
        command = [nvim, "--headless", "--clean", "-n", "-l", str(DRIVER)]
        done = subprocess.run(
            [*command, str(folder / "long.py"), str(KEYS)],
            cwd=folder,
            env=common | more,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = next(it for it in done.stdout.splitlines() if it.startswith("{"))
        return Round(**json.loads(said))

    # Any server makes Neovim keep account of changes; this one asks for that and no more.
    for name in ("stream", "label"):
        (secondlook.home / name).write_text("")
    given = [
        sys.executable,
        recorder.__file__,
        secondlook.home / "stream",
        secondlook.home / "label",
    ]
    listener = "\n".join(map(str, given))
    plugin = str(ROOT / "editors" / "neovim")
    with serve(hang) as model:
        ways = {
            "without the plugin": lambda: measure(),
            "with a server that does nothing": lambda: measure(LISTENER=listener),
            "with the plugin": lambda: measure(PLUGIN=plugin),
            "with the plugin, while a model is asked": lambda: measure(
                PLUGIN=plugin, MODEL_URL=model.url
            ),
        }
        compare("Neovim", ways)
