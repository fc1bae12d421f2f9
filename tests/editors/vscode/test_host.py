"""The extension's own tests, in the extension host of a real VS Code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from support.local_program import Local
from support.model_server import chat, hang, serve
from support.vscode import Code, Start, Tools

HOST = Path(__file__).with_name("host.mjs")
CURED = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    emoji = "🙂"; out = subprocess.run(["ls", "-l", "--", folder])\n'
    "    return out, emoji\n"
)
FILLING = '    command = ["ls", "-l", "--", folder]\n    return subprocess.run(command)'


def run(code: Code, folder: Path, extension: Path) -> str:
    """Runs an extension's tests in its host, all of which pass, and gives what they print."""
    result, said = code.node(
        HOST,
        code.tools.playwright,
        code.tools.browser,
        str(code.port),
        folder,
        extension,
        extension / "dist" / "tests" / "index",
    )
    assert result == 0, said + (code.state / "log").read_text()[-3000:]
    assert "TEST failed" not in said
    return said


def test_the_extension_in_its_host(start: Start, folder: Path, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer", fillings=(FILLING,))
    with serve(hang, chat(f"```python\n{CURED}```\n")) as model:
        code = start(folder, MODEL_URL=model.url, LOCAL=json.dumps(local.settings()))
        said = run(code, folder, code.tools.extension)
        assert model.settled()
    print(said)
    assert said.count("TEST passed") >= 11
    # Cancelled, discarded, applied: each was one question.
    assert len(model.requests) == 3
    assert len(local.notes("question")) == 1


def test_marks_where_vs_code_gives_no_reason_of_a_change(
    tools: Tools, start: Start, folder: Path, tmp_path: Path
) -> None:
    # The server that the tests drive gives it to every extension; VS Code as people install it
    # keeps it from those that do not ask. So this copy looks for it under a name that nobody has.
    copy = tmp_path / "extension"
    shutil.copytree(tools.extension, copy, ignore=shutil.ignore_patterns("node_modules", "*.vsix"))
    program = copy / "dist" / "extension.js"
    assert "detailedReason" in program.read_text()
    program.write_text(program.read_text().replace("detailedReason", "withheldReason"))
    code = start(folder, REASONS="withheld", ONLY="mark")
    assert run(code, folder, copy).count("TEST passed") == 3
