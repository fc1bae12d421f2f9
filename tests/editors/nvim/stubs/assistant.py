"""Stands in for an assistant: a language server that has one inline completion, a file's text."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def read() -> dict[str, Any] | None:
    """One message from standard input."""
    length = 0
    while (line := sys.stdin.buffer.readline().strip()) != b"":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def write(message: dict[str, Any]) -> None:
    """One message to standard output."""
    body = json.dumps(message | {"jsonrpc": "2.0"}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    sys.stdout.buffer.flush()


def main() -> None:
    """Answers until it is told to exit."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    while (message := read()) is not None and message.get("method") != "exit":
        if "id" not in message or "method" not in message:
            continue
        result: Any = None
        if message["method"] == "initialize":
            sync = {"openClose": True, "change": 2}
            result = {"capabilities": {"inlineCompletionProvider": True, "textDocumentSync": sync}}
        elif message["method"] == "textDocument/inlineCompletion":
            result = {"items": [{"insertText": text}]}
        write({"id": message["id"], "result": result})


main()
