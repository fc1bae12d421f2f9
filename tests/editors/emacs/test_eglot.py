"""A real Emacs with eglot, configured exactly as its page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook
from support.model_server import chat, serve

PAGE = ROOT / "docs" / "editors.md"
DRIVER = Path(__file__).with_name("drive.el")
REVISER = Path(__file__).with_name("revise.el")
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
    emacs = shutil.which("emacs")
    if not emacs:
        pytest.skip("emacs is missing (on Debian: emacs-nox and elpa-eglot)")
    find = """(progn
        (dolist (folder (file-expand-wildcards "/usr/share/emacs/site-lisp/elpa-src/*"))
          (add-to-list 'load-path folder))
        (require 'eglot))"""
    has_eglot = subprocess.run(
        [emacs, "-Q", "--batch", "--eval", find], capture_output=True, check=False
    )
    if has_eglot.returncode != 0:
        pytest.skip("Emacs has no eglot (on Debian: elpa-eglot)")
    block = re.search(r"<!-- tested: eglot -->\n```elisp\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    page = secondlook.home / "init.el"
    page.write_text(block[1])
    on_path = secondlook.home / "bin"
    on_path.mkdir(exist_ok=True)
    (on_path / "secondlook").symlink_to(secondlook.path)
    done = subprocess.run(
        [emacs, "-Q", "--batch", "-l", *map(str, [driver, page, *arguments])],
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


def test_from_an_insertion_to_a_saved_fix_and_over_a_crash(
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
    assert "SEEN recovered" in said
    mended = COMPLETION.replace("printf(message)", 'printf("%s", message)')
    assert file.read_text() == START + mended


def test_a_model_revises_a_finding(secondlook: Secondlook, folder: Path) -> None:
    file = folder / "app.py"
    file.write_text(CODE)
    with serve(chat(f"```python\n{CURED}```\n")) as model:
        config = secondlook.home / "config" / "secondlook" / "secondlook.toml"
        config.parent.mkdir(parents=True)
        config.write_text(
            f'model-provider = "openai-chat"\nmodel-url = "{model.url}"\n'
            'model-name = "test-model"\n'
        )
        said = drive(secondlook, REVISER, file, cwd=folder)
        assert model.settled()
    assert "SEEN action Revise with community knowledge" in said, said
    assert "SEEN revised" in said, said
    assert len(model.requests) == 1
    assert file.read_text() == CURED
