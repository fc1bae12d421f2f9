"""What a real VS Code tells a server, recorded anew and held against the fixture."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from support import recorder
from support.streams import MANY_LINES, NAME, ONE_LINE, PASTED, START, TYPED, Recording, keep
from support.vscode import Start, Tools

DRIVER = Path(__file__).with_name("record.mjs")


def test_vscode_says_the_same_again(
    tools: Tools, start: Start, folder: Path, tmp_path: Path
) -> None:
    file = folder / NAME
    file.write_text(START)
    recording = Recording(tmp_path)
    suggestion = tmp_path / "suggestion"
    suggestion.write_text("")
    texts = {"name": NAME, "typed": TYPED, "pasted": PASTED}
    texts |= {"oneLine": ONE_LINE, "manyLines": MANY_LINES.rstrip()}
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    # The extension starts it as it would start the server.
    program = tmp_path / "listener"
    words = [sys.executable, recorder.__file__, str(recording.out), str(recording.label)]
    program.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
    program.chmod(0o755)
    code = start(
        folder,
        settings={
            "secondlook.path": str(program),
            "editor.formatOnSave": True,
            # New lines begin at the margin.
            "editor.autoIndent": "none",
        },
        packages=[tools.extension / "secondlook.vsix", tools.assistant],
        ASSISTANT_TEXT=str(suggestion),
    )
    result, said = code.node(
        DRIVER, tools.playwright, tools.browser, str(code.port), folder, tmp_path
    )
    assert result == 0 and "RECORDED" in said, said
    product = json.loads((tools.code / "product.json").read_text())
    keep(recording.end(f"VS Code {product['version']}", file), "vscode.jsonl")
