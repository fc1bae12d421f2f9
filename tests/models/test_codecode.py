"""The co-decoding binary with a real, small model.

It knows the program's arguments and HTTP, and none of our crates.
SmolLM2 can only pair with itself.
Without the binary (SECONDLOOK_CODECODE_BIN) or the model everything is skipped, with the reason.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.real_model import BINARY, ENVIRONMENT, MODEL, NEEDED, PREPARED, generate, run

Running = tuple[subprocess.Popen, str, str]
SUM = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
pytestmark = NEEDED


def test_drafting_ahead_gives_the_tokens_of_going_step_by_step() -> None:
    common = ("--max-tokens", 40, "--temperature", 0.8, "--security-temperature", 1.4, "--doubt", 0)
    (step,) = generate(*common, "--ahead", 1)
    assert step["counts"]["rejected"] > 0, "nothing was rejected, so nothing was tried"
    for ahead in (2, 4, 8):
        for lookup in ((), ("--lookup",)):
            (other,) = generate(*common, "--ahead", ahead, *lookup)
            assert other["tokens"] == step["tokens"]
            assert other["trace"] == step["trace"]
            assert other["counts"]["base_passes"] < step["counts"]["base_passes"]


def test_samples_differ_and_a_stop_sequence_is_not_shown() -> None:
    options = ("--samples", 2, "--max-tokens", 24, "--temperature", 1)
    first, second = generate(*options)
    assert first["text"] != second["text"]
    stop = first["text"][6:9]
    (stopped,) = generate("--max-tokens", 24, "--temperature", 1, "--stop", stop)
    assert stopped["finish"] == "stop"
    assert stopped["text"] == first["text"][: first["text"].index(stop)]


def test_a_damaged_or_foreign_file_is_named(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with MODEL.open("rb") as model:
        cut.write_bytes(model.read(20_000_000))
    done = run("generate", "--base", cut, "--prompt", "x")
    assert done.returncode == 1
    assert "cut off" in done.stderr and str(cut) in done.stderr
    foreign = tmp_path / "foreign.gguf"
    foreign.write_text("this is a letter, not a model")
    done = run("generate", "--base", foreign, "--prompt", "x")
    assert done.returncode == 1
    assert "not a GGUF file" in done.stderr
    done = run("generate", "--base", "https://example.org/v1", "--prompt", "x")
    assert done.returncode == 1
    assert "cannot be co-decoded" in done.stderr


def test_a_model_is_taken_whole_and_found_by_its_name(tmp_path: Path) -> None:
    place = {**ENVIRONMENT, "XDG_DATA_HOME": str(tmp_path)}

    def program(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BINARY, *map(str, words)], capture_output=True, text=True, env=place, check=False
        )

    models = tmp_path / "secondlook" / "models"
    wrong = program("pull", "smol", "--from-file", MODEL, "--sha256", "0" * 64)
    assert wrong.returncode == 1 and "it was not taken" in wrong.stderr
    letter = tmp_path / "letter.gguf"
    letter.write_text("this is a letter, not a model")
    foreign = program("pull", "smol", "--from-file", letter)
    assert foreign.returncode == 1 and "not a GGUF file" in foreign.stderr
    outside = program("pull", "../smol", "--from-file", MODEL)
    assert outside.returncode == 1 and "no name for a model" in outside.stderr
    assert not models.exists() or not any(models.iterdir())
    assert program("inspect", "--base", "smol").returncode == 1
    done = program("pull", "smol", "--from-file", MODEL, "--sha256", SUM)
    assert done.returncode == 0 and done.stdout.startswith(SUM), done.stderr
    assert [it.name for it in models.iterdir()] == ["smol.gguf"]
    found = program("inspect", "--base", "smol")
    assert found.returncode == 0 and "MB weights" in found.stdout


@contextmanager
def control_group(limit: int) -> Iterator[Path]:
    """Make a control group with so many bytes of memory."""
    root = Path("/sys/fs/cgroup")
    kinds = ((root, "memory.max"), (root / "memory", "memory.limit_in_bytes"))
    for above, file in kinds:
        group = above / f"secondlook-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / file).is_file():
                (group / file).write_text(str(limit))
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("no control group for memory can be made here (only root may)")


def refused_for_memory(limited: str) -> bool:
    command = f"{limited}; exec '{BINARY}' generate --base '{MODEL}' --prompt x"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 1, done.stderr
    return "needs about" in done.stderr and "free" in done.stderr


def test_what_does_not_fit_is_refused_before_it_is_loaded() -> None:
    assert refused_for_memory("ulimit -v 300000")


def test_what_does_not_fit_a_control_group_is_refused() -> None:
    with control_group(200_000_000) as group:
        assert refused_for_memory(f"echo $$ > '{group}/cgroup.procs'")


def test_a_poisoned_cache_is_made_anew(tmp_path: Path) -> None:
    (first,) = generate("--max-tokens", 4, "--temperature", 0, prepared=tmp_path)
    (kept,) = tmp_path.glob("*.gguf")
    with kept.open("r+b") as file:
        file.seek(90_000_000)
        file.write(b"\xff" * 4096)
    (again,) = generate("--max-tokens", 4, "--temperature", 0, prepared=tmp_path)
    assert again["tokens"] == first["tokens"]


@contextmanager
def serving(*more: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [BINARY, "serve", "--base", MODEL, "--security", MODEL, "--cache", PREPARED, "--context",
         "512", "--follow-stdin", *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )  # fmt: skip
    ready = json.loads(process.stdout.readline())
    try:
        yield process, ready["ready"], ready["token"]
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server() -> Iterator[Running]:
    with serving("--queue", "1") as running:
        yield running


def call(address: str, token: str | None, path: str, body: dict | None = None) -> tuple[int, str]:
    request = urllib.request.Request(
        address + path, None if body is None else json.dumps(body).encode()
    )
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_the_server_answers_streams_refuses_and_ends_with_its_starter(server: Running) -> None:
    process, address, token = server
    chat = {
        "messages": [{"role": "user", "content": "Count to five."}],
        "max_tokens": 12,
        "seed": 3,
    }
    assert call(address, None, "/health")[0] == 200
    assert call(address, None, "/v1/chat/completions", chat)[0] == 401
    assert call(address, "wrong", "/v1/models")[0] == 401
    status, text = call(address, token, "/v1/chat/completions", {**chat, "n": 2, "logprobs": True})
    assert status == 200, text
    whole = json.loads(text)
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    assert whole["choices"][0]["logprobs"]["content"]
    assert (
        whole["codecode"]["accepted"] + whole["codecode"]["rejected"]
        == whole["codecode"]["emitted"]
    )

    status, text = call(address, token, "/v1/chat/completions", {**chat, "stream": True})
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]]
    assert "".join(pieces) == whole["choices"][0]["message"]["content"]

    status, text = call(address, token, "/v1/completions", {"prompt": "a " * 2000})
    assert status == 400 and "context" in text
    status, text = call(address, token, "/v1/completions", {"prompt": "a", "suffix": "b"})
    assert status == 400 and "gap" in text
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def test_a_client_that_leaves_frees_the_server(server: Running) -> None:
    process, address, token = server
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"prompt": "Once upon a time", "max_tokens": 400, "stream": True}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + body)
        while b"data:" not in client.recv(65536):
            pass
    for _ in range(600):
        metrics = call(address, token, "/metrics")[1]
        if "codecode_requests_cancelled_total 1" in metrics:
            break
        time.sleep(0.1)
    assert "codecode_requests_cancelled_total 1" in metrics
    status, text = call(address, token, "/v1/completions", {"prompt": "a", "max_tokens": 2})
    assert status == 200, text


def test_weights_may_have_large_pages_whoever_starts_the_program() -> None:
    # As the language server does for itself, with what its children inherit.
    prctl, disable_large_pages = ctypes.CDLL(None).prctl, 41
    assert prctl(disable_large_pages, 1, 0, 0, 0) == 0
    try:
        with serving() as (process, _, _):
            status = Path(f"/proc/{process.pid}/status").read_text()
    finally:
        prctl(disable_large_pages, 0, 0, 0, 0)
    allowed = status.partition("THP_enabled:")[2].split()[:1]
    if not allowed:
        pytest.skip("this system does not say which pages a program may have")
    assert allowed == ["1"]


def test_models_that_nobody_asks_leave_memory() -> None:
    with serving("--idle", "1") as (process, address, token):

        def held() -> int:
            status = Path(f"/proc/{process.pid}/status").read_text()
            return int(status.split("VmRSS:")[1].split()[0])

        ask = {"prompt": "Once", "max_tokens": 4, "temperature": 0}
        first = call(address, token, "/v1/completions", ask)
        loaded = held()
        assert first[0] == 200 and loaded > 200_000, first
        for _ in range(300):
            if "unloaded" in call(address, None, "/health")[1] and held() < loaded // 3:
                break
            time.sleep(0.1)
        assert held() < loaded // 3, f"{held()} KiB of {loaded} are held still"
        again = call(address, token, "/v1/completions", ask)
        texts = [json.loads(it[1])["choices"][0]["text"] for it in (first, again)]
        assert texts[0] == texts[1]


def test_a_socket_is_its_owners_alone_and_survives_a_killed_server(tmp_path: Path) -> None:
    arguments = [BINARY, "serve", "--base", MODEL, "--socket", tmp_path / "s"]
    tmp_path.chmod(0o755)
    done = run(*arguments[1:])
    assert done.returncode == 1 and "opened by others" in done.stderr
    tmp_path.chmod(0o700)
    for _ in range(2):
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert json.loads(process.stdout.readline())["ready"].startswith("unix:")
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGKILL)
        process.wait()
