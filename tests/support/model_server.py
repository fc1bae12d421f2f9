"""A model's server on loopback that does what a test tells it, well or badly.

It speaks both protocols, remembers what it was asked, and knows nothing of the project.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class ModelServer:
    """The server and what it has seen."""

    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    open: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The address that settings name."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def options(self, provider: str = "openai-chat", **more: Any) -> list[str]:
        """Arguments that make the binary ask this server."""
        values = {
            "model-provider": provider,
            "model-url": self.url,
            "model-name": "test-model",
            "model-timeout": 20000,
        } | {name.replace("_", "-"): value for name, value in more.items()}
        return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]

    def settled(self, patience: float = 10) -> bool:
        """Whether every connection is closed, waiting a little."""
        end = time.monotonic() + patience
        while self.open and time.monotonic() < end:
            time.sleep(0.02)
        return self.open == 0


def events(handler: BaseHTTPRequestHandler, pieces: list[str], *, done: bool = True) -> None:
    """Streams JSON documents as server-sent events."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for piece in pieces:
        handler.wfile.write(f"data: {piece}\n\n".encode())
        handler.wfile.flush()
    if done:
        handler.wfile.write(b"data: [DONE]\n\n")


def chat(text: str, *, size: int = 7, whole: bool = True) -> Reply:
    """Answers as OpenAI's chat does, in pieces."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        pieces = [
            json.dumps({"choices": [{"delta": {"content": text[at : at + size]}}]})
            for at in range(0, len(text), size)
        ]
        if whole:
            pieces.append(json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
            usage = {"prompt_tokens": 123, "completion_tokens": 45}
            pieces.append(json.dumps({"choices": [], "usage": usage}))
        events(handler, pieces, done=whole)

    return reply


def completion(text: str) -> Reply:
    """Answers as OpenAI's older completions do, without a stream."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        choice = {"text": text, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 4}
        body = json.dumps({"choices": [choice], "usage": usage})
        send(handler, 200, body)

    return reply


def messages(text: str) -> Reply:
    """Answers as Anthropic's messages do."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        events(
            handler,
            [
                json.dumps({"type": "message_start", "message": {"usage": {"input_tokens": 9}}}),
                json.dumps({"type": "content_block_delta", "delta": {"text": text}}),
                json.dumps(
                    {
                        "type": "message_delta",
                        "delta": {"stop_reason": "end_turn"},
                        "usage": {"output_tokens": 8},
                    }
                ),
                json.dumps({"type": "message_stop"}),
            ],
            done=False,
        )

    return reply


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: str,
    kind: str = "application/json",
    **headers: str,
) -> None:
    """Sends one whole answer."""
    data = body.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(data)))
    handler.send_header("Connection", "close")
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def status(code: int, body: str = "{}", **headers: str) -> Reply:
    """Refuses."""
    return lambda handler: send(handler, code, body, **headers)


def plain(body: str, kind: str = "application/json") -> Reply:
    """Sends this text."""
    return lambda handler: send(handler, 200, body, kind)


def huge(handler: BaseHTTPRequestHandler) -> None:
    """Streams far more than anybody wants."""
    piece = json.dumps({"choices": [{"delta": {"content": "x" * 60_000}}]})
    events(handler, [piece] * 400)


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Begins to answer and says nothing more until the other side leaves."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    handler.wfile.write(b'data: {"choices": [{"delta": {"content": "I am "}}]}\n\n')
    handler.wfile.flush()
    wait_for_end(handler)


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Says nothing at all until the other side leaves."""
    wait_for_end(handler)


def wait_for_end(handler: BaseHTTPRequestHandler) -> None:
    """Returns when the other side has closed the connection."""
    handler.connection.settimeout(60)
    try:
        while handler.connection.recv(4096):
            pass
    except OSError:
        pass


@contextmanager
def serve(
    *replies: Reply, certificate: Path | None = None, key: Path | None = None
) -> Iterator[ModelServer]:
    """Serves the replies in their order, the last one for ever."""
    state = ModelServer(replies=list(replies))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = json.loads(self.rfile.read(length))
            with lock:
                state.requests.append(body | {"path": self.path})
                state.headers.append(dict(self.headers.items()))
                reply = state.replies.pop(0) if len(state.replies) > 1 else state.replies[0]
            self.close_connection = True
            with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                reply(self)

        def log_message(self, *arguments: Any) -> None:
            pass

        def setup(self) -> None:
            with lock:
                state.open += 1
            super().setup()

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()
            with lock:
                state.open -= 1

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        state.scheme = "https"
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
