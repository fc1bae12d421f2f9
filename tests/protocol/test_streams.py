"""The streams of real editors: they are whole, and the server's text goes along with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.rpc import Start
from support.streams import CHANGE, FIXTURES, LABELS, MANY_LINES, ONE_LINE, OPEN, Stream, load

FILES = sorted(FIXTURES.glob("*.jsonl"))
URI = "file:///project/recorded.py"


@pytest.fixture(params=FILES, ids=lambda it: it.stem)
def stream(request: pytest.FixtureRequest) -> Stream:
    """Each of the recorded streams."""
    file: Path = request.param
    return load(file)


def test_every_editor_and_every_encoding_is_there() -> None:
    streams = [load(file) for file in FILES]
    assert {it.editor.rsplit(" ", 1)[0] for it in streams} == {"VS Code", "Neovim", "Helix"}
    assert {it.encoding for it in streams} == {"utf-8", "utf-16", "utf-32"}


def test_a_stream_is_whole(stream: Stream) -> None:
    stream.check()


def test_what_was_accepted_is_what_was_told(stream: Stream) -> None:
    for label, text in (("one-line", ONE_LINE), ("many-lines", MANY_LINES)):
        told = [it for it in stream.lines if it["label"] == f"completion-{label}"]
        changes = [it["text"] for each in told for it in each["params"]["contentChanges"]]
        assert text.rstrip() in "".join(changes)


def test_a_change_that_is_lost_is_noticed(stream: Stream) -> None:
    at = next(n for n, it in enumerate(stream.lines) if it["label"] == "completion-one-line")
    less = Stream(stream.editor, stream.encoding, stream.lines[:at], stream.saved)
    with pytest.raises(AssertionError):
        less.check()
    for label in LABELS:
        lines = [it for it in stream.lines if it["label"] != label]
        with pytest.raises(AssertionError):
            Stream(stream.editor, stream.encoding, lines, stream.saved).check()


def test_the_server_finds_what_it_finds_in_the_saved_text(stream: Stream, start: Start) -> None:
    capabilities = {"general": {"positionEncodings": [stream.encoding]}}
    told = start(capabilities | {"textDocument": {"diagnostic": {}}})
    assert told.capabilities["positionEncoding"] == stream.encoding
    for each in stream.lines:
        params = each["params"]
        params["textDocument"]["uri"] = URI
        told.notify(each["method"], params)
        if each["method"] in (OPEN, CHANGE):
            version = params["textDocument"]["version"]
    found = told.diagnostics(URI, version)
    fresh = start(capabilities | {"textDocument": {"diagnostic": {}}})
    fresh.open(URI, stream.saved)
    expected = fresh.diagnostics(URI, 1)
    places = [[(it["code"], it["range"]) for it in each] for each in (found, expected)]
    assert places[0] == places[1]
    assert "py/subprocess-shell-built" in [it["code"] for it in found]
