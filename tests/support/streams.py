"""Streams: what an editor told a server of one document, line by line, each with its cause.

fixtures/streams/README.md says what stands in a line.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.binary import ROOT
from support.text import apply

Json = dict[str, Any]
OPEN, CHANGE, SAVE = (f"textDocument/{it}" for it in ("didOpen", "didChange", "didSave"))
FIXTURES = ROOT / "fixtures" / "streams"
PATIENCE = int(os.environ.get("PATIENCE_S", "60"))
# Longer than any editor waits before it tells of a change.
QUIET_S = 0.5
NAME = "recorded.py"
START = "import os\n\n\ndef names(folder):\n    # 🙂 what is there\n    return os.listdir(folder)\n"
TYPED = "limit = 3  # é"
PASTED = "def first(folder):\n    found = names(folder) or ['none']   \n    return found[0]\n"
ONE_LINE = "print(sorted(names(place)))"
MANY_LINES = (
    'def ping(host):\n    """🙂 whether it answers."""\n'
    '    return os.system("ping -c 1 " + host) == 0\n'
)
# What every stream has; a change of the text is caused by one of them, except the first.
LABELS = {
    "open",
    "typing",
    "paste",
    "undo",
    "redo",
    "rename",
    "snippet",
    "completion-one-line",
    "completion-many-lines",
    "format-on-save",
    "external-reload",
}


@dataclass
class Stream:
    """A recorded stream: who told it, how it counts columns, its lines, and what was saved."""

    editor: str
    encoding: str
    lines: list[Json]
    saved: str

    def text(self) -> str:
        """The document after all of them."""
        text = ""
        for each in self.lines:
            params = each["params"]
            if each["method"] == OPEN:
                text = params["textDocument"]["text"]
            for change in params.get("contentChanges", []):
                text = apply(text, change, self.encoding)
        return text

    def check(self) -> None:
        """Whether it is whole: every change has its cause, every cause has changed something."""
        assert self.lines[0]["method"] == OPEN and self.lines[0]["label"] == "open"
        assert all(it["label"] in LABELS for it in self.lines)
        assert {it["method"] for it in self.lines} >= {OPEN, CHANGE, SAVE}
        # A reload may come as a document that is closed and opened again.
        told = {it["label"] for it in self.lines if it["method"] in (OPEN, CHANGE)}
        assert told == LABELS, told ^ LABELS
        times = [each["at"] for each in self.lines]
        assert times == sorted(times) and times[0] == 0, times
        version = -1
        for each in self.lines:
            if each["method"] in (OPEN, CHANGE):
                now = each["params"]["textDocument"]["version"]
                assert each["method"] == OPEN or now > version, each
                version = now
        assert self.text() == self.saved

    def write(self, file: Path) -> None:
        """As it stands in the fixtures."""
        head = {"editor": self.editor, "encoding": self.encoding}
        lines = [head, *self.lines, {"saved": self.saved}]
        file.write_text("".join(f"{json.dumps(it, ensure_ascii=False)}\n" for it in lines))


def load(file: Path) -> Stream:
    """A stream of the fixtures."""
    head, *lines, end = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return Stream(head["editor"], head["encoding"], lines, end["saved"])


class Recording:
    """What a recorder is writing while somebody drives an editor."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "stream"
        self.label = folder / "label"
        # What the person sees, for the case that something does not come.
        self.look: Callable[[], str] = str
        self.out.write_text("")
        self.label.write_text("open")

    def lines(self) -> list[Json]:
        """What was written until now."""
        text = self.out.read_text(encoding="utf-8")
        return [json.loads(it) for it in text[: text.rfind("\n") + 1].splitlines()]

    def settle(self, condition: Callable[[list[Json]], bool] = lambda lines: True) -> None:
        """Waits until something was told and nothing more comes."""
        end = time.monotonic() + PATIENCE
        size, since = -1, time.monotonic()
        while True:
            now = self.out.stat().st_size
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > QUIET_S and condition(self.lines()):
                return
            assert time.monotonic() < end, (
                f"{self.label.read_text()}: nothing was told\n{self.look()}"
            )
            time.sleep(0.05)

    def opened(self) -> None:
        """Waits for the document."""
        self.settle(lambda lines: any(it.get("label") == "open" for it in lines))

    @contextmanager
    def does(self, label: str, *, saves: bool = False) -> Iterator[None]:
        """Something that changes the text, and perhaps the file."""
        self.settle()
        before = len(self.lines())
        self.label.write_text(label)
        yield
        wanted = [{OPEN, CHANGE}, {SAVE}] if saves else [{OPEN, CHANGE}]

        def told(lines: list[Json]) -> bool:
            methods = {it["method"] for it in lines[before:]}
            return all(methods & each for each in wanted)

        self.settle(told)

    def end(self, editor: str, file: Path) -> Stream:
        """The stream, once all is done."""
        self.settle()
        head, *lines = self.lines()
        began = lines[0]["at"]
        told = [it | {"at": it["at"] - began} for it in lines]
        return Stream(editor, head["encoding"], told, file.read_text(encoding="utf-8"))


def keep(stream: Stream, name: str) -> None:
    """Holds a new recording against the fixture, or puts it there when that is asked for."""
    stream.check()
    file = FIXTURES / name
    if os.environ.get("SECONDLOOK_STREAMS") == "record":
        stream.write(file)
    recorded = load(file)
    # Times and the cutting into messages differ from run to run; what came of it does not.
    assert stream.saved == recorded.saved
    assert stream.encoding == recorded.encoding
