"""The real co-decoding program and the small real model that tests give it.

It knows where both are, and none of our crates.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

CACHE = Path(
    os.environ.get("SECONDLOOK_TEST_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "secondlook-tests"
)
MODEL = CACHE / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SUM = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
BINARY = os.environ.get("SECONDLOOK_CODECODE_BIN", "")
PREPARED = CACHE / "codecode-prepared"
ENVIRONMENT = {**os.environ, "RAYON_NUM_THREADS": "1"}

# Why a test that needs both is skipped.
NEEDED = [
    pytest.mark.skipif(not BINARY, reason="SECONDLOOK_CODECODE_BIN names no binary"),
    pytest.mark.skipif(not MODEL.is_file(), reason="tests/models/fetch small was not run"),
]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end, with one thread."""
    return subprocess.run(
        [BINARY, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=600,
        check=False,
    )


def generate(*arguments: object, prepared: Path | None = PREPARED) -> list[dict]:
    """Each sample that it generates, as it describes them."""
    done = run(
        *("generate", "--base", MODEL, "--security", MODEL, "--json"),
        *(("--cache", prepared) if prepared else ()),
        *("--context", 512, "--chat", "--prompt", "Name three colours, then count to five."),
        *arguments,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def programs() -> list[int]:
    """The co-decoding programs that run, whoever started them."""
    out = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            first = (folder / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        if first == BINARY.encode():
            out.append(int(folder.name))
    return out


def none_is_left() -> bool:
    """Whether all have ended, waiting a little."""
    end = time.monotonic() + 20
    while programs() and time.monotonic() < end:
        time.sleep(0.05)
    return not programs()
