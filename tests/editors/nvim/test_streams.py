"""The recorded stream of Neovim: it can be made again, and it says what the document became."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.binary import ROOT, Secondlook
from support.text import apply

RECORDER = Path(__file__).with_name("record.lua")
FIXTURE = ROOT / "fixtures" / "streams" / "neovim.jsonl"
LABELS = {
    "open",
    "typing",
    "paste",
    "undo",
    "redo",
    "snippet",
    "rename",
    "completion-one-line",
    "completion-many-lines",
    "format-on-save",
    "external-reload",
}


def read(text: str) -> list[dict[str, Any]]:
    """The notifications of a stream."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def result(stream: list[dict[str, Any]]) -> str:
    """The document after all of them."""
    text = ""
    for each in stream:
        params = each["params"]
        if each["method"] == "textDocument/didOpen":
            text = params["textDocument"]["text"]
        for change in params.get("contentChanges", []):
            text = apply(text, change, "utf-16")
    return text


def test_the_fixture_is_whole() -> None:
    stream = read(FIXTURE.read_text())
    assert {each["label"] for each in stream} == LABELS
    assert result(stream).startswith("import os\nimport sys\n")


def test_a_real_neovim_says_the_same_again(secondlook: Secondlook, tmp_path: Path) -> None:
    named = os.environ.get("SECONDLOOK_NVIM")
    if not named:
        pytest.skip("SECONDLOOK_NVIM names no Neovim; tests/run nvim installs one")
    file = tmp_path / "recorded.py"
    command = [named, "--headless", "--clean", "-n", "-l", RECORDER, file]
    done = subprocess.run(
        [str(it) for it in command],
        cwd=tmp_path,
        env=secondlook.environment | {"XDG_STATE_HOME": str(secondlook.home / "state")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    stream = read(done.stdout)
    assert {each["label"] for each in stream} == LABELS
    assert result(stream) == file.read_text()
    assert result(stream) == result(read(FIXTURE.read_text()))
