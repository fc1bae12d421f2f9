"""The plugin in a real Neovim: the whole story with assistants, a model, and a server that dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.binary import ROOT, Secondlook
from support.local_program import Local
from support.model_server import chat, hang, serve

DRIVER = Path(__file__).with_name("plugin.lua")
STUBS = Path(__file__).with_name("stubs")
NAMES = ["SECONDLOOK_NVIM", "SECONDLOOK_NVIM_OLD", "SECONDLOOK_NVIM_NEW"]
START = "#include <stdio.h>\n\n/* 🙂 what went wrong */\n"
COMPLETION = """void report(const char *path, const char *message)
{
    printf("%s: ", path);
    printf(message);
    putchar('\\n');
}
"""
MENDED = COMPLETION.replace("printf(message)", 'printf("%s", message)')
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    emoji = "🙂"; out = subprocess.run("ls -l " + folder, shell=True)\n'
    "    return out, emoji\n"
)
BEGUN = "import subprocess\n\n\ndef list_folder(folder):\n"
WEAK = '    command = "ls -l " + folder\n    return subprocess.run(command, shell=True)\n'
SAFE = '    command = ["ls", "-l", "--", folder]\n    return subprocess.run(command)'
CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')


@pytest.fixture(scope="session", params=NAMES)
def nvim(request: pytest.FixtureRequest) -> Path:
    """The Neovim to drive: the one of every run, and others where somebody names them."""
    named = os.environ.get(request.param)
    if not named:
        pytest.skip(f"{request.param} names no Neovim")
    return Path(named)


def version(nvim: Path) -> bytes:
    """What it says of itself."""
    return subprocess.run([nvim, "--version"], capture_output=True, check=True).stdout


def drive(
    nvim: Path, secondlook: Secondlook, story: str, file: Path, *more: Path, **environment: str
) -> dict[str, Any]:
    """Runs a story to its end; returns what was seen."""
    command = [nvim, "--headless", "--clean", "-n", "-l", DRIVER, story, file, *more]
    # The plugin finds the server as a user's does: on the PATH.
    on_path = secondlook.home / "bin"
    on_path.mkdir(exist_ok=True)
    program = on_path / "secondlook"
    if not program.exists():
        program.symlink_to(secondlook.path)
    environment = secondlook.environment | {
        "PATH": f"{on_path}:{os.environ['PATH']}",
        "XDG_STATE_HOME": str(secondlook.home / "state"),
        "PATIENCE_MS": "60000",
        "PLUGIN": str(ROOT / "editors" / "neovim"),
        "STUBS": str(STUBS),
        "PYTHON": sys.executable,
        **environment,
    }
    done = subprocess.run(
        [str(it) for it in command],
        cwd=file.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    said = next((it for it in lines if it.startswith('{"')), None)
    assert said is not None, f"the driver said nothing\n{done.stdout}\n{done.stderr}"
    seen = json.loads(said)
    assert done.returncode == 0, (seen, done.stderr)
    return seen


@pytest.mark.parametrize("assistant", ["copilot.lua", "copilot.vim", "inline completion"])
def test_from_an_accepted_suggestion_to_a_saved_fix_and_over_a_crash(
    nvim: Path, secondlook: Secondlook, folder: Path, assistant: str
) -> None:
    if assistant == "inline completion" and b"v0.12" not in version(nvim):
        pytest.skip("only Neovim 0.12 has inline completion")
    file = folder / "report.c"
    file.write_text(START)
    insertion = secondlook.home / "completion.c"
    insertion.write_text(COMPLETION)
    seen = drive(nvim, secondlook, "whole", file, insertion, ASSISTANT=assistant)
    (diagnostic,) = seen["diagnostics"]
    assert diagnostic["origin"] == {"source": assistant, "confidence": "certain"}
    assert diagnostic["line"] == 6
    assert "https://" in seen["reason"]
    assert diagnostic["code"] in seen["reason"]
    assert seen["entered"]
    assert 'snprintf(copy, sizeof(copy), "%s", name);' in seen["chosen"]
    assert seen["status"] == "AI? 1"
    assert {"why", "fix", "revise", "cancel", "scan", "restart"} <= set(seen["words"])
    assert seen["saved"]
    # The inline completion went into a line of its own.
    rest = "\n" if assistant == "inline completion" else ""
    assert file.read_text() == START + MENDED + rest
    assert "secondlook 0." in seen["health"]
    assert "marks come from" in seen["health"]
    assert assistant in seen["health"]
    assert "ERROR" not in seen["health"], seen["health"]
    assert seen["recovered"]


def test_a_revision_is_cancelled_once_and_applied_once(
    nvim: Path, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "app.py"
    file.write_text(CODE)
    with serve(hang, chat(f"```python\n{CURED}```\n")) as server:
        seen = drive(nvim, secondlook, "revise", file, MODEL_URL=server.url)
        assert server.settled()
    assert "list_folder" in seen["prompt"]
    assert seen["status"].startswith("secondlook: ")
    assert seen["untouched"] is True
    assert "end: cancelled" in seen["progress"]
    assert "end: revised" in seen["progress"]
    assert len(server.requests) == 2
    assert file.read_text() == CURED


def test_the_other_commands(nvim: Path, secondlook: Secondlook, folder: Path) -> None:
    file = folder / "report.c"
    file.write_text(START + COMPLETION)
    (folder / "secondlook.toml").write_text("")
    other = folder / "ask.c"
    other.write_text("#include <stdio.h>\n\nvoid ask(char *name)\n{\n    gets(name);\n}\n")
    seen = drive(nvim, secondlook, "commands", file)
    (diagnostic,) = seen["diagnostics"]
    assert diagnostic["origin"] == {"source": "a robot", "confidence": "certain"}
    assert seen["opened"] == seen["choices"][0]
    assert seen["opened"].startswith("https://")
    assert "c/gets" in seen["knowledge"]
    assert {"report.c", "ask.c"} <= set(seen["list"])
    assert seen["restarted"]


def test_the_setup_for_older_versions_starts_the_server_too(
    nvim: Path, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "report.c"
    file.write_text(START + COMPLETION)
    (folder / "secondlook.toml").write_text("")
    (folder / "ask.c").write_text("#include <stdio.h>\n\nvoid ask(char *n)\n{\n    gets(n);\n}\n")
    seen = drive(nvim, secondlook, "commands", file, OLD_SETUP="1")
    assert seen["restarted"]


def test_nvim_lspconfig_in_its_older_form_starts_the_server_too(
    nvim: Path, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "report.c"
    file.write_text(START + COMPLETION)
    assert drive(nvim, secondlook, "alone", file, LSPCONFIG="1")["root"] is None
    (folder / "secondlook.toml").write_text("")
    assert drive(nvim, secondlook, "alone", file, LSPCONFIG="1")["root"] == str(folder)


def test_an_inserted_block_is_written_anew(
    nvim: Path, secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    file = folder / "app.py"
    file.write_text(BEGUN)
    insertion = secondlook.home / "completion.py"
    insertion.write_text(WEAK)
    local = Local(tmp_path / "local", "answer", fillings=(SAFE,))
    settings = json.dumps(local.settings())
    seen = drive(nvim, secondlook, "regenerate", file, insertion, SETTINGS=settings)
    assert seen["saved"]
    assert file.read_text() == BEGUN + SAFE + "\n"
    assert len(local.notes("question")) == 1
    assert local.gone()


def test_the_help_has_its_tags(nvim: Path, secondlook: Secondlook, folder: Path) -> None:
    doc = folder / "doc"
    doc.mkdir()
    page = ROOT / "editors" / "neovim" / "doc" / "secondlook.txt"
    (doc / "secondlook.txt").write_text(page.read_text())
    done = subprocess.run(
        [str(nvim), "--headless", "--clean", "-n", "-c", f"helptags {doc}", "-c", "qa!"],
        env=secondlook.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.strip() == "", done.stderr
    tags = {line.split("\t")[0] for line in (doc / "tags").read_text().splitlines()}
    assert {":SecondLook", "secondlook-start", "secondlook-scan-workspace"} <= tags
    assert all(len(line) <= 78 for line in page.read_text().splitlines())
