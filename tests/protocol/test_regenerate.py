"""An AI-inserted block written anew by a local model: offered, watched, refused, applied."""

from __future__ import annotations

import copy
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
    '    command = "ls -l " + folder\n'
    "    return subprocess.run(command, shell=True)\n\n\n"
    "def main():\n"
    '    print(list_folder("."))\n'
)
BLOCK = {"start": {"line": 4, "character": 0}, "end": {"line": 6, "character": 0}}
SAFE = '    command = ["ls", "-l", "--", folder]\n    return subprocess.run(command)\n'
LONGER = (
    '    command = ["ls", "-l", "--", folder]  # no shell\n    return subprocess.run(command)\n'
)
WEAK = '    command = "ls -la " + folder\n    return subprocess.run(command, shell=True)\n'
HOLLOW = "    return None\n"
# Without marks for gaps a model goes on until it is stopped.
ENDLESS = "..." + SAFE + "\n\ndef other():\n    return 1\n\n\ndef yet_anoth"


@pytest.fixture
def client(secondlook: Secondlook) -> Iterator[Client]:
    """A server that logs everything it can."""
    environment = secondlook.environment | {"SECONDLOOK_LOG": "trace"}
    with Client([secondlook.path, "lsp"], environment, secondlook.home) as client:
        yield client
    for secret in ("list_folder", "a-token-of", "ls -l"):
        assert secret not in client.stderr, client.stderr


def begin(
    client: Client, settings: Json, code: str = CODE, block: Json = BLOCK, language: str = "python"
) -> list[Json]:
    """Opens the document, marks the block, gives the actions in it that rewrite."""
    stated = copy.deepcopy(capabilities(document_changes=True, show_document=True))
    stated["workspace"]["applyEdit"] = True
    stated["workspace"]["workspaceEdit"]["changeAnnotationSupport"] = {}
    stated["window"]["workDoneProgress"] = True
    stated["textDocument"]["codeAction"]["tagSupport"] = {"valueSet": [1]}
    client.settings = settings
    client.initialize(stated, initializationOptions=settings)
    client.open(URI, code, language)
    client.notify(
        "secondlook/markInserted", {"uri": URI, "version": 1, "range": block, "source": "test"}
    )
    client.diagnostics(URI, 1)
    at = {"line": block["start"]["line"], "character": max(6, block["start"]["character"] + 1)}
    params = {
        "textDocument": {"uri": URI},
        "range": {"start": at, "end": at},
        "context": {"diagnostics": [], "only": ["refactor.rewrite"]},
    }
    return client.request("textDocument/codeAction", params) or []


def regenerate(client: Client, actions: list[Json]) -> None:
    """Carries the action out."""
    (action,) = [it for it in actions if it["title"] == "Regenerate securely (local)"]
    assert action["kind"] == "refactor.rewrite.secondlook" and action["tags"] == [1]
    command = action["command"]
    assert command["command"] == "secondlook.regenerate"
    params = {"command": command["command"], "arguments": command["arguments"]}
    assert client.request("workspace/executeCommand", params) is None


def applied(client: Client) -> list[Json]:
    """What was to be applied."""
    return [it["params"] for it in client.requests if it["method"] == "workspace/applyEdit"]


def progress(client: Client) -> list[Json]:
    """What was said of progress."""
    return [it["params"]["value"] for it in client.notifications if it["method"] == "$/progress"]


def said(client: Client) -> list[str]:
    """Every message that was shown."""
    sent = client.notifications
    return [it["params"]["message"] for it in sent if it["method"] == "window/showMessage"]


def result(client: Client, code: str = CODE) -> str:
    """The document with the one edit that came."""
    client.wait(lambda: bool(applied(client)), "the edit")
    (edit,) = applied(client)
    (change,) = edit["edit"]["documentChanges"]
    assert change["textDocument"]["version"] == 1
    return apply_edits(code, change["edits"], "utf-16")


def replaced(filling: str) -> str:
    """The document with this in the block's place."""
    lines = CODE.splitlines(keepends=True)
    return "".join(lines[:4]) + filling + "".join(lines[6:])


def test_the_smallest_filling_that_is_clean_is_applied(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer", fillings=(WEAK, HOLLOW, LONGER, SAFE))
    regenerate(client, begin(client, local.settings()))
    assert result(client) == replaced(SAFE)
    (edit,) = applied(client)
    (note,) = edit["edit"]["changeAnnotations"].values()
    assert note["needsConfirmation"] is True and "base on this machine" in note["description"]
    (question,) = local.notes("question")
    assert question["path"] == "/v1/completions" and question["n"] == 4
    assert question["prompt"] + question["suffix"] == CODE.replace(
        "".join(CODE.splitlines(keepends=True)[4:6]).rstrip(), ""
    )
    kinds = [it["kind"] for it in progress(client)]
    assert kinds[0] == "begin" and kinds[-1] == "end" and "report" in kinds
    assert progress(client)[0]["cancellable"] is True
    assert progress(client)[0]["title"] == "Regenerating"
    assert client.shutdown() == 0
    assert local.gone()


def test_more_samples_are_asked_for_where_the_settings_say_so(
    client: Client, tmp_path: Path
) -> None:
    local = Local(tmp_path / "local", "answer", fillings=(WEAK, WEAK, WEAK, WEAK, WEAK, SAFE))
    regenerate(client, begin(client, local.settings(model_samples=6)))
    assert result(client) == replaced(SAFE)
    assert local.notes("question")[0]["n"] == 6


def test_what_goes_beyond_the_block_is_left_away(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer", fillings=(ENDLESS,))
    regenerate(client, begin(client, local.settings()))
    assert result(client) == replaced(SAFE)


def test_an_import_that_a_filling_needs_comes_along(client: Client, tmp_path: Path) -> None:
    code = (
        "import random\n\n\ndef token(size):\n    return random.randbytes(size).hex()\n\n\n"
        "def main():\n    print(token(8))\n"
    )
    block = {"start": {"line": 4, "character": 0}, "end": {"line": 5, "character": 0}}
    local = Local(
        tmp_path / "local", "answer", fillings=("    return secrets.token_bytes(size).hex()\n",)
    )
    regenerate(client, begin(client, local.settings(), code, block))
    after = result(client, code)
    assert "import secrets\n" in after
    assert "    return secrets.token_bytes(size).hex()\n\n\ndef main" in after


def test_a_block_within_a_line_is_filled_there(client: Client, tmp_path: Path) -> None:
    code = 'import yaml\n\ntowns = yaml.load(open("towns.yaml"))\nprint(towns)\n'
    block = {"start": {"line": 2, "character": 8}, "end": {"line": 2, "character": 37}}
    safe = ' yaml.safe_load(open("towns.yaml"))\nprint(towns)'
    local = Local(tmp_path / "local", "answer", fillings=("..." + safe,))
    regenerate(client, begin(client, local.settings(), code, block))
    assert result(client, code) == code.replace("yaml.load", "yaml.safe_load")
    assert local.notes("question")[0]["prompt"].endswith("\ntowns =")


def test_what_a_filling_adds_behind_the_block_is_left_away(client: Client, tmp_path: Path) -> None:
    code = "import yaml\n\ntowns = yaml.load(open('towns.yaml'))\n"
    block = {"start": {"line": 2, "character": 0}, "end": {"line": 3, "character": 0}}
    safe = "towns = yaml.safe_load(open('towns.yaml'))\n"
    more = safe + "shops = yaml.safe_load(open('shops.yaml'))\n"
    local = Local(tmp_path / "local", "answer", fillings=(more,))
    regenerate(client, begin(client, local.settings(), code, block))
    assert result(client, code) == code.replace("yaml.load", "yaml.safe_load")


def test_the_same_code_and_more_is_no_edit(client: Client, tmp_path: Path) -> None:
    code = "import yaml\n\ntowns = yaml.safe_load(open('towns.yaml'))\n"
    block = {"start": {"line": 2, "character": 0}, "end": {"line": 3, "character": 0}}
    more = code.splitlines()[2] + "\nshops = yaml.safe_load(open('shops.yaml'))\n"
    local = Local(tmp_path / "local", "answer", fillings=(more,))
    regenerate(client, begin(client, local.settings(), code, block))
    client.wait(lambda: bool(said(client)), "a word about it")
    assert said(client) == ["the model would leave the code as it is"] and applied(client) == []


def test_a_block_of_c_is_written_anew(client: Client, tmp_path: Path) -> None:
    code = (
        "#include <stdio.h>\n\nvoid read_name(void)\n{\n    char name[64];\n    gets(name);\n"
        "    puts(name);\n}\n"
    )
    block = {"start": {"line": 5, "character": 0}, "end": {"line": 6, "character": 0}}
    weak, safe = "    gets(name);\n", "    fgets(name, sizeof name, stdin);\n    puts(name);\n}\n"
    local = Local(tmp_path / "local", "answer", fillings=(weak, safe))
    actions = begin(client, local.settings(), code, block, "c")
    regenerate(client, actions)
    assert result(client, code) == code.replace("gets(name)", "fgets(name, sizeof name, stdin)")


def test_carriage_returns_stay(client: Client, tmp_path: Path) -> None:
    code = CODE.replace("\n", "\r\n")
    local = Local(tmp_path / "local", "answer", fillings=(SAFE,))
    regenerate(client, begin(client, local.settings(), code))
    assert result(client, code) == replaced(SAFE).replace("\n", "\r\n")


def test_what_is_weak_or_hollow_is_refused_and_said(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer", fillings=(WEAK, HOLLOW, "", "def ("))
    regenerate(client, begin(client, local.settings()))
    client.wait(lambda: bool(said(client)), "the reason")
    assert said(client)[0].startswith("all 4 revisions of the model were refused")
    assert applied(client) == []


def test_the_same_code_again_is_no_edit(client: Client, tmp_path: Path) -> None:
    code = CODE.replace('"ls -l " + folder', '["ls", "-l", "--", folder]')
    code = code.replace(", shell=True", "")
    local = Local(tmp_path / "local", "answer", fillings=(SAFE,))
    regenerate(client, begin(client, local.settings(), code))
    client.wait(lambda: bool(said(client)), "a word about it")
    assert said(client) == ["the model would leave the code as it is"]
    assert applied(client) == []


def test_cancelling_ends_it_and_keeps_the_program(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang")
    regenerate(client, begin(client, local.settings()))
    client.wait(
        lambda: any("answering" in it.get("message", "") for it in progress(client)), "an answer"
    )
    (token,) = {
        str(it["params"]["token"]) for it in client.notifications if it["method"] == "$/progress"
    }
    client.notify("window/workDoneProgress/cancel", {"token": token})
    local.noted("left")
    client.wait(lambda: any(it["kind"] == "end" for it in progress(client)), "the end")
    assert progress(client)[-1]["message"] == "cancelled"
    assert len(local.alive()) == 1 and applied(client) == []


def test_a_text_that_moved_on_gets_no_edit(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang")
    regenerate(client, begin(client, local.settings()))
    local.noted("question")
    change = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}}
    client.notify(
        "textDocument/didChange",
        {
            "textDocument": {"uri": URI, "version": 2},
            "contentChanges": [{**change, "text": "import os\n"}],
        },
    )
    local.noted("left")
    client.wait(lambda: bool(said(client)), "a word about it")
    assert "the text changed" in said(client)[0] and applied(client) == []


def test_one_that_died_of_it_is_started_once_more(client: Client, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "die", "answer", fillings=(SAFE,))
    regenerate(client, begin(client, local.settings()))
    assert result(client) == replaced(SAFE)
    assert len(local.notes("start")) == 2


@pytest.mark.parametrize("provider", [None, "openai-chat"])
def test_only_a_local_model_is_offered(client: Client, provider: str | None) -> None:
    settings = {"model-url": "http://127.0.0.1:9/v1", "model-name": "far-away"}
    settings |= {"model-provider": provider} if provider else {}
    titles = [it["title"] for it in begin(client, settings)]
    assert any(it.startswith("Revise this") for it in titles) is (provider is not None)
    assert not any(it.startswith("Regenerate") for it in titles)
