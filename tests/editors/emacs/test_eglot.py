"""A real Emacs with eglot, configured exactly as its page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook

PAGE = ROOT / "docs" / "editors.md"
DRIVER = Path(__file__).with_name("drive.el")
START = "#include <stdio.h>\n\n"
COMPLETION = """void report(const char *path, const char *message)
{
    printf("%s: ", path);
    printf(message);
    putchar('\\n');
}
"""


def test_from_an_insertion_to_a_saved_fix_and_over_a_crash(
    secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    emacs = shutil.which("emacs")
    if not emacs:
        pytest.skip("emacs is missing (on Debian: emacs-nox and elpa-eglot)")
    block = re.search(r"<!-- tested: eglot -->\n```elisp\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    page = tmp_path / "init.el"
    page.write_text(block[1])
    insertion = tmp_path / "completion"
    insertion.write_text(COMPLETION)
    file = folder / "report.c"
    file.write_text(START)
    on_path = secondlook.home / "bin"
    on_path.mkdir(exist_ok=True)
    (on_path / "secondlook").symlink_to(secondlook.path)
    done = subprocess.run(
        [emacs, "-Q", "--batch", "-l", str(DRIVER), str(page), str(file), str(insertion)],
        env=secondlook.environment | {"PATH": f"{on_path}:{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert re.search(r"SEEN finding .*likely AI-inserted", said), said
    assert re.search(r"SEEN reason \d+", said), said
    assert "SEEN saved" in said
    assert "SEEN recovered" in said
    mended = COMPLETION.replace("printf(message)", 'printf("%s", message)')
    assert file.read_text() == START + mended
