"""`secondlook model pull` from a hub: fetched, resumed, checked, and only when somebody asks."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.binary import Secondlook

MODEL = "makers/small-encoder"
GGUF = "small-q4_k_m.gguf"
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b"{}" * 2000,
    "model.safetensors": bytes(range(256)) * 4096,
    GGUF: b"GGUF" + bytes(range(256)) * 4096,
    "letter.gguf": b"this is a letter, not a model",
}
# What a hub keeps elsewhere.
LARGE = ("model.safetensors", GGUF, "letter.gguf")


@dataclass
class Hub:
    """A hub on loopback: names a file's hash, then sends it from elsewhere."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    # After so many bytes of the weights the connection ends; then never again.
    cut: int | None = None
    names_hashes: bool = True
    ranges: bool = True

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def pull(self, secondlook: Secondlook, *more: str):  # noqa: ANN201
        """Runs the command against it."""
        return secondlook("model", "pull", MODEL, "--hub", self.url, *more)


class Handler(BaseHTTPRequestHandler):
    """What a hub answers, as far as the command needs it."""

    hub: Hub

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:  # noqa: N802
        """One file, or where it is."""
        hub = self.hub
        name = self.path.rsplit("/", 1)[-1]
        wished = self.headers.get("Range")
        if self.path == f"/{MODEL}/resolve/main/{name}" and name in hub.files:
            data = hub.files[name]
            if name in LARGE:
                self.send_response(302)
                self.send_header("Location", f"{hub.url}/store/{name}")
                tag = hashlib.sha256(FILES[name]).hexdigest()
                if hub.names_hashes:
                    self.send_header("X-Linked-Etag", f'"{tag}"')
                self.end_headers()
                return
            # As git names it.
            tag = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
        elif self.path == f"/store/{name}":
            data, tag = hub.files[name], "opaque"
        else:
            self.send_error(404)
            return
        hub.asked.append((name, wished))
        start = int(wished.removeprefix("bytes=").rstrip("-")) if wished and hub.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", f'"{tag}"')
        self.end_headers()
        if name in LARGE and hub.cut is not None:
            self.wfile.write(data[start : start + hub.cut])
            hub.cut = None
            self.close_connection = True
            return
        self.wfile.write(data[start:])


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that answers."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Ours", (Handler,), {"hub": hub}))
    hub.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield hub
    server.shutdown()


def models(secondlook: Secondlook) -> Path:
    """Where models are kept."""
    return secondlook.home / "data" / "secondlook" / "models"


def is_dense(secondlook: Secondlook) -> bool:
    """Whether the binary opens models, which these files are none of."""
    return "no dense retrieval" not in secondlook("model", "show").err


@pytest.fixture(autouse=True)
def only_without_dense(secondlook: Secondlook) -> None:
    """The files are made up, so a build that opens them would refuse them."""
    if is_dense(secondlook):
        pytest.skip("this build opens models; the files here are none")


def test_a_model_is_fetched_checked_and_installed(secondlook: Secondlook, hub: Hub) -> None:
    outcome = hub.pull(secondlook)
    assert outcome.code == 0, outcome
    folder = models(secondlook) / "embedding"
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        assert (folder / name).read_bytes() == FILES[name]
    assert hashlib.sha256(FILES["model.safetensors"]).hexdigest() in outcome.err
    assert secondlook("model", "show").out.strip() == str(folder)
    assert [it.name for it in models(secondlook).iterdir()] == ["embedding"]


def test_a_fetch_that_broke_off_goes_on(secondlook: Secondlook, hub: Hub) -> None:
    hub.cut = 300_000
    outcome = hub.pull(secondlook)
    assert outcome.code == 2, outcome
    assert "goes on from there" in outcome.err
    assert "no embedding model" in secondlook("model", "show").out
    assert hub.pull(secondlook).code == 0
    assert ("model.safetensors", "bytes=300000-") in hub.asked
    folder = models(secondlook) / "embedding"
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_server_that_knows_no_ranges_sends_all_again(secondlook: Secondlook, hub: Hub) -> None:
    hub.cut, hub.ranges = 300_000, False
    assert hub.pull(secondlook).code == 2
    assert hub.pull(secondlook).code == 0
    folder = models(secondlook) / "embedding"
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_what_is_not_what_was_named_is_refused_and_the_old_model_stays(
    secondlook: Secondlook, hub: Hub
) -> None:
    assert hub.pull(secondlook).code == 0
    hub.files["model.safetensors"] = b"something else" * 1000
    outcome = hub.pull(secondlook)
    assert outcome.code == 2
    assert "its hash should be" in outcome.err
    folder = models(secondlook) / "embedding"
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    hub.files = dict(FILES)
    assert hub.pull(secondlook).code == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--sha256", "0" * 64], "its hash should be 000"),
        (["--revision", "other"], "there is no such file"),
        (["--revision", "../x"], "is no name of a revision"),
        (["--name", "../x"], "is no name for a folder"),
    ],
)
def test_what_cannot_be_is_said(
    secondlook: Secondlook, hub: Hub, more: list[str], message: str
) -> None:
    outcome = hub.pull(secondlook, *more)
    assert outcome.code == 2, outcome
    assert message in outcome.err


def test_a_hub_that_names_no_hash_is_not_believed(secondlook: Secondlook, hub: Hub) -> None:
    hub.names_hashes = False
    outcome = hub.pull(secondlook)
    assert outcome.code == 2
    assert "names no hash" in outcome.err


def test_nothing_is_fetched_unless_somebody_says_so(secondlook: Secondlook, hub: Hub) -> None:
    assert "BM25 is used alone" in secondlook("kb", "search", "--safe", "--", "os.system(x)").err
    assert hub.asked == []


def test_a_file_for_the_local_backend_is_fetched_resumed_and_found_by_name(
    secondlook: Secondlook, hub: Hub
) -> None:
    hub.cut = 300_000
    words = ("--file", GGUF, "--name", "small")
    assert hub.pull(secondlook, *words).code == 2
    assert not (models(secondlook) / "small.gguf").exists()
    outcome = hub.pull(secondlook, *words)
    assert outcome.code == 0 and outcome.out == 'codecode-base = "small"\n', outcome
    assert [it[1] for it in hub.asked if it[0] == GGUF] == [None, "bytes=300000-"]
    assert hashlib.sha256(FILES[GGUF]).hexdigest() in outcome.err
    assert [it.name for it in models(secondlook).iterdir()] == ["small.gguf"]
    assert (models(secondlook) / "small.gguf").read_bytes() == FILES[GGUF]


def test_a_wrong_file_for_the_local_backend_takes_no_place(
    secondlook: Secondlook, hub: Hub
) -> None:
    assert hub.pull(secondlook, "--file", GGUF).code == 0
    (kept,) = models(secondlook).glob("*.gguf")
    assert kept.name == GGUF
    name = ("--name", GGUF)
    other = hub.pull(secondlook, "--file", "letter.gguf", *name)
    assert other.code == 2 and "no GGUF file" in other.err
    wished = hub.pull(secondlook, "--file", GGUF, "--sha256", "0" * 64)
    assert wished.code == 2 and "its hash should be 0000" in wished.err
    hub.files[GGUF] = FILES[GGUF][:-1] + b"x"
    changed = hub.pull(secondlook, "--file", GGUF)
    assert changed.code == 2 and "its hash should be" in changed.err
    gone = hub.pull(secondlook, "--file", "other.gguf")
    assert gone.code == 2 and "no such file" in gone.err
    for away in ("../x.gguf", "a/b.gguf", "config.json"):
        assert hub.pull(secondlook, "--file", away).code == 2
    assert kept.read_bytes() == FILES[GGUF]
