"""Revisions through the language server: offered, shown, asked for, cancelled, refused, applied."""

from __future__ import annotations

import copy
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.binary import Secondlook
from support.model_server import ModelServer, Reply, chat, closed_port, hang, serve, silent
from support.profiles import capabilities
from support.rpc import Client, Json
from support.text import apply_edits

URI = "file:///project/app.py"
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    name = "😀"; out = subprocess.run("ls -l " + folder, shell=True)\n'
    "    return out, name\n"
)
CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')
ANSWER = f"```python\n{CURED}```\n"
LIE = "```python\ndef list_folder(folder):\n    pass\n```\n"


def stated(**more: Any) -> Json:
    """A client with progress, change annotations and tags for actions."""
    out = copy.deepcopy(capabilities(document_changes=True, resolve=True, show_document=True))
    out["workspace"]["applyEdit"] = True
    out["workspace"]["configuration"] = True
    out["workspace"]["workspaceEdit"]["changeAnnotationSupport"] = {}
    out["window"]["workDoneProgress"] = True
    out["textDocument"]["codeAction"]["tagSupport"] = {"valueSet": [1]}
    return out | more


ABLE = stated()


class Editor:
    """A client with one document and a model in its settings."""

    def __init__(
        self,
        client: Client,
        server: ModelServer | None,
        stated: Json | None = None,
        **options: Any,
    ) -> None:
        self.client = client
        self.server = server
        if server:
            client.settings = {
                "model-provider": "openai-chat",
                "model-url": server.url,
                "model-name": "test-model",
                "model-timeout": 60000,
                "model-repairs": 0,
            } | {name.replace("_", "-"): value for name, value in options.items()}
        client.initialize(stated or ABLE, initializationOptions=client.settings)
        client.open(URI, CODE)
        (self.diagnostic,) = client.diagnostics(URI, 1)

    def actions(self, **context: Any) -> list[Json]:
        """The actions of the finding."""
        params = {
            "textDocument": {"uri": URI},
            "range": self.diagnostic["range"],
            "context": {"diagnostics": [self.diagnostic], **context},
        }
        return self.client.request("textDocument/codeAction", params)

    def action(self, start: str) -> Json:
        """The action whose title begins so."""
        found = [it for it in self.actions() if it["title"].startswith(start)]
        assert found, [it["title"] for it in self.actions()]
        return found[0]

    def run(self, action: Json) -> Any:
        """Carries out an action's command."""
        command = action["command"]
        params = {"command": command["command"], "arguments": command["arguments"]}
        return self.client.request("workspace/executeCommand", params)

    def applied(self) -> list[Json]:
        """Every edit that the server wanted applied."""
        return [it for it in self.client.requests if it["method"] == "workspace/applyEdit"]

    def said(self) -> list[str]:
        """Every message that was shown."""
        sent = self.client.notifications
        return [it["params"]["message"] for it in sent if it["method"] == "window/showMessage"]

    def progress(self) -> list[Json]:
        """Everything that was said of progress."""
        sent = self.client.notifications
        return [it["params"]["value"] for it in sent if it["method"] == "$/progress"]

    def ended(self) -> bool:
        """Whether the progress has ended."""
        return any(it["kind"] == "end" for it in self.progress())


@pytest.fixture
def client(secondlook: Secondlook) -> Iterator[Client]:
    """A server that logs everything it can."""
    environment = secondlook.environment | {"SECONDLOOK_LOG": "trace", "RUST_LOG": "trace"}
    with Client([secondlook.path, "lsp"], environment, secondlook.home) as client:
        yield client
    for secret in ("ls -l", "list_folder", "folder,"):
        assert secret not in client.stderr, client.stderr


def test_a_revision_is_applied_with_progress_and_a_note(client: Client) -> None:
    with serve(chat(ANSWER)) as server:
        editor = Editor(client, server)
        action = editor.action("Revise with community knowledge")
        assert action["tags"] == [1] and action["diagnostics"]
        assert editor.run(action) is None
        client.wait(lambda: bool(editor.applied()), "the edit")
        assert server.settled()
    (request,) = editor.applied()
    edit = request["params"]["edit"]
    (note,) = edit["changeAnnotations"].values()
    assert note["needsConfirmation"] is True and "test-model" in note["description"]
    (change,) = edit["documentChanges"]
    assert change["textDocument"]["version"] == 1
    assert {it["annotationId"] for it in change["edits"]} == set(edit["changeAnnotations"])
    assert apply_edits(CODE, change["edits"], "utf-16") == CURED
    kinds = [it["kind"] for it in editor.progress()]
    assert kinds[0] == "begin" and kinds[-1] == "end" and "report" in kinds
    assert editor.progress()[0]["cancellable"] is True


@pytest.mark.parametrize("reason", ["discarded", "the text changed", None])
def test_who_discards_a_revision_is_told_nothing(client: Client, reason: str | None) -> None:
    client.applies = {"applied": False} | ({"failureReason": reason} if reason else {})
    with serve(chat(ANSWER)) as server:
        editor = Editor(client, server)
        editor.run(editor.action("Revise with"))
        client.wait(lambda: bool(editor.applied()), "the edit")
        if reason == "discarded":
            time.sleep(0.5)
            client.request("secondlook/status", {})
            assert editor.said() == []
        else:
            client.wait(lambda: bool(editor.said()), "a word about it")
            assert "did not apply" in editor.said()[0]


def test_who_sees_no_progress_is_told_of_the_question(client: Client) -> None:
    with serve(chat(ANSWER)) as server:
        quiet = stated()
        quiet["window"] = {}
        editor = Editor(client, server, stated=quiet)
        editor.run(editor.action("Revise with"))
        client.wait(lambda: bool(editor.applied()), "the edit")
    assert "asking the model" in editor.said()[0]


def test_resolving_asks_no_model(client: Client) -> None:
    with serve(chat(ANSWER)) as server:
        editor = Editor(client, server)
        for action in editor.actions():
            client.request("codeAction/resolve", action)
        assert server.requests == []


def test_a_client_cancels(client: Client) -> None:
    with serve(hang) as server:
        editor = Editor(client, server)
        editor.run(editor.action("Revise with"))
        client.wait(lambda: bool(editor.progress()), "the progress")
        deadline = time.monotonic() + 30
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.02)
        token = next(
            it["params"]["token"] for it in client.notifications if it["method"] == "$/progress"
        )
        client.notify("window/workDoneProgress/cancel", {"token": token})
        client.wait(editor.ended, "the end")
        assert server.settled()
    assert editor.applied() == []
    assert editor.progress()[-1]["message"] == "cancelled"


def test_an_edit_ends_it_and_it_is_offered_again(client: Client) -> None:
    with serve(silent, chat(ANSWER)) as server:
        editor = Editor(client, server)
        editor.run(editor.action("Revise with"))
        deadline = time.monotonic() + 30
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.02)
        start = {"line": 0, "character": 0}
        client.change(URI, 2, [{"range": {"start": start, "end": start}, "text": "import os\n"}])
        client.wait(editor.ended, "the end")
        client.wait(lambda: bool(editor.said()), "a word about it")
        assert "nothing was applied" in editor.said()[0]
        assert editor.applied() == []
        assert server.settled()
        (editor.diagnostic,) = client.diagnostics(URI, 2)
        editor.run(editor.action("Revise with"))
        client.wait(lambda: bool(editor.applied()), "the edit")
    change = editor.applied()[0]["params"]["edit"]["documentChanges"][0]
    assert change["textDocument"]["version"] == 2
    assert apply_edits("import os\n" + CODE, change["edits"], "utf-16") == "import os\n" + CURED


def test_a_stale_wish_is_refused(client: Client) -> None:
    with serve(chat(ANSWER)) as server:
        editor = Editor(client, server)
        action = editor.action("Revise with")
        start = {"line": 0, "character": 0}
        client.change(URI, 2, [{"range": {"start": start, "end": start}, "text": "#\n"}])
        client.diagnostics(URI, 2)
        editor.run(action)
        client.wait(lambda: bool(editor.said()), "a word about it")
        assert server.requests == []
    assert editor.applied() == []


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [(chat(LIE), "was refused"), (chat("NO CHANGE NEEDED"), "leave the code as it is")],
    ids=["lie", "unchanged"],
)
def test_what_does_not_pass_is_said(client: Client, reply: Reply, sentence: str) -> None:
    with serve(reply) as server:
        editor = Editor(client, server)
        editor.run(editor.action("Revise with"))
        client.wait(lambda: bool(editor.said()), "a word about it")
    assert sentence in editor.said()[0]
    assert editor.applied() == []


def test_a_server_that_is_down_is_said(client: Client) -> None:
    editor = Editor(client, ModelServer(port=closed_port()))
    editor.run(editor.action("Revise with"))
    client.wait(lambda: bool(editor.said()), "a word about it")
    assert editor.said()[0].startswith("no connection to the model")
    assert editor.applied() == []


def test_what_would_be_sent_is_shown(client: Client, tmp_path: Path) -> None:
    with serve(chat(ANSWER)) as server:
        editor = Editor(client, server)
        prompt = editor.run(editor.action("Show what would be sent"))
        assert "DISCUSSION 1" in prompt and "list_folder" in prompt
        shown = [it for it in client.requests if it["method"] == "window/showDocument"]
        client.wait(
            lambda: any(it["method"] == "window/showDocument" for it in client.requests), "a page"
        )
        shown = [it for it in client.requests if it["method"] == "window/showDocument"]
        path = Path(shown[0]["params"]["uri"].removeprefix("file://"))
        assert path.read_text() == prompt
        assert path.stat().st_mode & 0o077 == 0
        path.unlink()
        assert server.requests == []


def test_a_running_server_knows_a_fix_as_soon_as_it_was_added(
    client: Client, secondlook: Secondlook, tmp_path: Path
) -> None:
    fixed = CURED.replace("list_folder", "our_list_of_folders")
    pair = {"language": "python", "cwe": ["CWE-78"], "before": CODE, "after": fixed, "id": "our/1"}
    (tmp_path / "fixed.jsonl").write_text(json.dumps(pair) + "\n")
    with serve(silent) as server:
        editor = Editor(client, server)
        action = editor.action("Show what would be sent")
        assert "our_list_of_folders" not in editor.run(action)
        added = secondlook("kb", "add", "--pair", str(tmp_path / "fixed.jsonl"))
        assert added.code == 0, added
        prompt = editor.run(action)
        assert "our_list_of_folders(folder)" in prompt and "our/1" in prompt
        assert server.requests == []

    def pages() -> list[Path]:
        shown = [it for it in client.requests if it["method"] == "window/showDocument"]
        return [Path(it["params"]["uri"].removeprefix("file://")) for it in shown]

    client.wait(lambda: len(pages()) == 2, "both pages")
    for page in set(pages()):
        page.unlink()


def test_without_a_model_the_prompt_can_be_copied(client: Client) -> None:
    code = (
        "import requests\nfrom flask import request\n\n\n"
        'def preview():\n    return requests.get(request.args["url"], timeout=5).text\n'
    )
    client.initialize(stated())
    client.open(URI, code)
    (diagnostic,) = client.diagnostics(URI, 1)
    params = {
        "textDocument": {"uri": URI},
        "range": diagnostic["range"],
        "context": {"diagnostics": [diagnostic]},
    }
    actions = client.request("textDocument/codeAction", params)
    titles = [it["title"] for it in actions]
    assert "Copy the revision prompt" in titles
    assert not any(it.startswith("Revise with") for it in titles)
    command = next(it for it in actions if it["title"].startswith("Copy"))["command"]
    wish = {"command": command["command"], "arguments": command["arguments"]}
    assert "requests.get(" in client.request("workspace/executeCommand", wish)


def test_without_a_provider_no_socket_is_opened(secondlook: Secondlook, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace shows which sockets are opened")
    log = tmp_path / "calls"
    words = [strace, "-f", "-e", "trace=socket,connect", "-o", str(log), secondlook.path, "lsp"]
    with Client(words, secondlook.environment, secondlook.home) as client:
        client.initialize(stated())
        client.open(URI, CODE)
        (diagnostic,) = client.diagnostics(URI, 1)
        params = {
            "textDocument": {"uri": URI},
            "range": diagnostic["range"],
            "context": {"diagnostics": [diagnostic]},
        }
        assert client.request("textDocument/codeAction", params)
        place = {"textDocument": {"uri": URI}, "position": diagnostic["range"]["start"]}
        assert client.request("textDocument/hover", place)
    seen = log.read_text().splitlines()
    assert any("exited" in it for it in seen), "strace saw nothing"
    assert [it for it in seen if "socket(" in it or "connect(" in it] == []


def test_a_block_that_an_ai_inserted_is_revised(client: Client) -> None:
    with serve(chat(ANSWER)) as server:
        editor = Editor(client, server)
        block = {"start": {"line": 3, "character": 0}, "end": {"line": 6, "character": 0}}
        mark = {"uri": URI, "version": 1, "range": block, "source": "test"}
        client.notify("secondlook/markInserted", mark)
        client.diagnostics(URI, 1)
        at = {"line": 5, "character": 4}
        params = {
            "textDocument": {"uri": URI},
            "range": {"start": at, "end": at},
            "context": {"diagnostics": []},
        }

        def offered() -> list[Json]:
            actions = client.request("textDocument/codeAction", params)
            return [it for it in actions or [] if "AI-inserted block" in it["title"]]

        (action,) = offered()
        assert action["kind"].startswith("refactor.rewrite")
        editor.run(action)
        client.wait(lambda: bool(editor.applied()), "the edit")
    change = editor.applied()[0]["params"]["edit"]["documentChanges"][0]
    assert apply_edits(CODE, change["edits"], "utf-16") == CURED


def test_a_server_that_ends_lets_go_of_the_model(client: Client) -> None:
    with serve(hang) as server:
        editor = Editor(client, server)
        editor.run(editor.action("Revise with"))
        deadline = time.monotonic() + 30
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.02)
        assert client.shutdown() == 0
        assert server.settled()
