"""Actions: which kinds a client gets, in which form, and what applying them leaves."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from support import samples
from support.profiles import PROFILES, capabilities
from support.rpc import Client, Json, Start
from support.text import apply

URI = "file:///nowhere/report.c"
FIX_ALL = "source.fixAll.secondlook"
TWO = samples.C_FORMAT.format(note="") + samples.C_FORMAT.format(note="").replace("report", "again")
MENDED = TWO.replace("printf(message)", 'printf("%s", message)')
EVERYWHERE = {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}


def ask(client: Client, only: list[str] | None = None, **context: Any) -> list[Json]:
    """The actions for the whole document, as somebody asks who presses a key."""
    context = {"diagnostics": [], "triggerKind": 1} | context
    if only is not None:
        context["only"] = only
    params = {"textDocument": {"uri": URI}, "range": EVERYWHERE, "context": context}
    return client.request("textDocument/codeAction", params)


def edited(text: str, edit: Json) -> str:
    """A text after a workspace edit, in UTF-16."""
    changes = edit.get("changes") or {
        it["textDocument"]["uri"]: it["edits"] for it in edit["documentChanges"]
    }
    (edits,) = changes.values()
    for change in sorted(edits, key=lambda it: str(it["range"]["start"]["line"]).zfill(9))[::-1]:
        text = apply(text, {"range": change["range"], "text": change["newText"]}, "utf-16")
    return text


@pytest.mark.parametrize(
    ("only", "kinds"),
    [
        (["quickfix"], {"quickfix"}),
        ([FIX_ALL], {FIX_ALL}),
        (["source.fixAll"], {FIX_ALL}),
        (["source"], {FIX_ALL}),
        (["source.fixAll.secondlook.more"], set()),
        (["source.fixAllOfIt", "quick", "refactor", "source.organizeImports"], set()),
        (["refactor", "source.fixAll"], {FIX_ALL}),
        ([""], {"quickfix", FIX_ALL}),
        ([], set()),
    ],
    ids=str,
)
@pytest.mark.parametrize("resolve", [False, True], ids=["inline", "resolve"])
def test_only_what_is_asked_for_is_offered(
    start: Start, only: list[str], kinds: set[str], resolve: bool
) -> None:
    client = start(capabilities(resolve=resolve))
    offered = client.capabilities["codeActionProvider"]["codeActionKinds"]
    assert set(offered) == {"quickfix", "refactor.rewrite.secondlook", FIX_ALL}
    client.open(URI, TWO, "c")
    assert {it["kind"] for it in ask(client, only)} == kinds


@pytest.mark.parametrize("profile", ["utf-16 push", "utf-16 pull resolve"])
def test_all_safe_fixes_are_applied_at_once(start: Start, profile: str) -> None:
    client = start(PROFILES[profile])
    client.open(URI, TWO, "c")
    (action,) = ask(client, [FIX_ALL], triggerKind=2)
    if "edit" not in action:
        action = client.request("codeAction/resolve", action)
    assert edited(TWO, action["edit"]) == MENDED
    client.change(URI, 2, [{"text": MENDED}])
    assert client.diagnostics(URI, 2) == []
    assert ask(client, [FIX_ALL]) == []


def test_fixes_of_findings_that_are_not_shown_are_left_alone(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    silent = TWO.replace("printf(message);", "printf(message); // secondlook: ignore", 1)
    client.open(URI, silent, "c")
    (action,) = ask(client, [FIX_ALL])
    first, _, second = edited(silent, action["edit"]).partition("again")
    assert 'printf("%s"' not in first
    assert 'printf("%s"' in second
    settings = {"ignore": ["CWE-134"]}
    client.notify("workspace/didChangeConfiguration", {"settings": settings})
    # What the comment was for is not reported any more, but it does silence a finding.
    client.wait(lambda: client.published[URI]["diagnostics"] == [], "silence")
    assert ask(client, [FIX_ALL]) == []


def test_settings_leave_out_fixes_and_discussions(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    settings = {"show-fixes": False, "show-discussions": False}
    client.notify("workspace/didChangeConfiguration", {"settings": settings})
    client.open(URI, TWO, "c")
    client.diagnostics(URI, 1)

    def left() -> bool:
        return all(it["title"].startswith("Suppress") for it in ask(client))

    assert left()


def test_what_cannot_be_done_is_said_where_it_is_shown(start: Start) -> None:
    text = 'import os\ndef f(n):\n    return 1 + \\\n    os.system("a" + n) + \\\n    2\n'
    stated = copy.deepcopy(capabilities())
    uri = "file:///nowhere/app.py"
    for able in (True, False):
        stated["textDocument"]["codeAction"]["disabledSupport"] = able
        client = start(stated)
        client.open(uri, text)
        (found,) = client.diagnostics(uri, 1)
        about = {"textDocument": {"uri": uri}, "range": found["range"]}
        context = {"diagnostics": [found]}
        actions = client.request("textDocument/codeAction", about | {"context": context})
        disabled = [it for it in actions if "disabled" in it]
        assert [it["title"][:8] for it in disabled] == (["Suppress"] if able else [])
        assert all(it["disabled"]["reason"] and "edit" not in it for it in disabled)
        context["triggerKind"] = 2
        actions = client.request("textDocument/codeAction", about | {"context": context})
        assert not any("disabled" in it for it in actions)


def test_a_comment_that_silences_nothing_can_be_taken_out(start: Start) -> None:
    text = samples.C_CLEAN.replace("message);", "message);  // secondlook: ignore[c/gets-used]")
    stated = copy.deepcopy(capabilities())
    stated["textDocument"]["publishDiagnostics"]["tagSupport"] = {"valueSet": [1]}
    client = start(stated)
    client.open(URI, text, "c")
    (found,) = client.diagnostics(URI, 1)
    assert (found["code"], found["severity"], found["tags"]) == ("unused-suppression", 4, [1])
    (action,) = ask(client, ["quickfix"])
    assert edited(text, action["edit"]) == samples.C_CLEAN
    settings = {"report-unused-suppressions": False}
    client.notify("workspace/didChangeConfiguration", {"settings": settings})
    client.wait(lambda: client.published[URI]["diagnostics"] == [], "silence")


def test_a_client_that_states_nothing_gets_the_oldest_protocol(start: Start) -> None:
    client = start({})
    assert client.capabilities.get("positionEncoding", "utf-16") == "utf-16"
    client.open(URI, TWO, "c")
    client.wait(lambda: URI in client.published, "diagnostics")
    found = client.published[URI]["diagnostics"]
    assert len(found) == 2
    assert not any("codeDescription" in it or "relatedInformation" in it for it in found)
    position = {"textDocument": {"uri": URI}, "position": found[0]["range"]["start"]}
    assert client.request("textDocument/hover", position)["contents"]["kind"] == "plaintext"
    offered = ask(client)
    assert offered
    assert all(isinstance(it["command"], str) for it in offered), offered
    assert client.requests == []


def test_a_client_of_commands_gets_its_edits_by_request(start: Start) -> None:
    client = start({"workspace": {"applyEdit": True}})
    client.open(URI, TWO, "c")
    fix = next(it for it in ask(client) if it["title"].startswith("Print"))
    client.request(
        "workspace/executeCommand", {"command": fix["command"], "arguments": fix["arguments"]}
    )
    client.wait(lambda: client.requests != [], "an edit")
    (request,) = client.requests
    assert request["method"] == "workspace/applyEdit"
    text = edited(TWO, request["params"]["edit"])
    assert text == TWO.replace("printf(message)", 'printf("%s", message)', 1)
