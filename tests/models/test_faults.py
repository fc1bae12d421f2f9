"""The co-decoding binary where things go wrong: adapters, disks, kills, crowds.

It knows the program's arguments, HTTP and the layout of adapters, and none of our crates.
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support.real_model import BINARY, ENVIRONMENT, MODEL, NEEDED, PREPARED, generate, run

pytestmark = NEEDED
# SmolLM2-135M has 30 layers of this width.
WIDTH = 576


def adapter(folder: Path, width: int = WIDTH, layer: int = 0, strength: float = 0.0) -> Path:
    """A LoRA adapter of rank 2 for one query matrix, in PEFT's layout."""
    folder.mkdir()
    config = {
        "peft_type": "LORA",
        "r": 2,
        "lora_alpha": 4,
        "base_model_name_or_path": "some/other-model",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    chance = random.Random(1)
    name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
    numbers = {
        f"{name}.lora_A.weight": ([2, width], [chance.uniform(-1, 1) for _ in range(2 * width)]),
        f"{name}.lora_B.weight": (
            [width, 2],
            [strength * chance.uniform(-1, 1) for _ in range(2 * width)],
        ),
    }
    head, body = {}, b""
    for key, (shape, values) in numbers.items():
        data = struct.pack(f"<{len(values)}f", *values)
        offsets = [len(body), len(body) + len(data)]
        head[key] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        body += data
    text = json.dumps(head).encode()
    whole = struct.pack("<Q", len(text)) + text + body
    (folder / "adapter_model.safetensors").write_bytes(whole)
    return folder


def decided(sample: dict) -> list[str]:
    """What the security model proposed, where the base took over."""
    return [it.get("proposed", "") for it in sample["trace"]]


def test_an_adapter_changes_the_security_model_and_only_when_it_says_something(
    tmp_path: Path,
) -> None:
    common = ("--max-tokens", 12, "--temperature", 0.8, "--doubt", 0)
    (plain,) = generate(*common)
    mute = adapter(tmp_path / "mute")
    (same,) = generate(*common, "--adapter", mute, "--no-cache", prepared=None)
    assert same["tokens"] == plain["tokens"] and decided(same) == decided(plain)
    loud = adapter(tmp_path / "loud", strength=3.0)
    (other,) = generate(*common, "--adapter", loud, "--no-cache", prepared=None)
    assert (other["tokens"], decided(other)) != (plain["tokens"], decided(plain))


@pytest.mark.parametrize(("width", "layer"), [(896, 0), (WIDTH, 30)])
def test_an_adapter_for_another_model_is_refused(tmp_path: Path, width: int, layer: int) -> None:
    foreign = adapter(tmp_path / "foreign", width, layer)
    done = subprocess.run(
        [BINARY, "generate", "--base", MODEL, "--security", MODEL, "--adapter", foreign,
         "--cache", PREPARED, "--prompt", "x"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "some/other-model" in done.stderr, done.stderr


def test_a_full_disk_costs_the_cache_and_not_the_answer(tmp_path: Path) -> None:
    # A limit on the size of files stands for the disk; without the trap it would kill instead.
    limited = (
        f"trap '' XFSZ; ulimit -f 20000; exec '{BINARY}' generate --base '{MODEL}' "
        f"--cache '{tmp_path}' --context 64 --max-tokens 4 --temperature 0 --prompt 'def add(a'"
    )
    done = subprocess.run(
        ["bash", "-c", limited], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "could not be kept" in done.stderr and done.stdout.strip()
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_weights_are_prepared_leaves_no_half_file(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [BINARY, "generate", "--base", MODEL, "--cache", tmp_path, "--prompt", "x"],
        stdout=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    while process.poll() is None and not any(it.stat().st_size for it in tmp_path.iterdir()):
        time.sleep(0.01)
    process.kill()
    process.wait()
    left = list(tmp_path.glob("*.gguf"))
    (again,) = generate("--max-tokens", 4, "--temperature", 0, prepared=tmp_path)
    (whole,) = generate("--max-tokens", 4, "--temperature", 0)
    assert again["tokens"] == whole["tokens"]
    assert left == [] or process.returncode == 0


def test_two_clients_are_served_and_a_crowd_is_turned_away() -> None:
    process = subprocess.Popen(
        [BINARY, "serve", "--base", MODEL, "--cache", PREPARED, "--context", "256", "--queue", "1",
         "--follow-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )  # fmt: skip
    ready = json.loads(process.stdout.readline())
    answers: list[tuple[int, str]] = []

    def ask() -> None:
        body = {"prompt": "Once upon a time", "max_tokens": 24, "temperature": 0}
        request = urllib.request.Request(
            ready["ready"] + "/v1/completions", json.dumps(body).encode()
        )
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {ready['token']}")
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                answers.append((200, json.loads(answer.read())["choices"][0]["text"]))
        except urllib.error.HTTPError as refused:
            answers.append((refused.code, ""))

    try:
        crowd = [threading.Thread(target=ask) for _ in range(6)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
    finally:
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    served = [text for code, text in answers if code == 200]
    assert len(served) >= 2 and len(set(served)) == 1, answers
    assert {code for code, _ in answers} == {200, 429}, answers


def other_vocabulary(path: Path) -> Path:
    """The model with two words of its vocabulary in each other's place."""
    data = bytearray(MODEL.read_bytes())
    at = data.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens")
    kind, of, count = struct.unpack_from("<IIQ", data, at)
    assert (kind, of) == (9, 8) and count > 4000, "the vocabulary is no list of texts"
    at += 16
    places = []
    for _ in range(4000):
        (length,) = struct.unpack_from("<Q", data, at)
        places.append(slice(at + 8, at + 8 + length))
        at += 8 + length
    one = places[2000]
    other = next(it for it in places[2001:] if it.stop - it.start == one.stop - one.start)
    data[one], data[other] = data[other], data[one]
    path.write_bytes(data)
    return path


def test_two_vocabularies_are_told_apart_before_anything_is_written(tmp_path: Path) -> None:
    other = other_vocabulary(tmp_path / "other.gguf")
    done = run(
        *("generate", "--base", MODEL, "--security", other, "--cache", tmp_path / "cache"),
        *("--context", 64, "--prompt", "x"),
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "do not share a vocabulary" in done.stderr and "token 2000" in done.stderr, done.stderr
    assert "one family" in done.stderr and str(other) in done.stderr


def test_nobody_else_on_the_machine_can_use_the_socket(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can try as somebody else")
    place = tmp_path / "private"
    place.mkdir(mode=0o700)
    # Everything above may be entered, so that only what the program did stops others.
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    process = subprocess.Popen(
        [BINARY, "serve", "--base", MODEL, "--socket", place / "s", "--follow-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        json.loads(process.stdout.readline())
        connect = (
            "import socket, sys\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            "s.connect(sys.argv[1])\n"
            "s.sendall(b'GET /v1/models HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
            "print(s.recv(100).decode().splitlines()[0])\n"
        )
        words = ["/usr/bin/python3", "-c", connect, str(place / "s")]
        own = subprocess.run(words, capture_output=True, text=True, check=False)
        assert "401" in own.stdout, own
        other = subprocess.run(
            words, capture_output=True, text=True, check=False, user=65534, group=65534
        )
        assert other.returncode != 0 and "Permission denied" in other.stderr, other
    finally:
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    assert not (place / "s").exists()


def test_a_disk_that_is_really_full_costs_the_cache_and_not_the_answer(tmp_path: Path) -> None:
    words = (
        f"mount -t tmpfs -o size=8m full '{tmp_path}' || exit 77; "
        f"'{BINARY}' generate --base '{MODEL}' --cache '{tmp_path}' --context 64 --max-tokens 4 "
        f"--temperature 0 --prompt 'def add(a'; code=$?; "
        f"echo left: $(ls -A '{tmp_path}') >&2; exit $code"
    )
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", words],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this machine lets nobody mount a small disk")
    assert done.returncode == 0, done.stderr
    assert "could not be kept" in done.stderr and done.stdout.strip()
    assert done.stderr.splitlines()[-1] == "left:", done.stderr
