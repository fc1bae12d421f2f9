"""The action that opens a discussion, for clients that show documents and for those that do not.

It uses our own client, because lsprotocol takes every action that has a command for a bare command.
"""

from __future__ import annotations

import pytest

from support import samples
from support.profiles import PROFILES
from support.rpc import Client, Json, ResponseError, Start

URI = "file:///nowhere/report.c"
TEXT = samples.C_FORMAT.format(note="")


def openings(client: Client) -> list[Json]:
    """The commands of the actions that open something."""
    client.open(URI, TEXT, "c")
    (diagnostic,) = client.diagnostics(URI, 1)
    params = {
        "textDocument": {"uri": URI},
        "range": diagnostic["range"],
        "context": {"diagnostics": [diagnostic]},
    }
    actions = client.request("textDocument/codeAction", params)
    commands = [it["command"] for it in actions if "command" in it]
    assert any(diagnostic["codeDescription"]["href"] in it["arguments"] for it in commands)
    return commands


def messages(client: Client, method: str) -> list[Json]:
    """The parameters of what the server sent under a name."""
    sent = client.requests + client.notifications
    return [it["params"] for it in sent if it["method"] == method]


@pytest.mark.parametrize(
    ("profile", "method", "key"),
    [
        ("utf-16 pull resolve", "window/showDocument", "uri"),
        ("utf-16 push", "window/showMessage", "message"),
    ],
)
def test_a_discussion_is_shown(start: Start, profile: str, method: str, key: str) -> None:
    client = start(PROFILES[profile])
    command = openings(client)[0]
    assert client.capabilities["executeCommandProvider"]["commands"].count(command["command"]) == 1
    client.request("workspace/executeCommand", command)
    client.wait(lambda: messages(client, method) != [], "the discussion")
    assert command["arguments"][0] in messages(client, method)[0][key]


def test_only_addresses_are_opened(start: Start) -> None:
    client = start(PROFILES["utf-16 pull resolve"])
    command = openings(client)[0]
    for address in ("file:///etc/passwd", "http://127.0.0.1/", 7, None):
        with pytest.raises(ResponseError):
            client.request("workspace/executeCommand", command | {"arguments": [address]})
    assert messages(client, "window/showDocument") == []
