"""The co-decoding program behind the language server: its state shown, its end shared."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.binary import Secondlook
from support.local_program import Local
from support.profiles import capabilities
from support.rpc import Client, Json
from support.text import apply_edits

URI = "file:///project/app.py"
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    return subprocess.run("ls -l " + folder, shell=True)\n'
)
CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')
ANSWER = f"```python\n{CURED}```\n"


@pytest.fixture
def client(secondlook: Secondlook) -> Iterator[Client]:
    """A server that logs everything it can."""
    environment = secondlook.environment | {"SECONDLOOK_LOG": "trace"}
    with Client([secondlook.path, "lsp"], environment, secondlook.home) as client:
        yield client
    assert "list_folder" not in client.stderr and "a-token-of" not in client.stderr


def begin(client: Client, local: Local) -> Json:
    """Opens the document and gives the action that asks the model."""
    stated = copy.deepcopy(capabilities(document_changes=True, show_document=True))
    stated["workspace"]["applyEdit"] = True
    stated["window"]["workDoneProgress"] = True
    client.settings = local.settings(model_repairs=0)
    client.initialize(stated, initializationOptions=client.settings)
    client.open(URI, CODE)
    (diagnostic,) = client.diagnostics(URI, 1)
    params = {
        "textDocument": {"uri": URI},
        "range": diagnostic["range"],
        "context": {"diagnostics": [diagnostic]},
    }
    actions = client.request("textDocument/codeAction", params)
    return next(it for it in actions if it["title"].startswith("Revise with community"))


def run(client: Client, action: Json) -> None:
    """Carries the action out."""
    command = action["command"]
    params = {"command": command["command"], "arguments": command["arguments"]}
    client.request("workspace/executeCommand", params)


def edits(client: Client) -> list[Json]:
    """What was to be applied."""
    return [it for it in client.requests if it["method"] == "workspace/applyEdit"]


def progress(client: Client) -> list[Json]:
    """What was said of progress."""
    return [it["params"]["value"] for it in client.notifications if it["method"] == "$/progress"]


def test_it_serves_several_questions_and_ends_with_the_server(
    client: Client, tmp_path: Path
) -> None:
    local = Local(tmp_path / "local", "answer", answer=ANSWER)
    action = begin(client, local)
    assert local.notes("start") == []
    run(client, action)
    client.wait(lambda: len(edits(client)) == 1, "the edit")
    assert any("local model" in it.get("message", "") for it in progress(client))
    run(client, action)
    client.wait(lambda: len(edits(client)) == 2, "the second edit")
    (change,) = edits(client)[0]["params"]["edit"]["documentChanges"]
    assert apply_edits(CODE, change["edits"], "utf-16") == CURED
    assert len(local.notes("start")) == 1 and len(local.alive()) == 1
    client.request("shutdown", None)
    client.notify("exit", None)
    assert local.gone()


def test_one_that_died_between_questions_is_started_again(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer", "die", "answer", answer=ANSWER)
    action = begin(client, local)
    run(client, action)
    client.wait(lambda: len(edits(client)) == 1, "the edit")
    (process,) = local.alive()
    os.kill(process, signal.SIGKILL)
    run(client, action)
    client.wait(lambda: len(edits(client)) == 2, "the second edit")
    assert len(local.notes("start")) == 3


def test_cancelling_ends_the_question_and_keeps_the_program(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang")
    run(client, begin(client, local))
    local.noted("question")
    (token,) = {
        str(it["params"]["token"]) for it in client.notifications if it["method"] == "$/progress"
    }
    client.notify("window/workDoneProgress/cancel", {"token": token})
    local.noted("left")
    assert len(local.alive()) == 1 and edits(client) == []
