"""The co-decoding binary where things go wrong: adapters, disks, kills, crowds.

It knows the program's arguments, HTTP and the layout of adapters, and none of our crates.
"""

from __future__ import annotations

import json
import random
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support.real_model import BINARY, ENVIRONMENT, MODEL, NEEDED, PREPARED, generate

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
