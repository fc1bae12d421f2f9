"""A program in a terminal of its own, driven by keys and read as a person reads it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE = int(os.environ.get("PATIENCE_S", "60"))


@dataclass
class Terminal:
    """A private tmux with one window."""

    socket: Path
    environment: dict[str, str]

    def tmux(self, *arguments: str) -> str:
        """Runs a command of tmux."""
        command = ["tmux", "-S", str(self.socket), "-f", "/dev/null", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        ).stdout

    def start(self, command: str) -> None:
        """Starts the program; the window stays a while after its end, to be looked at."""
        size = ["-x", "160", "-y", "40"]
        self.tmux("new-session", "-d", "-s", "it", *size, f"{command}; sleep 60")

    def end(self) -> None:
        """Ends everything in the window."""
        self.tmux("kill-server")

    def screen(self) -> str:
        """What a person sees."""
        return self.tmux("capture-pane", "-p", "-t", "it")

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other."""
        for key in keys:
            self.tmux("send-keys", "-t", "it", key)
            # A key that comes right after Escape is taken for one with Alt.
            time.sleep(0.5 if key == "Escape" else 0.05)

    def type(self, text: str) -> None:
        """Types text as it stands, all at once."""
        self.tmux("send-keys", "-t", "it", "-l", text)

    def paste(self, text: str) -> None:
        """Pastes text as a terminal does, which tells the program that it is pasted."""
        self.tmux("set-buffer", text)
        self.tmux("paste-buffer", "-p", "-r", "-t", "it")

    def wait(self, what: str, condition: Callable[[str], bool]) -> str:
        """Waits until the screen shows something."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            screen = self.screen()
            if condition(screen):
                return screen
            time.sleep(0.1)
        pytest.fail(f"{what} did not come; the screen was\n{self.screen()}")
