"""A model of an editor's text: positions in every encoding, and edits applied as the protocol says.

It is written for plainness, so that the server's text can be held against it.
"""

from __future__ import annotations

from typing import Any

from support.binary import split_lines

ENCODINGS = ("utf-8", "utf-16", "utf-32")


def units(text: str, encoding: str) -> int:
    """How many columns a text takes."""
    if encoding == "utf-32":
        return len(text)
    if encoding == "utf-8":
        return len(text.encode())
    return len(text.encode("utf-16-le")) // 2


def body(line: str) -> str:
    """A line without its end."""
    return line.rstrip("\r\n")


def position_of(text: str, index: int, encoding: str) -> dict[str, int]:
    """The position of an index; an index inside a line's end stands for the end of that line."""
    start = 0
    lines = split_lines(text)
    for number, line in enumerate(lines):
        if index < start + len(line) or number == len(lines) - 1:
            before = body(line)[: index - start]
            return {"line": number, "character": units(before, encoding)}
        start += len(line)
    raise AssertionError("a text has at least one line")


def index_of(text: str, position: dict[str, int], encoding: str) -> int:
    """The index of a position; what lies past the end of a line means that end."""
    lines = split_lines(text)
    if position["line"] >= len(lines):
        return len(text)
    start = sum(map(len, lines[: position["line"]]))
    line = body(lines[position["line"]])
    for count in range(len(line) + 1):
        if units(line[:count], encoding) >= position["character"]:
            return start + count
    return start + len(line)


def range_of(text: str, start: int, end: int, encoding: str) -> dict[str, Any]:
    """The range between two indices."""
    return {
        "start": position_of(text, start, encoding),
        "end": position_of(text, end, encoding),
    }


def apply(text: str, change: dict[str, Any], encoding: str) -> str:
    """The text after one content change."""
    if "range" not in change:
        return change["text"]
    start = index_of(text, change["range"]["start"], encoding)
    end = index_of(text, change["range"]["end"], encoding)
    return text[:start] + change["text"] + text[end:]


def apply_edits(text: str, edits: list[dict[str, Any]], encoding: str) -> str:
    """The text after the edits of one answer, all of which refer to the text as it is."""
    spans = sorted(
        (
            index_of(text, it["range"]["start"], encoding),
            index_of(text, it["range"]["end"], encoding),
            it["newText"],
        )
        for it in edits
    )
    for (_, before, _), (after, _, _) in zip(spans, spans[1:], strict=False):
        assert before <= after, "two edits overlap"
    for start, end, new in reversed(spans):
        text = text[:start] + new + text[end:]
    return text


def sliced(text: str, where: dict[str, Any], encoding: str) -> str:
    """The text in a range."""
    start = index_of(text, where["start"], encoding)
    return text[start : index_of(text, where["end"], encoding)]
