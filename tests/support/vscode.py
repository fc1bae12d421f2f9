"""A VS Code server, its settings for tests, and the programs that drive it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What VS Code asks of the network by itself, turned off.
SETTINGS: dict[str, Any] = {
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "extensions.autoCheckUpdates": False,
    "extensions.autoUpdate": False,
    "extensions.ignoreRecommendations": True,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "workbench.enableExperiments": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.welcomePage.walkthroughs.openOnInstall": False,
    "chat.disableAIFeatures": True,
    "git.enabled": False,
    "files.hotExit": "off",
    "files.autoSave": "off",
    "files.simpleDialog.enable": True,
    "window.commandCenter": False,
    "editor.minimap.enabled": False,
    "editor.accessibilitySupport": "off",
}
NOWHERE = "http://127.0.0.1:9/"
GALLERY = {"serviceUrl": NOWHERE, "itemUrl": NOWHERE, "resourceUrlTemplate": NOWHERE}


@dataclass
class Tools:
    """Where everything is that the tests need."""

    node: str
    code: Path
    playwright: Path
    browser: str
    extension: Path
    assistant: Path


@dataclass
class Code:
    """A VS Code server."""

    port: int
    workspace: Path
    state: Path
    environment: dict[str, str]
    tools: Tools

    def node(self, script: Path, *arguments: str | Path, **more: str) -> tuple[int, str]:
        """Runs a driver to its end; gives its exit code and what it said."""
        done = subprocess.run(
            [self.tools.node, str(script), *map(str, arguments)],
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Start = Callable[..., Code]
