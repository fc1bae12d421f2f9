"""The workspace: scanned on request, with progress, stopped, shown for closed files, taken back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from support import samples
from support.binary import Secondlook
from support.profiles import PROFILES, capabilities
from support.rpc import Client, Json, ResponseError

SHELL = samples.PY_SHELL.format(head="", note="")
GETS = samples.C_GETS.format(note="")
SCAN = {"command": "secondlook.scanWorkspace"}
CANCELLED = -32800


class Workspace:
    """A client with a folder of files."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self.folder = folder

    def write(self, **files: str) -> None:
        """Writes files; two underscores stand for a slash, the last one for a dot."""
        for name, text in files.items():
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def path(self, name: str) -> Path:
        """The file of a name as `write` takes it."""
        stem, _, extension = name.rpartition("_")
        return self.folder / f"{stem.replace('__', '/')}.{extension}"

    def start(self, stated: Json, **more: Any) -> None:
        """Shakes hands."""
        folders = [{"uri": self.folder.as_uri(), "name": "project"}]
        self.client.initialize(stated, workspaceFolders=folders, **more)

    def scan(self) -> Json:
        """Scans and returns the summary."""
        summary = self.client.request("workspace/executeCommand", SCAN)
        assert isinstance(summary, dict)
        return summary

    def pushed(self) -> dict[str, int]:
        """How many diagnostics are shown for each file, where there are any."""
        shown: dict[str, int] = {}
        for it in self.client.notifications:
            if it["method"] == "textDocument/publishDiagnostics":
                shown[it["params"]["uri"].rpartition("/")[2]] = len(it["params"]["diagnostics"])
        return {name: count for name, count in shown.items() if count}

    def progress(self) -> list[Json]:
        """Everything that was said of progress."""
        sent = self.client.notifications
        return [it["params"] for it in sent if it["method"] == "$/progress"]

    def workspace_diagnostic(self, previous: dict[str, str]) -> int:
        """Asks for the diagnostics of the workspace; does not wait."""
        ids = [{"uri": uri, "value": value} for uri, value in previous.items()]
        return self.client.start_request("workspace/diagnostic", {"previousResultIds": ids})


@pytest.fixture
def workspace(secondlook: Secondlook, folder: Path) -> Any:
    """A workspace whose server has not been spoken to."""
    with Client([secondlook.path, "lsp"], secondlook.environment, folder) as client:
        yield Workspace(client, folder)


def showing_progress(stated: Json) -> Json:
    """The same client, with progress bars."""
    stated = copy.deepcopy(stated)
    stated["window"] = stated.get("window", {}) | {"workDoneProgress": True}
    return stated


def test_a_scan_shows_what_is_in_closed_files(workspace: Workspace, secondlook: Secondlook) -> None:
    workspace.write(a_py=SHELL, sub__b_c=GETS, clean_py=samples.PY_CLEAN, skip_py=SHELL)
    workspace.write(venv__lib_py=SHELL, notes_txt=SHELL)
    (workspace.folder / ".gitignore").write_text("skip.py\n")
    workspace.start(PROFILES["utf-16 push"])
    assert workspace.pushed() == {}
    summary = workspace.scan()
    report = secondlook.check(".", cwd=workspace.folder)
    assert summary == {
        "files": 3,
        "skipped": 0,
        "withFindings": 2,
        "findings": len(report.findings),
        "cancelled": False,
    }
    assert set(workspace.pushed()) == {"a.py", "b.c"}
    assert sum(workspace.pushed().values()) == len(report.findings)
    # Nobody offered to show progress.
    assert workspace.progress() == []
    assert workspace.client.requests == []


def test_what_was_shown_is_taken_back(workspace: Workspace) -> None:
    workspace.write(a_py=SHELL, b_py=SHELL, c_py=SHELL, d_py=SHELL)
    workspace.start(PROFILES["utf-16 push"])
    workspace.scan()
    assert set(workspace.pushed()) == {"a.py", "b.py", "c.py", "d.py"}
    workspace.write(a_py=samples.PY_CLEAN)
    workspace.path("b_py").unlink()
    uri = workspace.path("c_py").as_uri()
    workspace.client.open(uri, SHELL)
    assert len(workspace.client.diagnostics(uri, 1)) == 1
    assert workspace.scan()["files"] == 3
    assert set(workspace.pushed()) == {"c.py", "d.py"}
    workspace.client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    workspace.client.wait(lambda: set(workspace.pushed()) == {"d.py"}, "the closed file's end")
    removed = [{"uri": workspace.folder.as_uri(), "name": "project"}]
    event = {"event": {"added": [], "removed": removed}}
    workspace.client.notify("workspace/didChangeWorkspaceFolders", event)
    workspace.client.wait(lambda: workspace.pushed() == {}, "the folder's end")
    assert workspace.scan()["files"] == 0


def test_a_folder_that_is_added_is_scanned_too(workspace: Workspace, tmp_path: Path) -> None:
    workspace.write(a_py=SHELL)
    other = tmp_path / "other 漢"
    other.mkdir()
    (other / "x y.py").write_text(SHELL)
    workspace.start(PROFILES["utf-16 push"])
    offered = workspace.client.capabilities["workspace"]["workspaceFolders"]
    assert offered == {"supported": True, "changeNotifications": True}
    added = [{"uri": other.as_uri(), "name": "other"}]
    event = {"event": {"added": added, "removed": []}}
    workspace.client.notify("workspace/didChangeWorkspaceFolders", event)
    assert workspace.scan()["files"] == 2
    assert set(workspace.pushed()) == {"a.py", "x%20y.py"}


def test_settings_hold_for_scanned_files(workspace: Workspace) -> None:
    workspace.write(a_py=SHELL, sub__b_py=SHELL, gen__c_py=SHELL)
    (workspace.folder / "secondlook.toml").write_text('extend-exclude = ["gen"]\n')
    (workspace.folder / "sub" / "secondlook.toml").write_text('ignore = ["py/*"]\n')
    workspace.start(PROFILES["utf-16 push"])
    assert workspace.scan()["files"] == 2
    assert set(workspace.pushed()) == {"a.py"}


def test_progress_is_shown_where_it_can_be(workspace: Workspace) -> None:
    for number in range(60):
        workspace.write(**{f"m{number}_py": SHELL * 40})
    workspace.start(showing_progress(PROFILES["utf-16 push"]))
    assert workspace.scan()["files"] == 60
    (created,) = [
        it for it in workspace.client.requests if it["method"] == "window/workDoneProgress/create"
    ]
    told = workspace.progress()
    assert {it["token"] for it in told} == {created["params"]["token"]}
    kinds = [it["value"]["kind"] for it in told]
    assert (kinds[0], kinds[-1]) == ("begin", "end")
    assert told[0]["value"]["cancellable"] is True
    assert "60 files" in told[-1]["value"]["message"]
    percents = [it["value"].get("percentage", 0) for it in told[:-1]]
    assert percents == sorted(percents)


def test_a_token_that_comes_along_is_used(workspace: Workspace) -> None:
    workspace.write(a_py=SHELL)
    workspace.start(PROFILES["utf-16 push"])
    workspace.client.request("workspace/executeCommand", SCAN | {"workDoneToken": 7})
    assert {it["token"] for it in workspace.progress()} == {7}


@pytest.mark.parametrize("how", ["progress", "request"])
def test_a_scan_is_stopped(workspace: Workspace, how: str) -> None:
    for number in range(80):
        workspace.write(**{f"m{number}_py": SHELL * 60})
    workspace.start(PROFILES["utf-16 push"])
    client = workspace.client
    number = client.start_request("workspace/executeCommand", SCAN | {"workDoneToken": "mine"})
    client.wait(lambda: workspace.pushed() != {}, "the first file")
    if how == "progress":
        client.notify("window/workDoneProgress/cancel", {"token": "mine"})
        summary = client.finish_request(number)
        assert summary["cancelled"] is True
        assert 0 < summary["files"] < 80
        assert workspace.progress()[-1]["value"]["kind"] == "end"
    else:
        client.notify("$/cancelRequest", {"id": number})
        with pytest.raises(ResponseError) as error:
            client.finish_request(number)
        assert error.value.code == CANCELLED
    # The next one goes through.
    assert workspace.scan()["files"] == 80


def test_typing_goes_on_while_a_scan_runs(workspace: Workspace) -> None:
    for number in range(50):
        workspace.write(**{f"m{number}_py": SHELL * 100})
    workspace.start(PROFILES["utf-16 push"])
    client = workspace.client
    uri = "file:///nowhere/typed.py"
    client.open(uri, SHELL)
    number = client.start_request("workspace/executeCommand", SCAN)
    for version in range(2, 12):
        client.change(uri, version, [{"text": SHELL + "\n" * version}])
        assert len(client.diagnostics(uri, version)) == 1
    assert number not in client.responses
    assert client.finish_request(number)["files"] == 50


def test_a_pulling_client_gets_the_workspace_when_it_asks(workspace: Workspace) -> None:
    workspace.write(a_py=SHELL, b_py=SHELL, clean_py=samples.PY_CLEAN)
    workspace.start(PROFILES["utf-8 pull"], initializationOptions={"scan-workspace": True})
    client = workspace.client
    offered = client.capabilities["diagnosticProvider"]
    assert offered["workspaceDiagnostics"] is True
    report = client.finish_request(workspace.workspace_diagnostic({}))
    assert {it["uri"].rpartition("/")[2] for it in report["items"]} == {"a.py", "b.py"}
    assert all(it["kind"] == "full" and len(it["items"]) == 1 for it in report["items"])
    known = {it["uri"]: it["resultId"] for it in report["items"]}

    # Nothing is new, so the answer waits until something is.
    number = workspace.workspace_diagnostic(known)
    workspace.write(a_py=samples.PY_CLEAN)
    workspace.scan()
    report = client.finish_request(number)
    kinds = {it["uri"].rpartition("/")[2]: it for it in report["items"]}
    assert (kinds["a.py"]["kind"], kinds["a.py"]["items"]) == ("full", [])
    assert kinds["b.py"]["kind"] == "unchanged"

    # An open file is answered for by itself.
    known[workspace.path("a_py").as_uri()] = kinds["a.py"]["resultId"]
    number = workspace.workspace_diagnostic(known)
    uri = workspace.path("b_py").as_uri()
    client.open(uri, SHELL)
    report = client.finish_request(number)
    assert [it["items"] for it in report["items"] if it["uri"] == uri] == [[]]
    assert len(client.pull(uri)) == 1
    assert workspace.pushed() == {}
    number = workspace.workspace_diagnostic({})
    client.notify("$/cancelRequest", {"id": number})
    with pytest.raises(ResponseError) as error:
        client.finish_request(number)
    assert error.value.code == CANCELLED


def test_without_the_setting_nothing_is_scanned_unasked(workspace: Workspace) -> None:
    workspace.write(a_py=SHELL)
    workspace.start(PROFILES["utf-8 pull"])
    client = workspace.client
    assert client.finish_request(workspace.workspace_diagnostic({})) == {"items": []}
    number = workspace.workspace_diagnostic({})
    assert workspace.scan()["findings"] == 1
    (item,) = client.finish_request(number)["items"]
    assert item["uri"].endswith("a.py")


def test_a_server_that_is_told_to_scans_by_itself(workspace: Workspace) -> None:
    workspace.write(a_py=SHELL)
    (workspace.folder / "secondlook.toml").write_text("scan-workspace = true\n")
    workspace.start(PROFILES["utf-16 push"])
    workspace.client.wait(lambda: workspace.pushed() == {"a.py": 1}, "the finding")


def test_files_that_change_on_disk_are_looked_at_again(workspace: Workspace) -> None:
    workspace.write(a_py=SHELL, b_py=samples.PY_CLEAN)
    (workspace.folder / ".gitignore").write_text("out\n")
    stated = capabilities()
    stated["workspace"]["didChangeWatchedFiles"] = {"dynamicRegistration": True}
    workspace.start(stated)
    workspace.scan()
    client = workspace.client

    def watched() -> bool:
        return any("*.{py" in str(it["params"]) for it in client.requests)

    client.wait(watched, "the wish to be told of changed code")

    def change(*names: str) -> None:
        changes = [{"uri": workspace.path(it).as_uri(), "type": 2} for it in names]
        client.notify("workspace/didChangeWatchedFiles", {"changes": changes})

    workspace.write(b_py=SHELL, new_py=SHELL, out__made_py=SHELL)
    change("b_py", "new_py", "out__made_py")
    client.wait(lambda: set(workspace.pushed()) == {"a.py", "b.py", "new.py"}, "the new findings")
    workspace.path("a_py").unlink()
    change("a_py")
    client.wait(lambda: set(workspace.pushed()) == {"b.py", "new.py"}, "the end of the old one")
