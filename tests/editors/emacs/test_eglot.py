"""A real Emacs with eglot, configured exactly as its page says."""

from __future__ import annotations

import os
import re
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook
from support.model_server import chat, hang, serve

PAGE = ROOT / "docs" / "editors.md"
STORY = Path(__file__).with_name("story.el")
DRIVER = Path(__file__).with_name("drive.el")
REVISER = Path(__file__).with_name("revise.el")
CRASHER = Path(__file__).with_name("crash.el")
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    emoji = "🙂"; out = subprocess.run("ls -l " + folder, shell=True)\n'
    "    return out, emoji\n"
)
CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')
START = "#include <stdio.h>\n\n"
COMPLETION = """void report(const char *path, const char *message)
{
    printf("%s: ", path);
    printf(message);
    putchar('\\n');
}
"""


def drive(secondlook: Secondlook, driver: Path, *arguments: Path, cwd: Path) -> str:
    """Runs a driver in Emacs with the page's configuration; gives what it said."""
    emacs = os.environ.get("SECONDLOOK_EMACS")
    if not emacs:
        pytest.skip("SECONDLOOK_EMACS names no Emacs; tests/run emacs finds or unpacks one")
    block = re.search(r"<!-- tested: eglot -->\n```elisp\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    page = secondlook.home / "init.el"
    page.write_text(block[1])
    on_path = secondlook.home / "bin"
    on_path.mkdir(exist_ok=True)
    (on_path / "secondlook").symlink_to(secondlook.path)
    done = subprocess.run(
        [emacs, "-Q", "--batch", *map(str, ["-l", STORY, "-l", driver, page, *arguments])],
        env=secondlook.environment | {"PATH": f"{on_path}:{os.environ['PATH']}", "LANG": "C.UTF-8"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_from_an_insertion_to_a_saved_fix(
    secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    insertion = tmp_path / "completion"
    insertion.write_text(COMPLETION)
    file = folder / "report.c"
    file.write_text(START)
    said = drive(secondlook, DRIVER, file, insertion, cwd=folder)
    assert re.search(r"SEEN finding .*likely AI-inserted", said), said
    assert re.search(r"SEEN reason \d+", said), said
    assert "SEEN saved" in said
    mended = COMPLETION.replace("printf(message)", 'printf("%s", message)')
    assert file.read_text() == START + mended


def test_a_killed_server_comes_back(secondlook: Secondlook, folder: Path) -> None:
    file = folder / "report.c"
    file.write_text(START + COMPLETION)
    said = drive(secondlook, CRASHER, file, cwd=folder)
    assert "SEEN end: " in said, said
    assert "SEEN recovered" in said, said


def test_a_revision_ends_with_an_edit_and_is_applied_once(
    secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    file = folder / "app.py"
    file.write_text(CODE)
    asked = tmp_path / "asked"

    def hang_and_say(handler: BaseHTTPRequestHandler) -> None:
        asked.touch()
        hang(handler)

    with serve(hang_and_say, chat(f"```python\n{CURED}```\n")) as model:
        config = secondlook.home / "config" / "secondlook" / "secondlook.toml"
        config.parent.mkdir(parents=True)
        config.write_text(
            f'model-provider = "openai-chat"\nmodel-url = "{model.url}"\n'
            'model-name = "test-model"\n'
        )
        said = drive(secondlook, REVISER, file, asked, cwd=folder)
        assert model.settled()
    assert "SEEN action Revise with community knowledge" in said, said
    assert said.count("SEEN question: ") == 2, said
    assert said.count("SEEN end: ") == 1, said
    assert "SEEN revised" in said, said
    assert len(model.requests) == 2
    assert file.read_text() == CURED
