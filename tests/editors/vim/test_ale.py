"""A real Vim with ALE, configured exactly as its page says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook
from support.terminal import Terminal

PAGE = ROOT / "docs" / "editors.md"
START = "#include <stdio.h>\n\n"
COMPLETION = """void report(const char *path, const char *message)
{
    printf("%s: ", path);
    printf(message);
    putchar('\\n');
}
"""
MENDED = COMPLETION.replace("printf(message)", 'printf("%s", message)')


@pytest.fixture
def vim(secondlook: Secondlook, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal with the page's configuration in its home."""
    if not os.environ.get("SECONDLOOK_VIM"):
        pytest.skip("SECONDLOOK_VIM names no Vim; tests/run vim finds or unpacks one")
    if not shutil.which("tmux"):
        pytest.skip("tmux is missing")
    block = re.search(r"<!-- tested: ale -->\n```vim\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    (secondlook.home / ".vimrc").write_text(block[1])
    on_path = secondlook.home / "bin"
    on_path.mkdir(exist_ok=True)
    (on_path / "secondlook").symlink_to(secondlook.path)
    environment = secondlook.environment | {
        "PATH": f"{on_path}:{os.environ['PATH']}",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    made = Terminal(tmp_path / "tmux", environment)
    yield made
    made.end()


def test_from_a_paste_to_a_saved_fix(vim: Terminal, secondlook: Secondlook, folder: Path) -> None:
    file = folder / "report.c"
    file.write_text(START)
    vim.start(shlex.join([os.environ["SECONDLOOK_VIM"], str(file)]))
    vim.wait("the file", lambda screen: "#include" in screen)

    def command(text: str) -> None:
        vim.press("Escape", ":")
        vim.type(text)
        vim.press("Enter")

    vim.press("G", "o")
    vim.paste(COMPLETION)
    vim.press("Escape")
    command("ALENextWrap")
    vim.wait("the finding", lambda screen: "this format string is data" in screen)
    command("ALEHover")
    vim.wait("the reason", lambda screen: "https://" in screen)
    command("ALECodeAction")
    menu = vim.wait("the menu", lambda screen: "Print the data" in screen)
    number = re.search(r"(\d+)\W+[^\n]*Print the data", menu)
    assert number, menu
    vim.press(*number[1], "Enter")
    vim.wait("the fix", lambda screen: 'printf("%s", message)' in screen)
    command("w")
    vim.wait("the saved file", lambda _: MENDED.strip() in file.read_text())
    assert secondlook.check(file).findings == []
