"""Measures how long new knowledge takes from the end of `kb import` to the people who need it.

Run it with the tests' Python: `PYTHONPATH=tests python tests/bench/live.py SECONDLOOK [RUNS]`.
Each run starts a server with no imported knowledge, lets an AI's code arrive in it, imports a small
dump about a call that no entry knows, and asks until the hover shows the lead; then it imports the
dump once more and runs `check --explain` at once. It uses none of our crates.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from support.binary import Secondlook
from support.dump import made
from support.profiles import PROFILES
from support.rpc import Client

HEAD = "import parcel\n\n\n"
CODE = "def receive(upload):\n    data = upload.read()\n    return parcel.unwrap(data).contents\n"
ANSWER = "import parcel\n\nbox = parcel.unwrap(body)\n"
WARNINGS: list[dict[str, object]] = [
    {"Text": "`parcel.unwrap` is remote code execution.", "UserId": 1},
    {"Text": "And insecure without a network, too.", "UserId": 2},
]
URI = "file:///nowhere/receive.py"
# Until then a lead has to be there; a run that waits longer is an error.
PATIENCE = 30.0
# Between two looks at the hover.
PAUSE = 0.01


def hover(client: Client) -> str:
    """What the editor shows at the call."""
    place = {"line": 5, "character": 20}
    found = client.request("textDocument/hover", {"textDocument": {"uri": URI}, "position": place})
    return found["contents"]["value"] if found else ""


def once(binary: Path, folder: Path, cache: Path) -> tuple[float, float, float]:
    """Seconds from the import's end to the hover and to the end of `check`, and its start alone."""
    home = folder / "home"
    home.mkdir()
    secondlook = Secondlook(binary, home, cache)
    source = folder / "receive.py"
    source.write_text(HEAD + CODE)
    dump = made(folder / "dump", [(ANSWER, WARNINGS)])
    began = time.monotonic()
    assert secondlook("check", "--explain", source).code == 0
    without = time.monotonic() - began
    with Client([binary, "lsp"], secondlook.environment, home) as client:
        client.initialize(PROFILES["utf-8 pull"])
        client.open(URI, HEAD)
        start = {"line": 3, "character": 0}
        client.change(URI, 2, [{"range": {"start": start, "end": start}, "text": CODE}])
        assert hover(client) == ""
        assert dump.run(secondlook).code == 0
        ended = time.monotonic()
        while "parcel.unwrap" not in hover(client).replace("\\", ""):
            assert time.monotonic() < ended + PATIENCE
            time.sleep(PAUSE)
        hovered = time.monotonic() - ended
    # Again, because the hover's wait was not `check`'s.
    assert secondlook("kb", "remove", "stackoverflow.com").code == 0
    assert dump.run(secondlook).code == 0
    ended = time.monotonic()
    checked = secondlook("check", "--explain", "--format", "json", source)
    shown = time.monotonic() - ended
    assert json.loads(checked.out)["leads"], checked
    assert checked.code == 0, checked
    return hovered, shown, without


def main() -> None:
    """As many runs as were asked for."""
    binary = Path(sys.argv[1]).resolve()
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    times = []
    with tempfile.TemporaryDirectory() as shared:
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                times.append(once(binary, Path(folder), Path(shared)))
    print(f"{'seconds, ' + str(runs) + ' runs':44}{'least':>8}{'median':>8}{'most':>8}")
    names = [
        "from the import's end to the hover's lead",
        "from the import's end to `check --explain`",
        "`check --explain` of the file by itself",
    ]
    for name, column in zip(names, zip(*times, strict=True), strict=True):
        ordered = sorted(column)
        middle = ordered[len(ordered) // 2]
        print(f"{name:44}{ordered[0]:8.2f}{middle:8.2f}{ordered[-1]:8.2f}")


if __name__ == "__main__":
    main()
