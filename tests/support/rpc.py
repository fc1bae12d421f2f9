"""A language client small enough to be sure of: it sends without waiting and keeps all it is sent.

It knows the wire and a handful of methods; it checks that nothing but protocol stands on the wire
and that published versions never go backwards.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# How long a test waits for something that must come, in seconds; the binary is not optimised.
PATIENCE = 60.0

Json = dict[str, Any]


# How a fixture hands out clients: by what they say of themselves.
Start = Callable[[Json], "Client"]


class ResponseError(Exception):
    """The server answered with an error."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code: int = error["code"]


class Client:
    """A server's process and everything it said. Use it as a context manager."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: dict[str, str] | None = None,
        cwd: Path | None = None,
        on_message: Callable[[Json], None] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [str(it) for it in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=cwd,
        )
        self.capabilities: Json = {}
        self.responses: dict[int, Json] = {}
        self.notifications: list[Json] = []
        self.requests: list[Json] = []
        self.published: dict[str, Json] = {}
        self.stderr = ""
        self.trouble: list[str] = []
        # What a server is told that asks for our settings.
        self.settings: Any = None
        # What a server is told that wants an edit applied.
        self.applies: Json = {"applied": True}
        self._on_message = on_message
        self._changed = threading.Condition()
        self._ended = False
        self._sending = threading.Lock()
        self._next_id = 0
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is self.process.stdin:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join(10)
        if kind is None:
            assert self.trouble == [], self.trouble
            assert "panicked at" not in self.stderr, self.stderr

    # The wire.

    def send(self, message: Json) -> None:
        """Writes one message."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        with self._sending:
            assert self.process.stdin is not None
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            self.process.stdin.flush()

    def notify(self, method: str, params: Any) -> None:
        """Sends a notification."""
        self.send({"method": method, "params": params})

    def start_request(self, method: str, params: Any) -> int:
        """Sends a request and does not wait for the answer."""
        self._next_id += 1
        self.send({"id": self._next_id, "method": method, "params": params})
        return self._next_id

    def finish_request(self, number: int, patience: float = PATIENCE) -> Any:
        """Waits for the answer to an earlier request."""
        self.wait(lambda: number in self.responses, f"the answer to request {number}", patience)
        answer = self.responses[number]
        if "error" in answer:
            raise ResponseError(answer["error"])
        return answer["result"]

    def request(self, method: str, params: Any, patience: float = PATIENCE) -> Any:
        """Sends a request and waits for the answer."""
        return self.finish_request(self.start_request(method, params), patience)

    def wait(self, condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Waits until a condition over what was received holds."""
        deadline = time.monotonic() + patience
        with self._changed:
            while not condition():
                assert not self._ended, f"the server ended before {what}: {self.stderr}"
                left = deadline - time.monotonic()
                assert left > 0, f"{what} did not come within {patience} s\n{self.stderr}"
                self._changed.wait(left)

    # The methods that most tests need.

    def initialize(self, capabilities: Json, **more: Any) -> Json:
        """The handshake; returns the server's capabilities."""
        params = {"processId": None, "rootUri": None, "capabilities": capabilities, **more}
        answer = self.request("initialize", params)
        self.capabilities = answer["capabilities"]
        self.notify("initialized", {})
        return self.capabilities

    def open(self, uri: str, text: str, language: str = "python", version: int = 1) -> None:
        """Opens a document."""
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, version: int, changes: list[Json]) -> None:
        """Changes a document."""
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})

    def diagnostics(self, uri: str, version: int) -> list[Json]:
        """The diagnostics of a version, pulled or pushed as the server offered."""
        if "diagnosticProvider" in self.capabilities:
            return self.pull(uri)
        self.wait(lambda: self._version(uri) >= version, f"version {version} of {uri}")
        assert self._version(uri) == version
        return self.published[uri]["diagnostics"]

    def pull(self, uri: str) -> list[Json]:
        """The diagnostics of a document, asked for."""
        params = {"textDocument": {"uri": uri}}
        report = self.request("textDocument/diagnostic", params)
        assert report["kind"] == "full"
        return report["items"]

    def shutdown(self) -> int:
        """Ends the server as the protocol says and returns its exit code."""
        assert self.request("shutdown", None) is None
        self.notify("exit", None)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(10)
        return code

    # Reading.

    def _version(self, uri: str) -> int:
        return self.published.get(uri, {}).get("version", -1)

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        try:
            while True:
                length = None
                while line := stream.readline():
                    if line == b"\r\n":
                        break
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                    elif name.lower() != b"content-type":
                        raise ValueError(f"this is no header: {line!r}")
                if not line:
                    break
                if length is None:
                    raise ValueError("a message without its length")
                self._receive(json.loads(stream.read(length)))
        except ValueError as error:
            self.trouble.append(str(error))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line.decode("utf-8", "replace")

    def _receive(self, message: Json) -> None:
        with self._changed:
            if "method" not in message:
                self.responses[message["id"]] = message
            elif "id" in message:
                self.requests.append(message)
            else:
                self.notifications.append(message)
                if message["method"] == "textDocument/publishDiagnostics":
                    self._publish(message["params"])
            if self._on_message:
                self._on_message(message)
            self._changed.notify_all()
        if "method" in message and "id" in message:
            # The test may be over and the pipe closed by now; nobody waits for this answer then.
            with contextlib.suppress(ValueError, OSError):
                self.send({"id": message["id"], "result": self._answer(message)})

    def _publish(self, params: Json) -> None:
        uri = params["uri"]
        version = params.get("version")
        if version is not None:
            if version < self._version(uri):
                self.trouble.append(f"{uri} went from {self._version(uri)} back to {version}")
            self.published[uri] = params

    def _answer(self, message: Json) -> Any:
        if message["method"] == "workspace/configuration":
            return [self.settings for _ in message["params"]["items"]]
        if message["method"] == "window/showDocument":
            return {"success": True}
        if message["method"] == "workspace/applyEdit":
            return self.applies
        return None
