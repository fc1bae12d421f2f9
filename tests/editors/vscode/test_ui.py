"""The packed extension, gone through by keyboard and mouse, with pictures on the way."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

from support.binary import Secondlook
from support.model_server import chat, hang, serve
from support.vscode import Start, Tools

DRIVER = Path(__file__).with_name("ui.mjs")
LIMIT_BYTES = 300_000
STATUS = '"""Looks after the machines of a rack."""\n\nimport subprocess\n'
SUGGESTION = (
    "\ndef is_up(host):\n"
    '    """Whether a host answers."""\n'
    '    done = subprocess.run(f"ping -c 1 {host}", shell=True, capture_output=True)\n'
    "    return done.returncode == 0"
)
SAFE = SUGGESTION.replace('f"ping -c 1 {host}", shell=True', '["ping", "-c", "1", "--", host]')
REPORT = """#include <stdio.h>

/* Says what went wrong, and where. */
void report(const char *path, const char *message)
{
    printf("%s: ", path);
    printf(message);
    putchar('\\n');
}
"""


def test_the_package_is_small(tools: Tools) -> None:
    package = tools.extension / "secondlook.vsix"
    assert package.stat().st_size < LIMIT_BYTES, package.stat().st_size


def test_a_person_goes_through_it(
    tools: Tools, start: Start, secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    (folder / "status.py").write_text(STATUS)
    (folder / "report.c").write_text(REPORT)
    suggestion = tmp_path / "suggestion"
    suggestion.write_text(SUGGESTION)
    pictures = Path(os.environ.get("SECONDLOOK_PICTURES") or tmp_path / "pictures")
    answer = f"```python\n{STATUS}\n{SAFE.lstrip()}\n```\n"
    with serve(hang, chat(answer)) as model:
        settings = {
            "secondlook.model-provider": "openai-chat",
            "secondlook.model-url": model.url,
            "secondlook.model-name": "test-model",
        }
        code = start(
            folder,
            settings=settings,
            packages=[tools.extension / "secondlook.vsix", tools.assistant],
            ASSISTANT_TEXT=str(suggestion),
        )
        result, said = code.node(
            DRIVER,
            tools.playwright,
            tools.browser,
            str(code.port),
            folder,
            pictures,
            secondlook.home,
        )
        print(said)
        assert result == 0, said
        assert model.settled()
    assert "UI end" in said
    assert len(model.requests) == 2
    assert secondlook.check(folder / "status.py").findings == []


def test_the_package_holds_what_it_should(tools: Tools) -> None:
    with zipfile.ZipFile(tools.extension / "secondlook.vsix") as package:
        listed = package.namelist()
    assert "extension/dist/extension.js" in listed
    assert "extension/readme.md" in [it.lower() for it in listed]
    assert not [it for it in listed if "node_modules" in it or it.endswith(".ts")]
    manifest = json.loads((tools.extension / "package.json").read_text())
    for each in manifest["contributes"]["walkthroughs"][0]["steps"]:
        assert f"extension/{each['media']['image']}" in listed
