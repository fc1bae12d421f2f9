"""How a session begins and ends, and what the server says to what it does not know."""

from __future__ import annotations

import subprocess

import pytest

from support import samples
from support.binary import Secondlook
from support.profiles import PROFILES
from support.rpc import Client, ResponseError, Start

METHOD_NOT_FOUND = -32601
URI = "file:///nowhere/app.py"
SHELL = samples.PY_SHELL.format(head="", note="")


def test_a_session_ends_with_zero(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    client.open(URI, SHELL)
    assert len(client.diagnostics(URI, 1)) == 1
    assert client.shutdown() == 0


def test_an_exit_without_shutdown_ends_with_one(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    client.notify("exit", None)
    assert client.process.wait(30) == 1


def test_a_client_that_vanishes_ends_the_server(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    client.open(URI, SHELL)
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert client.process.wait(30) in (0, 1)


def test_the_argument_that_editors_add_is_accepted(secondlook: Secondlook) -> None:
    command = [secondlook.path, "lsp", "--stdio"]
    with Client(command, secondlook.environment, secondlook.home) as client:
        client.initialize(PROFILES["utf-16 push"])
        assert client.shutdown() == 0


def test_unknown_requests_are_answered(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    for method in ("textDocument/rename", "workspace/symbol", "secondlook/noSuchThing", "$/what"):
        with pytest.raises(ResponseError) as error:
            client.request(method, {})
        assert error.value.code == METHOD_NOT_FOUND, method
    client.notify("secondlook/noSuchNote", {})
    client.notify("$/noSuchNote", {})
    client.open(URI, SHELL)
    assert len(client.diagnostics(URI, 1)) == 1


def test_wrong_parameters_cost_one_answer_only(start: Start) -> None:
    client = start(PROFILES["utf-8 pull"])
    with pytest.raises(ResponseError):
        client.request("textDocument/hover", {"textDocument": 7})
    with pytest.raises(ResponseError):
        client.request("workspace/executeCommand", {"command": "no.such", "arguments": []})
    client.notify("textDocument/didChange", {"textDocument": 7})
    client.change("file:///never/opened.py", 9, [{"text": "import os\n"}])
    client.notify("textDocument/didClose", {"textDocument": {"uri": "file:///never/opened.py"}})
    client.open(URI, SHELL)
    assert len(client.pull(URI)) == 1


def test_requests_before_the_handshake_are_refused(secondlook: Secondlook) -> None:
    command = [secondlook.path, "lsp"]
    with Client(command, secondlook.environment, secondlook.home) as client:
        with pytest.raises(ResponseError) as error:
            client.request("textDocument/hover", {})
        assert error.value.code == -32002
        client.initialize(PROFILES["utf-16 push"])
        assert client.shutdown() == 0


def test_only_protocol_stands_on_standard_output(secondlook: Secondlook) -> None:
    loud = secondlook.environment | {"SECONDLOOK_LOG": "trace"}
    with Client([secondlook.path, "lsp"], loud, secondlook.home) as client:
        client.initialize(PROFILES["utf-16 push"])
        client.open(URI, SHELL)
        client.diagnostics(URI, 1)
        assert client.shutdown() == 0
        assert client.trouble == []
    assert client.stderr != ""


def test_without_a_client_it_says_how_it_is_used(secondlook: Secondlook) -> None:
    done = subprocess.run(
        [secondlook.path, "lsp"],
        env=secondlook.environment,
        cwd=secondlook.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == b""
    assert b"panicked" not in done.stderr


def test_a_closed_document_has_no_diagnostics(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    client.open(URI, SHELL)
    assert len(client.diagnostics(URI, 1)) == 1
    client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})

    def cleared() -> bool:
        last = [
            it["params"]
            for it in client.notifications
            if it["method"] == "textDocument/publishDiagnostics"
        ][-1]
        return last["uri"] == URI and last["diagnostics"] == []

    client.wait(cleared, "the empty list")


def test_a_file_of_another_language_is_left_alone(start: Start) -> None:
    client = start(PROFILES["utf-8 pull"])
    client.open("file:///nowhere/notes.md", SHELL, "markdown")
    assert client.pull("file:///nowhere/notes.md") == []


def test_a_document_as_deep_as_it_is_silly_stops_nothing(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    client.open("file:///nowhere/deep.py", "x = " + "[" * 10_000 + "\n")
    client.open(URI, SHELL)
    assert len(client.diagnostics(URI, 1)) == 1
    client.diagnostics("file:///nowhere/deep.py", 1)
    assert client.shutdown() == 0


def test_what_the_terminal_says_the_editor_says(start: Start, secondlook: Secondlook) -> None:
    (secondlook.home / "app.py").write_text(samples.PY_PICKLE)
    report = secondlook.check("app.py", cwd=secondlook.home)
    client = start(PROFILES["utf-8 pull"])
    client.open(URI, samples.PY_PICKLE)
    said = {(it["code"], it["range"]["start"]["line"] + 1) for it in client.pull(URI)}
    assert said == {(it["entry"], it["range"]["start"]["line"]) for it in report.findings}
    assert said
