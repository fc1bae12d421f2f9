"""The provider `codecode`: a program on this machine, started, asked, started again, ended.

The program is a stand-in; tests/models has the real one.
"""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from support.binary import Secondlook
from support.local_program import Local

CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    return subprocess.run("ls -l " + folder, shell=True, capture_output=True).stdout\n'
)
CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')
ANSWER = f"```python\n{CURED}```\n"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A file with one finding."""
    path = tmp_path / "app.py"
    path.write_text(CODE)
    return path


def words(code: Path, local: Local, *more: str) -> list[str]:
    """A revision of the finding by the model alone."""
    return ["revise", str(code), "--all", "--mode", "community", "--write", *local.options(), *more]


def test_it_starts_with_the_question_and_ends_with_the_command(
    secondlook: Secondlook, code: Path, tmp_path: Path
) -> None:
    local = Local(tmp_path / "local", "answer", answer=ANSWER)
    shown = secondlook("revise", code, "--print-prompt", *local.options())
    assert shown.code == 0 and local.notes("start") == []
    done = secondlook(*words(code, local))
    assert done.code == 0, done
    assert code.read_text() == CURED
    assert len(local.notes("start")) == 1 and local.gone()
    assert local.notes("folder") == ["0o700"]
    assert local.notes("authorization") == ["Bearer a-token-of-a-stand-in"]
    (question,) = local.notes("question")
    assert question["path"] == "/v1/chat/completions" and question["codecode"]["lookup"] is True
    (arguments,) = local.notes("arguments")
    assert "--follow-stdin" in arguments
    socket = Path(arguments[arguments.index("--socket") + 1])
    assert not socket.parent.exists()


def test_a_program_that_dies_is_started_once_more(
    secondlook: Secondlook, code: Path, tmp_path: Path
) -> None:
    local = Local(tmp_path / "local", "die", "answer", answer=ANSWER)
    done = secondlook(*words(code, local))
    assert done.code == 0, done
    assert code.read_text() == CURED
    assert len(local.notes("start")) == 2 and local.gone()


def test_a_program_that_keeps_dying_is_given_up(
    secondlook: Secondlook, code: Path, tmp_path: Path
) -> None:
    local = Local(tmp_path / "local", "die")
    done = secondlook(*words(code, local, "--json"))
    assert done.code == 2, done
    assert "killed by signal 9" in done.all and "memory" in done.all
    assert len(local.notes("start")) == 2 and local.gone()
    assert code.read_text() == CODE


def test_what_it_says_before_it_ends_is_shown(
    secondlook: Secondlook, code: Path, tmp_path: Path
) -> None:
    local = Local(tmp_path / "local", "refuse")
    done = secondlook(*words(code, local))
    assert done.code == 2, done
    assert "base.gguf is not a GGUF file" in done.err
    assert len(local.notes("start")) == 1


def test_what_is_missing_is_said(secondlook: Secondlook, code: Path, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "answer")
    none = secondlook("revise", code, "--all", "--set", "model-provider=codecode")
    assert none.code == 2 and "`codecode-base` is not set" in none.err
    missing = tmp_path / "nowhere" / "secondlook-codecode"
    wrong = secondlook(*words(code, local, "--set", f"codecode-program={missing}"))
    assert wrong.code == 2 and "does not start" in wrong.err and str(missing) in wrong.err


def test_a_project_does_not_choose_the_program(
    secondlook: Secondlook, code: Path, tmp_path: Path
) -> None:
    local = Local(tmp_path / "local", "answer", answer=ANSWER)
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in local.settings().items()]
    (tmp_path / "secondlook.toml").write_text("".join(lines))
    done = secondlook("revise", code, "--all", "--mode", "community", "--write")
    assert "codecode-program" in done.err and "not followed" in done.err
    assert local.notes("start") == [] and code.read_text() == CODE


@pytest.mark.parametrize("act", ["hang", "stuck"])
def test_an_interrupt_leaves_no_process(
    secondlook: Secondlook, code: Path, tmp_path: Path, act: str
) -> None:
    local = Local(tmp_path / "local", act)
    process = begun(secondlook, code, local)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert local.gone()
    assert code.read_text() == CODE


def test_even_a_kill_leaves_no_process(secondlook: Secondlook, code: Path, tmp_path: Path) -> None:
    local = Local(tmp_path / "local", "hang")
    process = begun(secondlook, code, local)
    process.kill()
    process.wait()
    assert local.gone()


def begun(secondlook: Secondlook, code: Path, local: Local) -> subprocess.Popen[bytes]:
    """A revision whose question has been put."""
    process = subprocess.Popen(
        [str(secondlook.path), *words(code, local)],
        env=secondlook.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    local.noted("question")
    return process
