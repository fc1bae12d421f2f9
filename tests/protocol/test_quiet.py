"""What a server does not do: write texts into its log, run unasked, or stay behind."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from support import samples
from support.binary import Secondlook
from support.profiles import PROFILES
from support.rpc import Client, Json, ResponseError, Start

URI = "file:///nowhere/app.py"
# Words that stand in documents only.
CANARIES = ["kingfisher", "Bullfinch", "waxwing", "chaffinch", "yellowhammer"]
SECRET = f'''import os

{CANARIES[0]}_token = "{CANARIES[1]}"


def {CANARIES[2]}(host):
    # {CANARIES[3]}
    os.system("ping {CANARIES[4]} " + host)
'''


def ask_everything(client: Client) -> None:
    """Edits, questions and messages that cannot be read, all full of the user's words."""
    client.open(URI, SECRET)
    found = client.diagnostics(URI, 1)
    about = {"textDocument": {"uri": URI}}
    client.request("textDocument/hover", about | {"position": found[0]["range"]["start"]})
    context = {"diagnostics": found}
    client.request(
        "textDocument/codeAction", about | {"range": found[0]["range"], "context": context}
    )
    start = {"line": 0, "character": 0}
    change = {"range": {"start": start, "end": start}, "text": f"# {CANARIES[0]}\n"}
    client.change(URI, 2, [change])
    client.diagnostics(URI, 2)
    for method in ("textDocument/hover", "workspace/executeCommand", f"no/{'such'}"):
        with pytest.raises(ResponseError):
            client.request(method, {"textDocument": SECRET, "command": SECRET})
    for method in ("textDocument/didChange", "textDocument/didOpen", "secondlook/markInserted"):
        client.notify(method, {"textDocument": SECRET, "contentChanges": SECRET, "uri": SECRET})
    client.notify("workspace/didChangeConfiguration", {"settings": {"ignore": SECRET}})
    stdin = client.process.stdin
    assert stdin is not None
    for body in (b'"%s"', b'{"jsonrpc": %s}', b'{"jsonrpc":"2.0","method":{"a":"%s"}}'):
        body = body % SECRET.encode()
        stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stdin.flush()
    client.open("file:///nowhere/other.py", SECRET)
    client.diagnostics("file:///nowhere/other.py", 1)


def test_the_log_never_holds_the_document(secondlook: Secondlook) -> None:
    loud = secondlook.environment | {
        "SECONDLOOK_LOG": "trace,tower_lsp_server=trace,tower_lsp_server::codec=trace",
    }
    with Client([secondlook.path, "lsp"], loud, secondlook.home) as client:
        client.initialize(PROFILES["utf-16 push"])
        ask_everything(client)
        assert client.shutdown() == 0
    assert "analysed" in client.stderr
    for word in CANARIES:
        assert word not in client.stderr, client.stderr


def switches(process: int) -> int:
    """How often the threads of a process were woken so far."""
    total = 0
    for task in Path(f"/proc/{process}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "voluntary_ctxt_switches":
                total += int(value)
    return total


def ticks(process: int) -> int:
    """The processor time of a process in ticks of the system's clock."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_server_that_nobody_asks_sleeps(secondlook: Secondlook, folder: Path) -> None:
    with Client([secondlook.path, "lsp"], secondlook.environment, secondlook.home) as client:
        folders = [{"uri": folder.as_uri(), "name": "project"}]
        client.initialize(PROFILES["utf-16 push"], workspaceFolders=folders, processId=os.getpid())
        client.open(URI, SECRET)
        client.diagnostics(URI, 1)
        time.sleep(1)
        before = (ticks(client.process.pid), switches(client.process.pid))
        seconds = 5
        time.sleep(seconds)
        worked = ticks(client.process.pid) - before[0]
        woken = switches(client.process.pid) - before[1]
        # One look at the folders of entries a second is all that runs.
        assert worked <= 1
        assert woken <= 3 * seconds


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
def test_a_server_takes_no_pages_of_megabytes(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    client.open(URI, SECRET)
    client.diagnostics(URI, 1)
    own, its = (
        Path(f"/proc/{process}/status").read_text().partition("THP_enabled:")[2].split()[:1]
        for process in ("self", client.process.pid)
    )
    if not own:
        pytest.skip("this system does not say which pages a program may have")
    assert its == ["0"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_nothing_is_left_of_a_server_that_ended(start: Start) -> None:
    for rude in (False, True):
        client = start(PROFILES["utf-16 push"])
        client.open(URI, SECRET)
        client.diagnostics(URI, 1)
        # Work that nobody waits for must not hold up the end.
        big = SECRET + "".join(f"def f{n}(x):\n    return x + {n}\n" for n in range(20_000))
        client.change(URI, 2, [{"text": '"""' + big}])
        if rude:
            client.notify("exit", None)
            assert client.process.wait(30) == 1
        else:
            assert client.shutdown() == 0


def test_what_comes_after_shutdown_is_refused(start: Start) -> None:
    client = start(PROFILES["utf-16 push"])
    assert client.request("shutdown", None) is None
    client.open(URI, samples.PY_SHELL.format(head="", note=""))
    with pytest.raises(ResponseError) as error:
        client.request("textDocument/hover", {"textDocument": {"uri": URI}})
    assert error.value.code == -32600
    client.notify("exit", None)
    assert client.process.wait(30) == 0


def test_a_parent_that_ends_takes_the_server_along(secondlook: Secondlook) -> None:
    command = [secondlook.path, "lsp"]
    with (
        subprocess.Popen(["sleep", "1000"]) as parent,
        Client(command, secondlook.environment, secondlook.home) as client,
    ):
        client.initialize(PROFILES["utf-16 push"], processId=parent.pid)
        parent.kill()
        parent.wait()
        assert client.process.wait(30) == 1


def test_requests_that_are_cancelled_are_answered(start: Start) -> None:
    client = start(PROFILES["utf-8 pull"])
    client.open(URI, "x = 1\n" * 50_000)
    about: Json = {"textDocument": {"uri": URI}}
    number = client.start_request("textDocument/diagnostic", about)
    client.notify("$/cancelRequest", {"id": number})
    client.wait(lambda: number in client.responses, "an answer")
    answer = client.responses[number]
    assert "result" in answer or answer["error"]["code"] in (-32800, -32802)
