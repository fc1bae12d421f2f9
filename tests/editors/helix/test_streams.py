"""What a real Helix tells a server, recorded anew and held against the fixture."""

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
from support.streams import NAME, PASTED, START, TYPED, Recording, keep
from support.terminal import Terminal

LANGUAGES = """
[language-server.recorder]
command = "{python}"
args = ["{recorder}", "{out}", "{label}", "utf-8"]

[[language]]
name = "python"
language-servers = ["recorder"]
auto-format = true
"""
# The menu comes when it is asked for, so that every run is the same.
CONFIG = "[editor]\nauto-completion = false\n"


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """The terminals of a test, ended after it."""
    made: list[Terminal] = []
    yield made
    for each in made:
        each.end()


def test_helix_says_the_same_again(
    secondlook: Secondlook, folder: Path, tmp_path: Path, terminals: list[Terminal]
) -> None:
    helix = os.environ.get("SECONDLOOK_HELIX")
    if not helix:
        pytest.skip("SECONDLOOK_HELIX names no Helix; tests/run helix unpacks one")
    if not shutil.which("tmux"):
        pytest.skip("tmux is missing")
    file = folder / NAME
    file.write_text(START)
    recording = Recording(tmp_path)
    config = tmp_path / "config" / "helix"
    config.mkdir(parents=True)
    given = {"python": sys.executable, "recorder": recorder.__file__}
    given |= {"out": str(recording.out), "label": str(recording.label)}
    (config / "languages.toml").write_text(LANGUAGES.format(**given))
    (config / "config.toml").write_text(CONFIG)
    environment = secondlook.environment | {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    editor = Terminal(tmp_path / "tmux", environment)
    recording.look = editor.screen
    terminals.append(editor)
    editor.start(shlex.join([helix, "--log", str(tmp_path / "log"), str(file)]))
    recording.opened()

    def command(text: str) -> None:
        editor.press("Escape", ":")
        editor.type(text)
        editor.press("Enter")

    def new_line(*more: str) -> None:
        editor.press("Escape", "g", "e", "o", *more)

    def complete(word: str, item: str, label: str, *before: str) -> None:
        with recording.does("typing"):
            new_line(*before)
            editor.press(*word)
        with recording.does(label):
            editor.press("C-x")
            editor.wait("the menu", lambda screen: item in screen)
            editor.press("C-n", "Enter")

    with recording.does("typing"):
        # Indentation that Helix begins a line with is taken away.
        new_line("C-u")
        editor.press(*TYPED, "Enter")
    with recording.does("paste"):
        editor.paste(PASTED)
    with recording.does("undo"):
        editor.press("Escape", "u")
    with recording.does("redo"):
        editor.press("U")
    with recording.does("rename"):
        editor.press("g", "g", "/")
        editor.type("folder")
        editor.press("Enter", "Space", "r")
        editor.wait("the prompt", lambda screen: "rename-to:" in screen)
        editor.press("C-u")
        editor.type("place")
        editor.press("Enter")
    complete("snip", "snippet", "snippet")
    complete("onel", "oneline", "completion-one-line", "C-u")
    complete("many", "manylines", "completion-many-lines")
    with recording.does("format-on-save", saves=True):
        command("w")
    with recording.does("external-reload"):
        file.write_text(file.read_text().replace("import os\n", "import os\nimport sys  # 🙂\n"))
        command("reload")
    said = subprocess.run([helix, "--version"], capture_output=True, text=True, check=True).stdout
    stream = recording.end(f"Helix {said.split()[1]}", file)
    keep(stream, "helix.jsonl")
