"""A stranger's entry, live: a running server reports it on a document that is open already."""

from __future__ import annotations

import pytest

from support import samples
from support.binary import Secondlook
from support.profiles import PROFILES
from support.rpc import Client, Json, Start

URI = "file:///nowhere/post.py"
NAME = "parcel-opened-unchecked"
# From the moment the file is written until the editor has the diagnostic, in seconds.
LIVE_WITHIN = 5.0


def shown(client: Client) -> list[Json]:
    """What a pushing server said last."""
    return client.published.get(URI, {}).get("diagnostics", [])


@pytest.mark.parametrize("folder_exists", [True, False], ids=["known folder", "new folder"])
def test_a_new_entry_reaches_an_open_document(
    start: Start, secondlook: Secondlook, folder_exists: bool
) -> None:
    if folder_exists:
        secondlook.entries.mkdir(parents=True)
    client = start(PROFILES["utf-16 push"])
    client.open(URI, samples.STRANGERS_CODE)
    assert client.diagnostics(URI, 1) == []

    secondlook.entries.mkdir(parents=True, exist_ok=True)
    entry = secondlook.entries / f"{NAME}.md"
    entry.write_text(samples.STRANGERS_ENTRY)
    client.wait(lambda: len(shown(client)) == 1, "the new entry's finding", LIVE_WITHIN)
    assert shown(client)[0]["code"] == f"py/{NAME}"

    entry.write_text(samples.STRANGERS_ENTRY.replace("runs whatever", "starts whatever"))
    client.wait(
        lambda: any("starts whatever" in it["message"] for it in shown(client)),
        "the changed message",
        LIVE_WITHIN,
    )

    entry.unlink()
    client.wait(lambda: shown(client) == [], "the entry's end", LIVE_WITHIN)


def test_a_pulling_client_is_told_to_pull(start: Start, secondlook: Secondlook) -> None:
    secondlook.entries.mkdir(parents=True)
    client = start(PROFILES["utf-8 pull"])
    client.open(URI, samples.STRANGERS_CODE)
    assert client.pull(URI) == []
    (secondlook.entries / f"{NAME}.md").write_text(samples.STRANGERS_ENTRY)
    client.wait(
        lambda: any(it["method"] == "workspace/diagnostic/refresh" for it in client.requests),
        "the wish for a new pull",
        LIVE_WITHIN,
    )
    assert [it["code"] for it in client.pull(URI)] == [f"py/{NAME}"]


def test_a_broken_entry_costs_nothing_else(start: Start, secondlook: Secondlook) -> None:
    secondlook.entries.mkdir(parents=True)
    client = start(PROFILES["utf-16 push"])
    client.open(URI, samples.STRANGERS_CODE)
    client.open("file:///nowhere/app.py", samples.PY_SHELL.format(head="", note=""))
    assert len(client.diagnostics("file:///nowhere/app.py", 1)) == 1
    (secondlook.entries / "aaa-broken.md").write_text("+++\nid = 7\n+++\n")
    (secondlook.entries / f"{NAME}.md").write_text(samples.STRANGERS_ENTRY)
    client.wait(lambda: len(shown(client)) == 1, "the sound entry's finding", LIVE_WITHIN)
    client.change(
        "file:///nowhere/app.py", 2, [{"text": samples.PY_SHELL.format(head="", note="")}]
    )
    assert len(client.diagnostics("file:///nowhere/app.py", 2)) == 1
