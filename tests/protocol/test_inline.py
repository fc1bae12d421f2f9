"""Completions in the line by a local model: hardened, within a budget, for the newest text only."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.binary import Secondlook
from support.local_program import Local
from support.profiles import capabilities
from support.rpc import Client, Json, ResponseError

URI = "file:///project/app.py"
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    "    \n\n\n"
    "def main():\n"
    '    print(list_folder("."))\n'
)
SAFE = 'return subprocess.run(["ls", "-l", "--", folder])'
WEAK = 'return subprocess.run("ls -l " + folder, shell=True)'
HERE = {"line": 4, "character": 4}
METHOD = "textDocument/inlineCompletion"


@pytest.fixture
def client(secondlook: Secondlook) -> Iterator[Client]:
    """A server that logs everything it can."""
    environment = secondlook.environment | {"SECONDLOOK_LOG": "trace"}
    with Client([secondlook.path, "lsp"], environment, secondlook.home) as client:
        yield client
    for secret in ("list_folder", "a-token-of", "ls -l"):
        assert secret not in client.stderr, client.stderr


def begin(client: Client, settings: Json, code: str = CODE) -> Json:
    """Opens the document as a client that knows inline completion; gives what the server can."""
    stated = copy.deepcopy(capabilities(document_changes=True))
    stated["textDocument"]["inlineCompletion"] = {}
    client.settings = settings
    able = client.initialize(stated, initializationOptions=settings)
    client.open(URI, code)
    client.diagnostics(URI, 1)
    return able


def on(local: Local, **more: Any) -> Json:
    """Settings with inline completion."""
    budget = {"inline-completion": True, "inline-completion-budget": 20000}
    return local.settings() | budget | {k.replace("_", "-"): v for k, v in more.items()}


def place(position: Json = HERE) -> Json:
    """The parameters of a request."""
    return {
        "textDocument": {"uri": URI},
        "position": position,
        "context": {"triggerKind": 2},
    }


def texts(answer: Json | None) -> list[str]:
    """What was offered."""
    return [it["insertText"] for it in answer or []]


def test_without_the_setting_nothing_is_started(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer", fillings=(SAFE,))
    assert begin(client, local.settings())["inlineCompletionProvider"] is True
    assert client.request(METHOD, place()) is None
    assert local.notes("start") == []


def test_who_does_not_know_it_is_not_told(client: Client) -> None:
    assert "inlineCompletionProvider" not in client.initialize(capabilities())


def test_no_far_away_model_is_asked(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer", fillings=(SAFE,))
    far = {"model-provider": "openai-chat", "model-url": "http://127.0.0.1:9/v1"}
    begin(client, on(local) | far | {"model-name": "far-away"})
    assert client.request(METHOD, place()) is None


def test_what_brings_a_finding_is_left_out(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer", fillings=(WEAK, SAFE))
    begin(client, on(local))
    answer = client.request(METHOD, place())
    assert texts(answer) == [SAFE]
    assert answer[0]["range"] == {"start": HERE, "end": HERE}
    (question,) = local.notes("question")
    assert question["path"] == "/v1/completions" and question["stop"] == ["\n\n"]
    assert question["prompt"] + question["suffix"] == CODE


def test_a_silencing_comment_helps_no_completion(client: Client, tmp_path: Path) -> None:
    quiet = WEAK + "  # nosec"
    local = Local(tmp_path / "local", "answer", fillings=(quiet, WEAK + "  # secondlook: ignore"))
    begin(client, on(local))
    assert client.request(METHOD, place()) == []
    assert len(local.notes("question")) == 1


def test_what_does_not_parse_or_goes_beyond_the_block_is_left_out(
    client: Client, tmp_path: Path
) -> None:
    local = Local(
        tmp_path / "local",
        "answer",
        fillings=("return (folder", f"{SAFE}\n\ndef other():\n    pass"),
    )
    begin(client, on(local))
    assert texts(client.request(METHOD, place())) == [SAFE]


def test_within_a_line_the_rest_of_it_is_asked_for(client: Client, tmp_path: Path) -> None:
    code = CODE.replace("    \n", "    return len()\n")
    local = Local(tmp_path / "local", "answer", fillings=("folder",))
    begin(client, on(local), code)
    assert texts(client.request(METHOD, place({"line": 4, "character": 15}))) == ["folder"]
    (question,) = local.notes("question")
    assert question["stop"] == ["\n"] and question["prompt"].endswith("return len(")


def test_lines_that_came_within_the_budget_count(client: Client, tmp_path: Path) -> None:
    lines = 'command = ["ls", "-l", "--", folder]\n    return subproc'
    local = Local(tmp_path / "local", "answer+slow", fillings=(lines,))
    begin(client, on(local))
    client.request(METHOD, place())
    client.settings = on(local, inline_completion_budget=1500)
    client.notify("workspace/didChangeConfiguration", {"settings": client.settings})
    client.change(URI, 2, [{"text": CODE}])
    client.diagnostics(URI, 2)
    assert texts(client.request(METHOD, place())) == ['command = ["ls", "-l", "--", folder]']
    local.noted("left")


def test_a_model_that_is_late_offers_nothing(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang")
    begin(client, on(local, inline_completion_budget=1000))
    assert texts(client.request(METHOD, place())) == []
    local.noted("left")
    assert len(local.alive()) == 1


def test_a_program_that_starts_slowly_is_ready_the_next_time(
    client: Client, tmp_path: Path
) -> None:
    local = Local(tmp_path / "local", "late", fillings=(SAFE,))
    begin(client, on(local, inline_completion_budget=500))
    assert client.request(METHOD, place()) is None
    for _ in range(40):
        if answer := client.request(METHOD, place()):
            break
    assert texts(answer) == [SAFE]
    assert len(local.notes("start")) == 1


def test_a_newer_request_ends_an_older_one(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang+answer", fillings=(SAFE,))
    begin(client, on(local))
    older = client.start_request(METHOD, place())
    local.noted("question")
    assert texts(client.request(METHOD, place())) == [SAFE]
    assert client.finish_request(older) is None
    local.noted("left")


def test_a_request_that_is_cancelled_leaves_the_model(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang")
    begin(client, on(local))
    number = client.start_request(METHOD, place())
    local.noted("question")
    client.notify("$/cancelRequest", {"id": number})
    with pytest.raises(ResponseError) as refused:
        client.finish_request(number)
    assert refused.value.code == -32800
    local.noted("left")


def test_a_text_that_moved_on_gets_none(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang")
    begin(client, on(local))
    number = client.start_request(METHOD, place())
    local.noted("question")
    client.change(URI, 2, [{"text": "import os\n" + CODE}])
    assert client.finish_request(number) is None
    local.noted("left")


def test_it_ends_with_the_server(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang")
    begin(client, on(local))
    client.start_request(METHOD, place())
    local.noted("question")
    client.request("shutdown", None)
    client.notify("exit", None)
    assert local.gone()
