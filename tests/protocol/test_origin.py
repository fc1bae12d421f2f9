"""Who wrote a range: told by a tool or seen in the stream, carried through edits, shown."""

from __future__ import annotations

from typing import Any

import pytest

from support import samples
from support.profiles import PROFILES
from support.rpc import Client, Json, Start
from support.text import apply, position_of, range_of

URI = "file:///nowhere/app.py"
SHELL = samples.PY_SHELL.format(head="", note="")
CALL = 'os.system("ping -c 1 " + host)'


class Editor:
    """One document in an editor that counts as its server does."""

    def __init__(self, client: Client, text: str) -> None:
        self.client = client
        self.encoding = client.capabilities["positionEncoding"]
        self.text = text
        self.version = 1
        client.open(URI, text)

    def edit(self, old: str, new: str, *, at: int | None = None) -> None:
        """Replaces the first occurrence of a text, or what stands at an index."""
        start = self.text.index(old) if at is None else at
        change = {
            "range": range_of(self.text, start, start + len(old), self.encoding),
            "text": new,
        }
        self.version += 1
        self.client.change(URI, self.version, [change])
        self.text = apply(self.text, change, self.encoding)

    def diagnostics(self) -> list[Json]:
        """What is said of the current version."""
        return self.client.diagnostics(URI, self.version)

    def mark(self, part: str, how: str, source: str = "trial") -> None:
        """Marks a part of the text as inserted by a tool."""
        start = self.text.index(part)
        params = {
            "uri": URI,
            "version": self.version,
            "range": range_of(self.text, start, start + len(part), self.encoding),
            "source": source,
        }
        if how == "notification":
            self.client.notify("secondlook/markInserted", params)
        else:
            command = {"command": "secondlook.markInserted", "arguments": [params]}
            self.client.request("workspace/executeCommand", command)


def origin(diagnostic: Json) -> dict[str, Any] | None:
    """The origin that a diagnostic carries, held against what its message says."""
    found = diagnostic["data"].get("origin")
    message = diagnostic["message"]
    if found is None:
        assert "AI-inserted" not in message
    else:
        likely = found["confidence"] == "likely"
        assert "AI-inserted" in message
        assert ("likely" in message) == likely
    return found


@pytest.mark.parametrize("how", ["notification", "command"])
@pytest.mark.parametrize("profile", ["utf-8 pull", "utf-16 pull resolve"])
def test_a_told_range_is_certain(start: Start, how: str, profile: str) -> None:
    editor = Editor(start(PROFILES[profile]), SHELL)
    (before,) = editor.diagnostics()
    assert origin(before) is None
    editor.mark(CALL, how)
    (after,) = editor.diagnostics()
    assert origin(after) == {"source": "trial", "confidence": "certain"}
    assert after["severity"] == before["severity"]
    assert after["range"] == before["range"]


@pytest.mark.parametrize("how", ["notification", "command"])
def test_a_pushing_server_pushes_the_mark(start: Start, how: str) -> None:
    client = start(PROFILES["utf-16 push"])
    editor = Editor(client, SHELL)
    assert origin(editor.diagnostics()[0]) is None
    editor.mark(CALL, how)
    client.wait(
        lambda: any("AI-inserted" in it["message"] for it in client.published[URI]["diagnostics"]),
        "the diagnostics with their origin",
    )


def test_a_pulling_client_is_asked_to_pull_again(start: Start) -> None:
    client = start(PROFILES["utf-8 pull"])
    editor = Editor(client, SHELL)
    editor.diagnostics()
    editor.mark(CALL, "notification")
    client.wait(
        lambda: any(it["method"] == "workspace/diagnostic/refresh" for it in client.requests),
        "the wish for a new pull",
    )


def test_a_mark_moves_with_edits(start: Start) -> None:
    editor = Editor(start(PROFILES["utf-16 pull resolve"]), SHELL)
    editor.mark(CALL, "notification")
    editor.edit("", "# 🙂\r\n# more\n", at=0)
    editor.edit("def ping(host):\n", "def ping(host):\n    host = host.strip()\n")
    (moved,) = editor.diagnostics()
    assert moved["range"]["start"]["line"] == 7
    assert origin(moved) == {"source": "trial", "confidence": "certain"}


def test_a_mark_goes_with_its_text_and_comes_back_with_undo(start: Start) -> None:
    editor = Editor(start(PROFILES["utf-8 pull"]), SHELL)
    line = f"    {CALL}\n"
    editor.mark(line, "notification")
    at = editor.text.index(line)
    editor.edit(line, "    pass\n")
    assert editor.diagnostics() == []
    editor.edit("    pass\n", line, at=at)
    (back,) = editor.diagnostics()
    assert origin(back) == {"source": "trial", "confidence": "certain"}


def test_code_beside_the_mark_stays_unmarked(start: Start) -> None:
    text = SHELL + '\n\ndef trace(host):\n    os.system("traceroute " + host)\n'
    editor = Editor(start(PROFILES["utf-8 pull"]), text)
    editor.mark(CALL, "notification")
    first, second = editor.diagnostics()
    assert origin(first) is not None
    assert origin(second) is None


def test_several_lines_at_once_are_likely_inserted(start: Start) -> None:
    editor = Editor(start(PROFILES["utf-8 pull"]), "import os\n\n\n")
    editor.edit("", SHELL.split("\n\n\n")[1] + "    print('done with', host)\n", at=11)
    (found,) = editor.diagnostics()
    inserted = origin(found)
    assert inserted is not None
    assert inserted["confidence"] == "likely"


def test_typing_is_not_an_insertion(start: Start) -> None:
    editor = Editor(start(PROFILES["utf-8 pull"]), "import os\n")
    for char in SHELL.removeprefix("import os\n"):
        editor.edit("", char, at=len(editor.text))
    assert editor.text == SHELL
    (found,) = editor.diagnostics()
    assert origin(found) is None


def test_opening_a_file_marks_nothing(start: Start) -> None:
    editor = Editor(start(PROFILES["utf-8 pull"]), SHELL)
    assert [origin(it) for it in editor.diagnostics()] == [None]


def test_a_mark_on_an_earlier_version_is_carried_forward(start: Start) -> None:
    client = start(PROFILES["utf-8 pull"])
    editor = Editor(client, SHELL)
    start_of_call = SHELL.index(CALL)
    where = range_of(SHELL, start_of_call, start_of_call + len(CALL), editor.encoding)
    editor.edit("", "# one\n# two\n", at=0)
    params = {"uri": URI, "version": 1, "range": where, "source": "late"}
    client.notify("secondlook/markInserted", params)
    (found,) = editor.diagnostics()
    assert origin(found) == {"source": "late", "confidence": "certain"}


@pytest.mark.parametrize(
    "change",
    [{"version": 99}, {"uri": "file:///nowhere/else.py"}, {"range": 7}, {"source": ["x"]}],
    ids=["future", "not open", "no range", "no name"],
)
def test_a_mark_that_cannot_be_is_harmless(start: Start, change: dict[str, Any]) -> None:
    client = start(PROFILES["utf-8 pull"])
    editor = Editor(client, SHELL)
    where = range_of(SHELL, 0, len(SHELL), editor.encoding)
    params = {"uri": URI, "version": 1, "range": where, "source": "trial"} | change
    client.notify("secondlook/markInserted", params)
    (found,) = editor.diagnostics()
    assert origin(found) is None


def test_hover_says_who_wrote_it(start: Start) -> None:
    client = start(PROFILES["utf-8 pull"])
    editor = Editor(client, SHELL)
    editor.mark(CALL, "notification", source="pair programmer")
    editor.diagnostics()
    place = position_of(SHELL, SHELL.index(CALL) + 3, editor.encoding)
    params = {"textDocument": {"uri": URI}, "position": place}
    hover = client.request("textDocument/hover", params)
    assert "pair programmer" in hover["contents"]["value"]


def test_a_client_that_knows_better_takes_a_likeness_back(start: Start) -> None:
    editor = Editor(start(PROFILES["utf-8 pull"]), "import re\n")
    editor.edit("import re\n", SHELL)
    (looks,) = editor.diagnostics()
    assert (origin(looks) or {})["confidence"] == "likely"
    params = {
        "uri": URI,
        "version": editor.version,
        "range": range_of(editor.text, 0, len(editor.text), editor.encoding),
    }
    editor.client.notify("secondlook/notInserted", params)
    (pasted,) = editor.diagnostics()
    assert origin(pasted) is None
    editor.mark(CALL, "notification")
    editor.client.notify("secondlook/notInserted", params)
    (told,) = editor.diagnostics()
    assert origin(told) == {"source": "trial", "confidence": "certain"}


@pytest.mark.parametrize("params", [None, {}, []])
def test_a_status_line_learns_what_runs(start: Start, params: Any) -> None:
    client = start(PROFILES["utf-8 pull"])
    status = client.request("secondlook/status", params)
    assert status["version"].count(".") == 2
    assert status["entries"] > 100
    assert status["discussions"] == 0
    assert status["scanning"] is False
    assert "model" not in status
