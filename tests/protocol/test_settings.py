"""Settings of client and files: read, changed while the server runs, broken and mended."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from support import samples
from support.binary import Secondlook
from support.profiles import PROFILES
from support.rpc import Client, Json

SHELL = samples.PY_SHELL.format(head="", note="")
OFF = {"ignore": ["py/*"]}
OFF_FILE = 'ignore = ["py/*"]\n'


class Editor:
    """A client with a project folder and one document in it."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.path = folder / "app.py"
        self.path.write_text(SHELL)
        self.uri = self.path.as_uri()
        self.config = folder / "secondlook.toml"

    def start(self, capabilities: Json, **more: Any) -> None:
        """Shakes hands and opens the document."""
        folders = [{"uri": self.folder.as_uri(), "name": "project"}]
        self.client.initialize(capabilities, workspaceFolders=folders, **more)
        self.client.open(self.uri, SHELL)

    def shows(self, count: int) -> None:
        """Waits until the document has so many findings."""

        def reached() -> bool:
            last = self.client.published.get(self.uri)
            return last is not None and len(last["diagnostics"]) == count

        self.client.wait(reached, f"{count} findings")

    def save(self, path: Path, text: str) -> None:
        """Saves a file and says so."""
        path.write_text(text)
        self.client.notify("textDocument/didSave", {"textDocument": {"uri": path.as_uri()}})

    def sent(self, method: str) -> list[Json]:
        """The parameters of what the server sent under a name."""
        every = self.client.requests + self.client.notifications
        return [it["params"] for it in every if it["method"] == method]


@pytest.fixture
def editor(secondlook: Secondlook, folder: Path) -> Any:
    """An editor whose server has not been spoken to."""
    with Client([secondlook.path, "lsp"], secondlook.environment, folder) as client:
        yield Editor(client, folder)


def offering(**workspace: Any) -> Json:
    """A client that pushes are sent to, with these abilities of its workspace."""
    stated = copy.deepcopy(PROFILES["utf-16 push"])
    stated["workspace"] |= workspace
    return stated


def test_settings_come_with_the_handshake_and_change_later(editor: Editor) -> None:
    editor.start(offering(), initializationOptions=OFF)
    editor.shows(0)
    editor.client.notify("workspace/didChangeConfiguration", {"settings": {"secondlook": {}}})
    editor.shows(1)
    editor.client.notify("workspace/didChangeConfiguration", {"settings": {"secondlook": OFF}})
    editor.shows(0)
    # Silence is no wish.
    editor.client.notify("workspace/didChangeConfiguration", {"settings": None})
    editor.client.change(editor.uri, 2, [{"text": SHELL + "\n"}])
    assert editor.client.diagnostics(editor.uri, 2) == []
    assert editor.sent("workspace/configuration") == []
    assert editor.sent("client/registerCapability") == []


def test_a_client_that_can_be_asked_is_asked(editor: Editor) -> None:
    editor.client.settings = OFF
    editor.start(offering(configuration=True, didChangeConfiguration={"dynamicRegistration": True}))
    editor.shows(0)
    (asked,) = editor.sent("workspace/configuration")
    assert asked["items"] == [{"section": "secondlook"}]
    (registered,) = editor.sent("client/registerCapability")
    (wish,) = registered["registrations"]
    assert wish["method"] == "workspace/didChangeConfiguration"
    editor.client.settings = {}
    editor.client.notify("workspace/didChangeConfiguration", {"settings": None})
    editor.shows(1)


def test_a_mistake_of_the_client_is_told_and_costs_only_itself(editor: Editor) -> None:
    editor.start(offering(), initializationOptions=OFF | {"sevrity": "error", "select": 7})
    editor.shows(0)
    editor.client.wait(lambda: len(editor.sent("window/showMessage")) == 2, "two messages")
    told = [it["message"] for it in editor.sent("window/showMessage")]
    assert any("sevrity" in it and "severity" in it for it in told), told
    assert any("select" in it for it in told), told


@pytest.mark.parametrize("name", ["secondlook.toml", "pyproject.toml"])
def test_a_file_is_read_again_when_it_is_saved(editor: Editor, name: str) -> None:
    head = "[tool.secondlook]\n" if name == "pyproject.toml" else ""
    path = editor.folder / name
    editor.start(offering())
    editor.shows(1)
    editor.save(path, head + OFF_FILE)
    editor.shows(0)
    editor.save(path, head + 'ignore = ["c/*"]\n')
    editor.shows(1)
    editor.save(path, head + OFF_FILE)
    editor.shows(0)
    path.unlink()
    editor.client.notify("textDocument/didSave", {"textDocument": {"uri": editor.uri}})
    editor.shows(1)


def test_a_client_that_watches_files_is_asked_to(editor: Editor) -> None:
    editor.start(offering(didChangeWatchedFiles={"dynamicRegistration": True}))
    editor.shows(1)
    (registered,) = editor.sent("client/registerCapability")
    (wish,) = registered["registrations"]
    assert wish["method"] == "workspace/didChangeWatchedFiles"
    patterns = {it["globPattern"] for it in wish["registerOptions"]["watchers"]}
    assert {"**/secondlook.toml", "**/pyproject.toml"} <= patterns
    editor.config.write_text(OFF_FILE)
    change = {"uri": editor.config.as_uri(), "type": 1}
    editor.client.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
    editor.shows(0)


def test_the_nearest_file_holds_and_the_client_stands_above_it(editor: Editor) -> None:
    editor.config.write_text(OFF_FILE)
    inner = editor.folder / "inner"
    inner.mkdir()
    (inner / "secondlook.toml").write_text('select = ["all"]\n')
    (inner / "app.py").write_text(SHELL)
    editor.start(offering())
    editor.shows(0)
    other = (inner / "app.py").as_uri()
    editor.client.open(other, SHELL)
    assert len(editor.client.diagnostics(other, 1)) == 1
    settings = {"select": ["c/*"]}
    editor.client.notify("workspace/didChangeConfiguration", {"settings": settings})
    editor.client.wait(lambda: editor.client.published[other]["diagnostics"] == [], "silence")


def test_a_broken_file_is_named_once_and_the_old_settings_hold(editor: Editor) -> None:
    editor.config.write_text(OFF_FILE)
    uri = editor.config.as_uri()
    editor.start(offering())
    editor.client.open(uri, OFF_FILE, "toml")
    editor.shows(0)
    editor.save(editor.config, OFF_FILE + "severity = \n")
    editor.client.wait(lambda: editor.sent("window/showMessage") != [], "a message")
    editor.save(editor.path, SHELL)
    editor.client.change(editor.uri, 2, [{"text": SHELL + "\n"}])
    assert editor.client.diagnostics(editor.uri, 2) == []
    (told,) = editor.sent("window/showMessage")
    assert "secondlook.toml:2" in told["message"], told

    def said() -> list[Json]:
        every = editor.sent("textDocument/publishDiagnostics")
        return [it["diagnostics"] for it in every if it["uri"] == uri][-1]

    editor.client.wait(lambda: len(said()) == 1, "a diagnostic in the file")
    assert said()[0]["range"]["start"]["line"] == 1
    editor.save(editor.config, 'severity = "error"\n')
    editor.shows(1)
    editor.client.wait(lambda: said() == [], "its end")


def test_a_mistake_in_one_option_leaves_the_others(editor: Editor) -> None:
    editor.config.write_text('select = ["all"]\n')
    editor.start(offering())
    editor.shows(1)
    editor.save(editor.config, 'ingore = ["c/*"]\nignore = ["py/*"]\n')
    editor.shows(0)
    editor.client.wait(lambda: editor.sent("window/showMessage") != [], "a message")
    (told,) = editor.sent("window/showMessage")
    assert "ignore" in told["message"]


def test_a_pulling_client_gets_the_mistakes_of_an_open_file(editor: Editor) -> None:
    editor.config.write_text("severity = 7\n")
    editor.start(PROFILES["utf-8 pull"])
    uri = editor.config.as_uri()
    editor.client.open(uri, "severity = 7\n", "toml")
    editor.client.pull(editor.uri)
    editor.client.wait(lambda: editor.sent("window/showMessage") != [], "a message")
    (found,) = editor.client.pull(uri)
    assert found["range"]["start"]["line"] == 0
    assert editor.sent("textDocument/publishDiagnostics") == []


def test_origin_is_told_and_guessed_as_the_settings_say(editor: Editor) -> None:
    block = '\n\ndef again(host):\n    os.system("ping -c 2 " + host)\n    return host\n'
    end = {"line": 5, "character": 0}

    def messages(version: int) -> str:
        found = editor.client.diagnostics(editor.uri, version)
        assert len(found) == 2
        return " ".join(it["message"] for it in found)

    editor.start(offering())
    insertion = [{"range": {"start": end, "end": end}, "text": block}]
    editor.client.change(editor.uri, 2, insertion)
    assert "AI-inserted" in messages(2)
    off = {"show-origin": False, "detect-origin": False}
    editor.client.notify("workspace/didChangeConfiguration", {"settings": off})
    editor.client.wait(
        lambda: "AI-inserted" not in str(editor.client.published[editor.uri]), "no origin"
    )
    editor.client.change(editor.uri, 3, [{"text": SHELL}])
    # Another text: the first one would bring its mark back.
    other = [insertion[0] | {"text": block.replace("again", "anew")}]
    editor.client.change(editor.uri, 4, other)
    editor.client.diagnostics(editor.uri, 4)
    assert editor.client.request("secondlook/origins", {"uri": editor.uri}) == []


def test_comments_for_other_checkers_are_honoured_as_the_settings_say(editor: Editor) -> None:
    editor.start(offering())
    silent = samples.PY_SHELL.format(head="", note="  # nosec")
    editor.client.change(editor.uri, 2, [{"text": silent}])
    assert editor.client.diagnostics(editor.uri, 2) == []
    editor.client.notify("workspace/didChangeConfiguration", {"settings": {"honour-nosec": False}})
    editor.shows(1)
