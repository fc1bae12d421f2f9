"""A package that brings its program, and folders that nobody trusts yet."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from support.binary import Secondlook
from support.model_server import chat, serve
from support.vscode import Start, Tools

HERE = Path(__file__).parent
FLAGGED = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    return subprocess.run("ls -l " + folder, shell=True)\n'
)
SAFE = FLAGGED.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')


def program(file: Path, mark: Path, then: str = "") -> Path:
    """A program that leaves a mark when it runs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n: > {shlex.quote(str(mark))}\n{then}\n")
    file.chmod(0o755)
    return file


def test_the_first_minute_with_a_package_that_brings_its_program(
    tools: Tools, start: Start, secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "extension"
    left_out = shutil.ignore_patterns("node_modules", "*.vsix")
    shutil.copytree(tools.extension, copy, ignore=left_out)
    (copy / "node_modules").symlink_to(tools.extension / "node_modules")
    mark = tmp_path / "ran"
    server = program(tmp_path / "built" / "secondlook", mark, f'exec {secondlook.path} "$@"')
    package = tmp_path / "bundled.vsix"
    packed = subprocess.run(
        ["npm", "run", "package:platform", "--", "linux-x64", str(server), "--out", str(package)],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert packed.returncode == 0, packed.stdout + packed.stderr
    # No program on the PATH, nor where cargo would put it: only the package's own can be found.
    (folder / "README.md").write_text("A project.\n")
    path = [it for it in os.environ["PATH"].split(":") if not Path(it, "secondlook").exists()]
    code = start(folder, packages=[package], PATH=":".join(path))
    result, said = code.node(
        HERE / "first.mjs",
        tools.playwright,
        tools.browser,
        str(code.port),
        folder,
        Path(os.environ.get("SECONDLOOK_PICTURES") or tmp_path / "pictures") / "first",
    )
    assert result == 0, said
    assert "FIRST end" in said
    assert "shell" in said
    assert mark.exists()


def test_an_untrusted_folder_runs_nothing(
    tools: Tools, start: Start, secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    named = {
        "secondlook.path": program(
            folder / "tools" / "server", marks / "server", f'exec {secondlook.path} "$@"'
        ),
        "secondlook.model-key-command": program(folder / "tools" / "key", marks / "key", "echo k"),
    }
    given = {name: str(it) for name, it in named.items()}
    given["secondlook.model-key-command"] = [given["secondlook.model-key-command"]]
    (folder / ".vscode").mkdir()
    (folder / ".vscode" / "settings.json").write_text(json.dumps(given))
    (folder / "small.py").write_text(FLAGGED)
    gate = program(tmp_path / "gate", marks / "gate")
    with serve(*[chat(f"```python\n{SAFE}```\n")] * 2) as model:
        settings = {
            "security.workspace.trust.enabled": True,
            "security.workspace.trust.startupPrompt": "never",
            "secondlook.model-provider": "openai-chat",
            "secondlook.model-url": model.url,
            "secondlook.model-name": "test-model",
            # The user's own check runs the folder's code, so it waits for trust as well.
            "secondlook.gate-commands": [[str(gate)]],
        }
        code = start(folder, settings=settings, packages=[tools.extension / "secondlook.vsix"])
        result, said = code.node(
            HERE / "trust.mjs",
            tools.playwright,
            tools.browser,
            str(code.port),
            folder,
            Path(os.environ.get("SECONDLOOK_PICTURES") or tmp_path / "pictures") / "trust",
            marks,
        )
        assert result == 0, said
    assert "TRUST before: \n" in said, said
    assert "TRUST after: gate key server\n" in said, said
