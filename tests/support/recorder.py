"""A language server that only listens: it writes down what an editor tells it of its documents.

    python3 recorder.py OUT LABEL [ENCODING]

Each notification about a document is a line of OUT: the time since the start in milliseconds, the
words that stand in the file LABEL when it comes, its method and its parameters. Documents are named
by the last part of their address, because the rest is a place on somebody's machine. Beyond that it
completes, renames and formats a little, in ways of its own, so that editors have something to do.
It knows nothing of the project's server.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.text import apply, index_of, position_of, range_of

Json = dict[str, Any]
RECORDED = {f"textDocument/{it}" for it in ("didOpen", "didChange", "didSave", "didClose")}
PLAIN, SNIPPET = 1, 2
# What is offered for a word that is the beginning of a name here: its text, and its form.
OFFERED = {
    "oneline": ("print(sorted(names(place)))", PLAIN),
    "manylines": (
        'def ping(host):\n    """🙂 whether it answers."""\n'
        '    return os.system("ping -c 1 " + host) == 0\n',
        PLAIN,
    ),
    "snippet": ("for ${1:item} in ${2:items}:\n    ${0:pass}", SNIPPET),
}


class Recorder:
    """The server."""

    def __init__(self, out: Path, label: Path, encoding: str | None) -> None:
        self.out = out.open("a", encoding="utf-8")
        self.label = label
        self.wanted = encoding
        self.encoding = "utf-16"
        self.started = time.monotonic()
        self.texts: dict[str, str] = {}

    def note(self, method: str, params: Json) -> None:
        """Writes one notification down."""
        named = params["textDocument"] | {"uri": Path(params["textDocument"]["uri"]).name}
        line = {
            "at": round((time.monotonic() - self.started) * 1000),
            "label": self.label.read_text(encoding="utf-8").strip(),
            "method": method,
            "params": params | {"textDocument": named},
        }
        self.out.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.out.flush()

    def told(self, method: str, params: Json) -> None:
        """A notification."""
        if method not in RECORDED:
            return
        uri = params["textDocument"]["uri"]
        if method.endswith("didOpen"):
            self.texts[uri] = params["textDocument"]["text"]
        for change in params.get("contentChanges", []):
            self.texts[uri] = apply(self.texts[uri], change, self.encoding)
        self.note(method, params)

    def initialize(self, params: Json) -> Json:
        """What it can do."""
        offered = params["capabilities"].get("general", {}).get("positionEncodings", [])
        if self.wanted in offered:
            self.encoding = self.wanted
        self.out.write(json.dumps({"encoding": self.encoding}) + "\n")
        self.out.flush()
        return {
            "capabilities": {
                "positionEncoding": self.encoding,
                "textDocumentSync": {"openClose": True, "change": 2, "save": True},
                "completionProvider": {},
                "renameProvider": True,
                "documentFormattingProvider": True,
            }
        }

    def complete(self, text: str, params: Json) -> list[Json]:
        """The texts whose names begin with the word before the cursor."""
        end = index_of(text, params["position"], self.encoding)
        word = re.search(r"\w*$", text[:end])
        start = end if word is None else word.start()
        where = {"start": position_of(text, start, self.encoding), "end": params["position"]}
        return [
            {"label": name, "kind": 1, "insertTextFormat": form}
            | {"textEdit": {"range": where, "newText": new}}
            for name, (new, form) in OFFERED.items()
            if end > start and name.startswith(text[start:end])
        ]

    def rename(self, text: str, params: Json) -> Json:
        """Every whole word like the one at the cursor."""
        at = index_of(text, params["position"], self.encoding)
        word = next((it for it in re.finditer(r"\w+", text) if it.start() <= at <= it.end()), None)
        spans = [] if word is None else list(re.finditer(rf"\b{word[0]}\b", text))
        new = params["newName"]
        edits = [self.edit(text, it.start(), it.end(), new) for it in spans]
        return {"changes": {params["textDocument"]["uri"]: edits}}

    def tidy(self, text: str) -> list[Json]:
        """Blanks at the end of lines go, and single quotes become double ones."""
        edits = [self.edit(text, it.start(), it.end(), "") for it in re.finditer(r" +(?=\n)", text)]
        edits += [self.edit(text, it.start(), it.end(), '"') for it in re.finditer("'", text)]
        return edits

    def edit(self, text: str, start: int, end: int, new: str) -> Json:
        """One edit."""
        return {"range": range_of(text, start, end, self.encoding), "newText": new}

    def answer(self, method: str, params: Json) -> Any:
        """What a request gives."""
        if method == "initialize":
            return self.initialize(params)
        text = self.texts.get(params.get("textDocument", {}).get("uri", ""), "")
        if method == "textDocument/completion":
            return self.complete(text, params)
        if method == "textDocument/rename":
            return self.rename(text, params)
        if method == "textDocument/formatting":
            return self.tidy(text)
        return None


def read(stream: BinaryIO) -> Json | None:
    """The next message."""
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(stream.read(length)) if length else None


def main(out: str, label: str, encoding: str | None = None) -> None:
    """Serves until the client leaves."""
    recorder = Recorder(Path(out), Path(label), encoding)
    while message := read(sys.stdin.buffer):
        method, params = message.get("method", ""), message.get("params") or {}
        if "id" not in message:
            if method == "exit":
                return
            recorder.told(method, params)
        elif method:
            answer = {"jsonrpc": "2.0", "id": message["id"]}
            body = json.dumps(answer | {"result": recorder.answer(method, params)}).encode()
            sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
