"""Writes what fuzzing starts from: seeds from fixtures/ and kb/entries, and whole dictionaries.

Usage: seeds.py FOLDER

FOLDER gets seeds/TARGET/ and TARGET.dict for each target. It knows how the targets read their
inputs, and nothing else of them.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LONGEST = 12_000


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    for name, seeds in (("finding", finding()), ("entry", entry()), ("wire", wire())):
        folder = out / "seeds" / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"seed-{number:04}").write_bytes(seed)
        words = (ROOT / "fuzz/dictionaries" / f"{name}.dict").read_text()
        if name == "finding":
            words += "".join(f'"{it}"\n' for it in sorted(names()))
        (out / f"{name}.dict").write_text(words)


def finding():
    """Examples and fixtures behind a header that changes with each, so that edits differ."""
    texts = []
    for path in sorted((ROOT / "kb/entries").glob("*/*.md")):
        for language, code in re.findall(r"```(python|c)\n(.*?)```", path.read_text(), re.S):
            texts.append((language, code.encode()))
    for path in sorted((ROOT / "fixtures").rglob("*")):
        if path.suffix in (".py", ".c") and "blind" not in path.parts:
            texts.append(("c" if path.suffix == ".c" else "python", path.read_bytes()))
    for number, (language, code) in enumerate(texts):
        mode = 1 if language == "c" else 0
        yield bytes([mode, number * 37 % 256, number * 11 % 64, number * 53 % 256]) + code[:LONGEST]


def entry():
    for path in sorted((ROOT / "kb/entries").glob("*/*")):
        yield path.read_bytes()[:LONGEST]


def names() -> set[str]:
    found = set()
    for path in (ROOT / "kb/entries").glob("*/*.md"):
        front = path.read_text().split("+++")[1]
        for names in re.findall(r"(?:callee|call|names|apis|markers) = \[(.*?)\]", front, re.S):
            found.update(re.findall(r'"([\w.]{3,40})"', names))
    return found


def wire():
    uri = "file:///a.py"
    text = {"uri": uri}
    place = {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 9}}
    end = {"start": {"line": 9, "character": 0}, "end": {"line": 9, "character": 0}}
    sessions = [
        [("textDocument/didChange", {"textDocument": {**text, "version": 2}, "contentChanges": [{"range": place, "text": "é🦀"}, {"range": end, "text": "\ngets(x)\n"}]}, None), ("textDocument/diagnostic", {"textDocument": text}, 1)],
        [("textDocument/didChange", {"textDocument": {**text, "version": 2}, "contentChanges": [{"text": "import os\r\nos.system(input())\r\n"}]}, None), ("textDocument/hover", {"textDocument": text, "position": {"line": 1, "character": 3}}, 1)],
        [("textDocument/codeAction", {"textDocument": text, "range": place, "context": {"diagnostics": []}}, 1), ("textDocument/codeAction", {"textDocument": text, "range": place, "context": {"diagnostics": [], "only": ["source.fixAll.secondlook"]}}, 2)],
        [("secondlook/markInserted", {"uri": uri, "version": 1, "range": place, "source": "x"}, None), ("secondlook/origins", {"uri": uri}, 3), ("secondlook/text", {"uri": uri}, 4)],
        [("workspace/executeCommand", {"command": "secondlook.openRationale", "arguments": ["py/yaml-load-unsafe"]}, 1), ("workspace/executeCommand", {"command": "secondlook.scanWorkspace", "arguments": []}, 2), ("workspace/executeCommand", {"command": "secondlook.markInserted", "arguments": [{"uri": uri, "version": 1, "range": place, "source": "x"}]}, 5)],
        [("workspace/diagnostic", {"previousResultIds": []}, 1), ("$/cancelRequest", {"id": 1}, None), ("textDocument/didClose", {"textDocument": text}, None)],
        [("workspace/didChangeConfiguration", {"settings": {"secondlook": {"select": ["py/*"], "severity": "warning"}}}, None), ("workspace/didChangeWatchedFiles", {"changes": [{"uri": "file:///b.py", "type": 2}]}, None), ("workspace/didChangeWorkspaceFolders", {"event": {"added": [{"uri": "file:///none", "name": "n"}], "removed": []}}, None)],
        [("textDocument/didOpen", {"textDocument": {"uri": "file:///b.c", "languageId": "c", "version": 1, "text": "void f(char *s) { gets(s); }\n"}}, None), ("textDocument/diagnostic", {"textDocument": {"uri": "file:///b.c"}}, 1), ("textDocument/didSave", {"textDocument": {"uri": "file:///b.c"}}, None), ("shutdown", None, 9)],
        [("window/workDoneProgress/cancel", {"token": "t"}, None), ("codeAction/resolve", {"title": "t", "kind": "quickfix", "data": {"uri": uri, "version": 1}}, 7)],
    ]
    for number, session in enumerate(sessions):
        bodies = []
        for method, params, id in session:
            message = {"jsonrpc": "2.0", "method": method}
            if id is not None:
                message["id"] = id
            if params is not None:
                message["params"] = params
            bodies.append(json.dumps(message, ensure_ascii=number % 2 == 0).encode())
        bodies.append(b'{"jsonrpc":"2.0","id":"s","result":[null]}')
        yield b"\x01\x40" + b"\n".join(bodies)
        framed = b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(it), it) for it in bodies)
        yield b"\x00\xff" + framed
    hello = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{"general":{"positionEncodings":["utf-8"]}}}}'
    yield b"\x00\x01Content-Type: x\r\nContent-Length: %d\r\n\r\n%sjunk\n" % (len(hello), hello)
    yield b"\x00\x10Content-Length: 99999999999\r\n\r\n{"


if __name__ == "__main__":
    main()
