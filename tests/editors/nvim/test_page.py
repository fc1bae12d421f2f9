"""The first minute in a Neovim that knows nothing yet, with the page's block as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import textwrap
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook
from support.terminal import Terminal

PAGE = ROOT / "editors" / "neovim" / "README.md"


def test_three_steps_lead_to_a_finding(secondlook: Secondlook, tmp_path: Path) -> None:
    nvim = os.environ.get("SECONDLOOK_NVIM")
    if not nvim:
        pytest.skip("SECONDLOOK_NVIM names no Neovim; tests/run nvim installs one")
    if not shutil.which("tmux"):
        pytest.skip("tmux is missing")
    home = secondlook.home
    block = re.search(
        r"<!-- tested: init.lua -->\n *```lua\n(.*?)\n *```", PAGE.read_text(), re.DOTALL
    )
    assert block
    # Step 1: the program on the PATH.
    (home / "bin").mkdir()
    (home / "bin" / "secondlook").symlink_to(secondlook.path)
    # Step 2: the block, with a checkout where it says.
    (home / "src").mkdir()
    (home / "src" / "secondlook").symlink_to(ROOT)
    config = home / "config" / "nvim"
    config.mkdir(parents=True)
    (config / "init.lua").write_text(textwrap.dedent(block[1]))
    environment = secondlook.environment | {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "XDG_STATE_HOME": str(home / "state"),
    }
    editor = Terminal(tmp_path / "tmux", environment)
    try:
        # Step 3: a file that an assistant wrote.
        place = shlex.quote(str(home / "src" / "secondlook"))
        editor.start(f"cd {place} && {shlex.quote(nvim)} -n fixtures/demo/load_data.py")
        editor.wait("the finding", lambda screen: "this YAML loader" in screen)
        editor.press("]", "d", ":")
        editor.type("SecondLook")
        editor.press("Enter")
        editor.wait("the reason", lambda screen: "What people say" in screen)
    finally:
        editor.end()
