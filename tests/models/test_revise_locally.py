"""`secondlook` with the real co-decoding program and a small real model behind it.

SmolLM2 is no reviser: what counts is that its answer comes, is judged, and that nothing stays.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.binary import Secondlook
from support.real_model import BINARY as PROGRAM
from support.real_model import MODEL, NEEDED, none_is_left, programs

CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    return subprocess.run("ls -l " + folder, shell=True, capture_output=True).stdout\n'
)

pytestmark = NEEDED


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program with one thread: two spin against each other where cores are few."""
    path = tmp_path / "codecode"
    path.write_text(f'#!/bin/sh\nRAYON_NUM_THREADS=1 exec "{PROGRAM}" "$@"\n')
    path.chmod(0o755)
    return path


def words(program: Path, base: Path = MODEL) -> list[str]:
    """Options for a short question and a short answer."""
    options = {
        "model-provider": "codecode",
        "codecode-program": program,
        "codecode-base": base,
        "codecode-security": MODEL,
        "codecode-context": 2048,
        "model-prompt-size": "3 KiB",
        "model-max-tokens": 32,
        "model-repairs": 0,
    }
    return [it for name, value in options.items() for it in ("--set", f"{name}={value}")]


def test_two_models_answer_and_the_gate_judges(
    secondlook: Secondlook, tmp_path: Path, program: Path
) -> None:
    code = tmp_path / "app.py"
    code.write_text(CODE)
    # The shortest question.
    more = ("--all", "--mode", "prompt-only", "--write", "--json")
    done = secondlook("revise", code, *more, *words(program))
    assert done.code == 1, done
    (item,) = json.loads(done.out)["items"]
    assert item["how"] in ("refused", "unchanged") and item["cost"]["calls"] == 1, item
    assert item["cost"]["asked_tokens"] > 50 and 0 < item["cost"]["answered_tokens"] <= 32, item
    assert code.read_text() == CODE
    assert none_is_left()


def test_the_model_is_tested_by_name(secondlook: Secondlook, tmp_path: Path, program: Path) -> None:
    models = secondlook.home / "data" / "secondlook" / "models"
    models.mkdir(parents=True)
    (models / "smol.gguf").symlink_to(MODEL)
    done = secondlook("model", "test", *words(program, base=Path("smol")))
    assert done.code == 0, done
    assert "smol with SmolLM2-135M-Instruct.Q4_1 on this machine" in done.out


def test_a_foreign_file_is_said(secondlook: Secondlook, tmp_path: Path, program: Path) -> None:
    letter = tmp_path / "letter.gguf"
    letter.write_text("this is a letter, not a model")
    done = secondlook("model", "test", *words(program, base=letter))
    assert done.code == 2 and "not a GGUF file" in done.err, done
    assert none_is_left()


def test_a_kill_in_the_middle_of_an_answer_leaves_nothing(
    secondlook: Secondlook, tmp_path: Path, program: Path
) -> None:
    code = tmp_path / "app.py"
    code.write_text(CODE)
    process = subprocess.Popen(
        [
            secondlook.path,
            "revise",
            code,
            "--all",
            "--mode",
            "community",
            "--write",
            *words(program),
        ],
        env=secondlook.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not programs():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert none_is_left()
    assert code.read_text() == CODE


def test_a_program_that_is_killed_again_and_again_is_said_to_be(
    secondlook: Secondlook, tmp_path: Path, program: Path
) -> None:
    code = tmp_path / "app.py"
    code.write_text(CODE)
    process = subprocess.Popen(
        [secondlook.path, "revise", code, "--all", "--mode", "prompt-only", *words(program)],
        env=secondlook.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    killed: set[int] = set()
    while process.poll() is None:
        for number in set(programs()) - killed:
            # A moment, so that it is killed while it answers and not before it is asked.
            time.sleep(0.7)
            os.kill(number, signal.SIGKILL)
            killed.add(number)
        time.sleep(0.05)
    said = process.stdout.read()
    assert process.returncode == 2 and "was killed by signal 9" in said, said
    assert len(killed) == 2, "it is started once more, and no oftener"
    assert none_is_left()
    assert code.read_text() == CODE


def test_too_little_memory_is_said_where_somebody_asks(
    secondlook: Secondlook, tmp_path: Path
) -> None:
    code = tmp_path / "app.py"
    code.write_text(CODE)
    program = tmp_path / "poor"
    program.write_text(f'#!/bin/sh\nulimit -v 300000\nexec "{PROGRAM}" "$@"\n')
    program.chmod(0o755)
    done = secondlook("revise", code, "--all", "--mode", "prompt-only", *words(program))
    assert done.code == 2, done
    said = done.out + done.err
    assert "the local model:" in said and "needs about" in said and "free" in said, done
    assert none_is_left()
