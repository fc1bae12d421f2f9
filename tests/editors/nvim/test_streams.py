"""What a real Neovim tells a server, recorded anew and held against the fixtures."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import recorder
from support.binary import Secondlook
from support.streams import MANY_LINES, NAME, ONE_LINE, PASTED, START, TYPED, Recording, keep
from support.terminal import Terminal

SETUP = Path(__file__).with_name("record.lua")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """The terminals of a test, ended after it."""
    made: list[Terminal] = []
    yield made
    for each in made:
        each.end()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_neovim_says_the_same_again(
    secondlook: Secondlook, folder: Path, tmp_path: Path, terminals: list[Terminal], encoding: str
) -> None:
    nvim = os.environ.get("SECONDLOOK_NVIM")
    if not nvim:
        pytest.skip("SECONDLOOK_NVIM names no Neovim; tests/run nvim installs one")
    if not shutil.which("tmux"):
        pytest.skip("tmux is missing")
    file = folder / NAME
    file.write_text(START)
    suggestion = tmp_path / "suggestion"
    recording = Recording(tmp_path)
    environment = secondlook.environment | {
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "XDG_STATE_HOME": str(secondlook.home / "state"),
        "PYTHON": sys.executable,
        "RECORDER": str(recorder.__file__),
        "OUT": str(recording.out),
        "LABEL": str(recording.label),
        "ENCODING": encoding,
        "SUGGESTION": str(suggestion),
    }
    editor = Terminal(tmp_path / "tmux", environment)
    recording.look = editor.screen
    terminals.append(editor)
    editor.start(shlex.join([nvim, "--clean", "-n", "-u", str(SETUP), str(file)]))
    recording.opened()

    def command(text: str) -> None:
        editor.press("Escape", ":")
        editor.type(text)
        editor.press("Enter")

    with recording.does("typing"):
        editor.press("G", "o", "Enter", *TYPED, "Enter")
    with recording.does("paste"):
        editor.paste(PASTED)
    with recording.does("undo"):
        editor.press("Escape", "u")
    with recording.does("redo"):
        editor.press("C-r")
    with recording.does("rename"):
        editor.press("g", "g", "/")
        editor.type("folder")
        editor.press("Enter")
        command("lua vim.lsp.buf.rename('place')")
    with recording.does("typing"):
        editor.press("G", "o", *"snip")
    with recording.does("snippet"):
        editor.press("C-x", "C-o")
        editor.wait("the menu", lambda screen: "snippet" in screen)
        editor.press("C-n", "C-y")
    with recording.does("typing"):
        editor.press("Escape", "G", "o", "Enter")
    with recording.does("completion-one-line"):
        suggestion.write_text(ONE_LINE)
        editor.press("C-l")
    with recording.does("typing"):
        editor.press("Escape", "G", "o", "Enter")
    with recording.does("completion-many-lines"):
        suggestion.write_text(MANY_LINES)
        editor.press("C-l")
    with recording.does("format-on-save", saves=True):
        command("w")
    with recording.does("external-reload"):
        file.write_text(file.read_text().replace("import os\n", "import os\nimport sys  # 🙂\n"))
        os.utime(file, (file.stat().st_mtime + 5,) * 2)
        command("checktime")
    version = subprocess.run([nvim, "--version"], capture_output=True, text=True, check=True).stdout
    stream = recording.end(version.splitlines()[0].replace("NVIM v", "Neovim "), file)
    keep(stream, f"neovim-{encoding}.jsonl")
