"""A running server takes up what `kb import` brings, without being told."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from support.binary import Secondlook
from support.dump import Dump, made
from support.profiles import PROFILES
from support.rpc import Client, Start

URI = "file:///nowhere/ask.c"
CODE = '#include <stdio.h>\nvoid ask(void) {\n    char line[64];\n    scanf("%s", line);\n}\n'
HOSTILE = "file:///nowhere/box.py"
# From the import's end until a hover shows what it brought, in seconds.
LIVE_WITHIN = 5.0


def hover(client: Client, uri: str = URI) -> str:
    """What the editor shows at the finding."""
    place = {"line": 3, "character": 8}
    found = client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})
    return found["contents"]["value"] if found else ""


def await_hover(client: Client, sign: str, *, present: bool = True) -> str:
    """The hover once it shows a sign, or no longer does."""
    deadline = time.monotonic() + LIVE_WITHIN
    while (sign in (page := hover(client))) != present:
        assert time.monotonic() < deadline, page
        time.sleep(0.05)
    return page


@pytest.mark.parametrize("profile", ["utf-16 push", "utf-8 pull"])
def test_an_import_reaches_a_running_server(
    start: Start, secondlook: Secondlook, tmp_path: Path, profile: str
) -> None:
    client = start(PROFILES[profile])
    client.open(URI, CODE, language="c")
    assert client.diagnostics(URI, 1)
    assert "stackoverflow.com/a/8" not in hover(client)

    dump = Dump.copy(tmp_path / "dump")
    assert dump.run(secondlook).code == 0
    page = await_hover(client, "stackoverflow.com/a/8")
    line = next(it for it in page.splitlines() if "stackoverflow.com/a/8" in it)
    for shown in ("old hand", "2012-09-11", "score 4", "CC BY-SA 3.0", "buffer overflow"):
        assert shown in line.replace("\\", ""), line

    dump.drop(dump.posts, 'Id="8" ')
    assert dump.run(secondlook).code == 0
    await_hover(client, "stackoverflow.com/a/8", present=False)


def test_strangers_text_is_shown_as_text(
    start: Start, secondlook: Secondlook, tmp_path: Path
) -> None:
    dump = Dump.copy(tmp_path / "dump")
    dump.replace(
        dump.comments,
        "`%s` without a width is",
        "![x](https://evil.example) [click](command:run) &lt;img src=x&gt; **bold** # `%s` is",
    )
    dump.replace(dump.posts, "Reading one line into", "Reading](https://evil.example) &lt;b&gt;")
    assert dump.run(secondlook).code == 0
    client = start(PROFILES["utf-8 pull"])
    client.open(URI, CODE, language="c")
    assert client.diagnostics(URI, 1)
    page = await_hover(client, "stackoverflow.com/a/8")
    line = next(it for it in page.splitlines() if "stackoverflow.com/a/8" in it)
    assert "evil" not in line
    # Whatever could be markup stands behind a backslash, the link itself apart.
    own = re.sub(r"^- \[((?:\\.|[^\]\\])*)\]\(https://stackoverflow\.com/a/8\)", r"\1", line)
    assert own != line
    bare = re.sub(r"\\.", "", own)
    assert not re.search(r"[<>\[\]*_`#!|~&]", bare), line


LEAD_URI = "file:///nowhere/receive.py"
LEAD_HEAD = "import parcel\n\n\n"
LEAD_CODE = (
    "def receive(upload):\n    data = upload.read()\n    return parcel.unwrap(data).contents\n"
)


@pytest.mark.parametrize("profile", ["utf-16 push", "utf-8 pull"])
def test_an_import_alone_raises_a_lead_on_what_an_ai_inserted(
    start: Start, secondlook: Secondlook, tmp_path: Path, profile: str
) -> None:
    client = start(PROFILES[profile])
    client.open(LEAD_URI, LEAD_HEAD, language="python")
    place = {"line": 3, "character": 0}
    client.change(LEAD_URI, 2, [{"range": {"start": place, "end": place}, "text": LEAD_CODE}])
    asked = {
        "textDocument": {"uri": LEAD_URI},
        "position": {"line": 5, "character": 20},
    }

    def lead() -> str:
        found = client.request("textDocument/hover", asked)
        return found["contents"]["value"] if found else ""

    assert lead() == ""
    answer = "import parcel\n\nbox = parcel.unwrap(body)\n"
    warnings: list[dict[str, object]] = [
        {"Text": "`parcel.unwrap` is [remote](https://evil.example) code execution.", "UserId": 1},
        {"Text": "And insecure without a network, too.", "UserId": 2},
    ]
    dump = made(tmp_path / "dump", [(answer, warnings)])
    assert dump.run(secondlook).code == 0
    deadline = time.monotonic() + LIVE_WITHIN
    while not (page := lead()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "parcel.unwrap" in page.replace("\\", "")
    assert "2 people warn of it" in page
    assert "https://stackoverflow.com/a/2" in page
    assert "](https://evil" not in page
    # A lead is no finding: nothing is published for it.
    assert client.diagnostics(LEAD_URI, 2) == []
    off = {"settings": {"secondlook": {"show-leads": False}}}
    client.notify("workspace/didChangeConfiguration", off)
    deadline = time.monotonic() + LIVE_WITHIN
    while lead():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_code_that_nobody_inserted_has_no_leads(
    start: Start, secondlook: Secondlook, tmp_path: Path
) -> None:
    answer = "import parcel\n\nbox = parcel.unwrap(body)\n"
    warnings: list[dict[str, object]] = [
        {"Text": "`parcel.unwrap` is remote code execution.", "UserId": 1},
        {"Text": "And insecure without a network, too.", "UserId": 2},
    ]
    assert made(tmp_path / "dump", [(answer, warnings)]).run(secondlook).code == 0
    client = start(PROFILES["utf-8 pull"])
    client.open(LEAD_URI, LEAD_HEAD + LEAD_CODE, language="python")
    asked = {"textDocument": {"uri": LEAD_URI}, "position": {"line": 5, "character": 20}}
    assert client.request("textDocument/hover", asked) is None
    where = {"start": {"line": 3, "character": 0}, "end": {"line": 6, "character": 0}}
    told = {"uri": LEAD_URI, "version": 1, "range": where, "source": "trial"}
    client.notify("secondlook/markInserted", told)
    assert "parcel" in client.request("textDocument/hover", asked)["contents"]["value"]
