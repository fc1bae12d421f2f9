"""A long session: random edits, undo, and messages that are wrong in every way, over ten documents.

The server must not panic, must not grow, must not say anything of a text that is gone, and must end
with the diagnostics of a fresh open. A short session is a test like others; a long one is asked for
by an environment variable.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from protocol.test_ordering import IN_C, PYTHON, edit, overwrite_a_line
from support import samples
from support.profiles import capabilities
from support.rpc import Client, Json, ResponseError, Start
from support.text import apply, range_of

# Edits in all, over the three encodings.
EDITS = int(os.environ.get("SECONDLOOK_SOAK_EDITS", "1500"))
# How much may stay behind of a session in KiB: what allocators keep, and the caches that are full.
GROWTH = 24 * 1024
SHORTEST, LONGEST = 2_000, 6_000
BLOCKS = {
    "python": [PYTHON, samples.PY_PICKLE, samples.PY_SHELL.format(head="", note="")],
    "c": [IN_C, samples.C_GETS.format(note=""), samples.C_FORMAT.format(note="")],
}
WAYS = [("utf-8", False), ("utf-16", True), ("utf-32", False)]
SERVER_CANCELLED = -32802


@dataclass
class Document:
    """The model of one open document, with the way back."""

    uri: str
    language: str
    text: str
    version: int = 1
    undo: list[str] = field(default_factory=list)


def make_documents() -> list[Document]:
    """Ten documents of different line ends, languages and lengths."""
    texts = [
        PYTHON,
        PYTHON.replace("\r\n", "\n"),
        PYTHON.replace("\r\n", "\r"),
        samples.PY_PICKLE * 5,
        samples.PY2_SHELL,
        "",
        samples.PY_SHELL.format(head='"""', note=""),
        IN_C,
        samples.C_GETS.format(note="") * 8,
        "/* " + IN_C,
    ]
    return [
        Document(f"file:///soak/{n}.{'c' if n > 6 else 'py'}", "c" if n > 6 else "python", text)
        for n, text in enumerate(texts)
    ]


class Soak:
    """One session with one server."""

    def __init__(self, client: Client, seed: str) -> None:
        self.client = client
        self.chance = random.Random(seed)
        self.encoding: str = client.capabilities["positionEncoding"]
        self.documents = make_documents()
        self.questions: list[int] = []
        for document in self.documents:
            self.open(document)

    def open(self, document: Document) -> None:
        """Opens a document, or opens it again."""
        self.client.open(document.uri, document.text, document.language, document.version)

    def change(self, document: Document, changes: list[Json]) -> None:
        """Makes changes on both sides."""
        document.undo.append(document.text)
        del document.undo[:-20]
        for change in changes:
            document.text = apply(document.text, change, self.encoding)
        document.version += self.chance.choice([1, 1, 1, 7])
        self.client.change(document.uri, document.version, changes)

    def step(self) -> None:
        """One edit, and now and then something else."""
        chance, document = self.chance, self.chance.choice(self.documents)
        luck = chance.random()
        if len(document.text) > LONGEST:
            self.change(document, [{"text": document.text[: LONGEST // 2]}])
        elif len(document.text) < SHORTEST and luck < 0.5:
            # Random edits wear texts away; this keeps something in them that can be found.
            block = chance.choice(BLOCKS[document.language])
            lines = document.text.count("\n")
            start = {"line": chance.randint(0, lines), "character": 0}
            self.change(document, [{"range": {"start": start, "end": start}, "text": block}])
        elif luck < 0.15 and document.undo:
            before = document.undo.pop()
            old = document.text
            where = range_of(old, 0, len(old), self.encoding)
            self.change(document, [{"range": where, "text": before}])
        elif luck < 0.25:
            self.change(document, [overwrite_a_line(chance, document.text, self.encoding)])
        elif luck < 0.27:
            self.change(document, [])
        elif luck < 0.28:
            self.client.notify("textDocument/didClose", {"textDocument": {"uri": document.uri}})
            document.version += 1
            self.open(document)
        else:
            changes, text = [], document.text
            for _ in range(chance.choice([1, 1, 1, 3])):
                change = edit(chance, text, self.encoding)
                text = apply(text, change, self.encoding)
                changes.append(change)
            self.change(document, changes)
        if chance.random() < 0.1:
            self.ask(document)
        if chance.random() < 0.05:
            self.misbehave(document)

    def ask(self, document: Document) -> None:
        """Asks something and does not wait; sometimes takes it back."""
        chance = self.chance
        where = {"line": chance.randint(0, 300), "character": chance.randint(0, 300)}
        about: Json = {"textDocument": {"uri": document.uri}}
        area = {"start": {"line": 0, "character": 0}, "end": where}
        asked = chance.choice(
            [
                ("textDocument/hover", about | {"position": where}),
                (
                    "textDocument/codeAction",
                    about | {"range": area, "context": {"diagnostics": []}},
                ),
                ("secondlook/text", {"uri": document.uri}),
                ("secondlook/origins", {"uri": document.uri}),
                ("workspace/executeCommand", {"command": "secondlook.scanWorkspace"}),
            ]
        )
        number = self.client.start_request(*asked)
        self.questions.append(number)
        if chance.random() < 0.2:
            self.client.notify("$/cancelRequest", {"id": number})

    def misbehave(self, document: Document) -> None:
        """Sends something that no client should."""
        chance, client = self.chance, self.client
        nowhere = "file:///soak/nowhere.py"
        start = {"line": 0, "character": 0}
        insertion = {"range": {"start": start, "end": start}, "text": "x"}
        far = {"line": 4_000_000_000, "character": 4_000_000_000}
        raw = [
            b"Content-Length: 5\r\n\r\n{]}[{",
            b"Content-Length: 2\r\n\r\n[]",
            b"Content-Length: many\r\n\r\n",
            b"nonsense\r\n",
            b"\r\n\r\n",
            b'X-Header: 1\r\nContent-Length: 17\r\n\r\n{"jsonrpc":"2.0"}',
            b'Content-Length: 25\r\n\r\n{"jsonrpc":"2.0","id":777}',
            b"Content-Length: 4\r\n\r\n\xff\xfe\x00\x01",
        ]
        choices: list[Any] = [
            lambda: client.change(nowhere, 3, [insertion]),
            lambda: client.notify("textDocument/didClose", {"textDocument": {"uri": nowhere}}),
            lambda: client.notify("textDocument/didOpen", {"textDocument": 3}),
            lambda: client.notify("textDocument/didChange", [1, 2, 3]),
            lambda: client.notify("initialized", {}),
            lambda: client.notify("workspace/didChangeConfiguration", {"settings": [1]}),
            lambda: client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": 3}]}),
            lambda: client.notify("$/setTrace", {"value": "verbose"}),
            lambda: client.notify("$/progress", {}),
            lambda: client.notify("secondlook/markInserted", {"uri": document.uri}),
            lambda: client.notify("window/workDoneProgress/cancel", {"token": 9}),
            lambda: self.questions.append(client.start_request("initialize", {})),
            lambda: self.questions.append(client.start_request("no/such", {"a": [None]})),
            lambda: self.questions.append(client.start_request("codeAction/resolve", {"title": 1})),
            lambda: client.send({"id": None, "method": "textDocument/hover", "params": {}}),
            lambda: client.send({"id": "x", "result": {}}),
            lambda: self.write(chance.choice(raw)),
            lambda: self.write(chance.choice(raw)),
            lambda: self.mark(document, far),
            lambda: self.unreadable(document),
            lambda: self.open_twice(document),
        ]
        chance.choice(choices)()

    def write(self, raw: bytes) -> None:
        """Bytes that are no message."""
        stdin = self.client.process.stdin
        assert stdin is not None
        stdin.write(raw)
        stdin.flush()

    def mark(self, document: Document, far: Json) -> None:
        """Marks a place beyond the end, of some version or other."""
        version = document.version - self.chance.randint(-2, 90)
        place = {"start": far, "end": far}
        about = {"uri": document.uri, "version": version, "range": place, "source": "soak"}
        self.client.notify("secondlook/markInserted", about)

    def unreadable(self, document: Document) -> None:
        """A change that cannot be read ends the document; it begins anew."""
        about = {"textDocument": {"uri": document.uri}, "contentChanges": "x"}
        self.client.notify("textDocument/didChange", about)
        document.version += 1
        self.open(document)

    def open_twice(self, document: Document) -> None:
        """Opens what is open already."""
        document.version += 1
        self.open(document)

    def settle(self) -> dict[str, list[Json]]:
        """Waits until everything is answered and every text is what it should be."""
        client = self.client
        for number in self.questions:
            client.wait(lambda number=number: number in client.responses, f"answer {number}")
            client.responses.pop(number, None)
        self.questions.clear()
        found = {}
        for document in self.documents:
            answer = client.request("secondlook/text", {"uri": document.uri})
            assert answer["text"] == document.text
            found[document.uri] = patiently(client, document)
        for messages in (client.notifications, client.requests):
            messages.clear()
        return found

    def memory(self) -> int:
        """What the server's process holds in KiB; nothing where that cannot be seen."""
        status = Path(f"/proc/{self.client.process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return sum(int(it.split()[1]) for it in lines if it.startswith("VmRSS"))


def patiently(client: Client, document: Document) -> list[Json]:
    """The diagnostics of a document's version; a pull that came too early is repeated."""
    for _ in range(40):
        try:
            return client.diagnostics(document.uri, document.version)
        except ResponseError as error:
            if error.code != SERVER_CANCELLED:
                raise
    raise AssertionError("the analysis was never ready")


@pytest.mark.parametrize(("encoding", "pull"), WAYS, ids=lambda it: str(it))
def test_a_long_session_leaves_nothing_behind(start: Start, encoding: str, pull: bool) -> None:
    stated = capabilities(encodings=[encoding], pull=pull)
    client = start(stated)
    # Marks come from edits here that no person would make; what they do is tested elsewhere.
    settings = {"show-origin": False}
    client.notify("workspace/didChangeConfiguration", {"settings": settings})
    soak = Soak(client, f"soak {encoding}")
    assert soak.encoding == encoding
    edits = -(-EDITS // len(WAYS))
    warm = 0
    for number in range(1, edits + 1):
        soak.step()
        if number % 250 == 0 or number == edits:
            soak.settle()
        # What is compiled when it is first wanted has been wanted by then.
        if number == edits // 2:
            soak.settle()
            warm = soak.memory()
    found = soak.settle()
    grown = soak.memory() - warm
    count, letters = sum(map(len, found.values())), sum(len(it.text) for it in soak.documents)
    print(f"{encoding}: {edits} edits, {warm} KiB after half of them, {grown:+} KiB at the end;")
    print(f"{count} diagnostics in {letters} letters are those of a fresh open")
    assert grown < GROWTH

    fresh = start(stated)
    fresh.notify("workspace/didChangeConfiguration", {"settings": settings})
    for document in soak.documents:
        fresh.open(document.uri, document.text, document.language, document.version)
    for document in soak.documents:
        assert found[document.uri] == patiently(fresh, document), document.text
    assert client.shutdown() == 0
