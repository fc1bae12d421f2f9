"""A stand-in for `secondlook-codecode serve` that does what a test tells it, well or badly.

Run as a program it speaks the real one's language: a line when it is ready, a private socket, a
bearer token, the end of standard input as its own. It notes what happens to it in a folder, and
knows nothing of the project.
"""

from __future__ import annotations

import json
import os
import socketserver
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any


class Local:
    """A program to name in settings, and what it noted."""

    def __init__(
        self, folder: Path, *plan: str, answer: str = "", fillings: tuple[str, ...] = ()
    ) -> None:
        """Each start follows the next word of the plan, the last one for ever.

        Gaps are filled with `fillings`, in turn; one that begins with `...` breaks off.

        `answer` answers, `die` ends while asked, `refuse` ends before it is ready, `hang` begins an
        answer and says no more, `stuck` hangs and does not end with its standard input, `late`
        answers but takes its time to be ready, `slow` fills a gap and never comes to the end. Words
        joined by `+` are for the questions of one start, in order.
        """
        self.folder = folder
        folder.mkdir()
        (folder / "plan").write_text(" ".join(plan))
        (folder / "answer").write_text(answer)
        (folder / "fillings").write_text(json.dumps(fillings))
        (folder / "base.gguf").write_text("a stand-in for a model")
        self.program = folder / "secondlook-codecode"
        source = Path(__file__).resolve()
        self.program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{source}" "{folder}" "$@"\n')
        self.program.chmod(0o755)

    def settings(self, **more: Any) -> dict[str, Any]:
        """The options that make it the model."""
        return {
            "model-provider": "codecode",
            "codecode-program": str(self.program),
            "codecode-base": str(self.folder / "base.gguf"),
            "model-timeout": 20000,
        } | {name.replace("_", "-"): value for name, value in more.items()}

    def options(self, **more: Any) -> list[str]:
        """The same as arguments of the binary."""
        pairs = self.settings(**more).items()
        return [word for name, value in pairs for word in ("--set", f"{name}={value}")]

    def notes(self, kind: str) -> list[Any]:
        """What it noted of this kind, in order."""
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [it["value"] for it in map(json.loads, lines) if it["kind"] == kind]

    def noted(self, kind: str, patience: float = 60) -> None:
        """Waits until it noted something of this kind."""
        end = time.monotonic() + patience
        while not self.notes(kind):
            assert time.monotonic() < end, f"nothing was noted of {kind}"
            time.sleep(0.05)

    def alive(self) -> list[int]:
        """The processes that it started and that still run."""
        return [it for it in self.notes("start") if runs(it)]

    def gone(self, patience: float = 20) -> bool:
        """Whether all of them have ended, waiting a little."""
        end = time.monotonic() + patience
        while self.alive() and time.monotonic() < end:
            time.sleep(0.05)
        return not self.alive()


def runs(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def note(folder: Path, kind: str, value: Any) -> None:
    """Keeps something for the test."""
    with (folder / "notes").open("a") as notes:
        notes.write(json.dumps({"kind": kind, "value": value}) + "\n")


def main() -> None:
    """Follows the plan."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    plan = (folder / "plan").read_text().split()
    earlier = folder / "notes"
    starts = earlier.read_text().count('"start"') if earlier.exists() else 0
    acts = plan[min(starts, len(plan) - 1)].split("+")
    note(folder, "start", os.getpid())
    note(folder, "arguments", words)
    if acts == ["refuse"]:
        sys.exit("secondlook-codecode: base.gguf is not a GGUF file")
    if acts == ["late"]:
        time.sleep(2)
        acts = ["answer"]
    place = words[words.index("--socket") + 1]
    note(folder, "folder", oct(Path(place).parent.stat().st_mode & 0o777))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            act = acts.pop(0) if len(acts) > 1 else acts[0]
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            note(folder, "question", body | {"path": self.path})
            note(folder, "authorization", self.headers["Authorization"])
            print('{"state": "loading"}', flush=True)
            if act == "die":
                os.kill(os.getpid(), 9)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            print('{"state": "decoding"}', flush=True)
            if self.path.endswith("/v1/completions"):
                self.fill(act, int(body["n"]))
                return
            for piece in textwrap.wrap("I am thinking" if act != "answer" else "", 4):
                self.piece({"delta": {"content": piece}})
            if act in ("hang", "stuck"):
                self.linger()
                return
            self.piece({"delta": {"content": (folder / "answer").read_text()}})
            self.piece({"delta": {}, "finish_reason": "stop"})
            self.wfile.write(b"data: [DONE]\n\n")

        def fill(self, act: str, samples: int) -> None:
            """Each sample as the real program streams it: one after the other."""
            fillings = json.loads((folder / "fillings").read_text())
            for index in range(samples if act == "answer" else 0):
                text = fillings[index % len(fillings)]
                cut = text.startswith("...")
                text = text.removeprefix("...")
                for at in range(0, len(text), 5):
                    piece = text[at : at + 5]
                    self.piece({"index": index, "text": piece, "finish_reason": None})
                self.piece(
                    {"index": index, "text": "", "finish_reason": "length" if cut else "stop"}
                )
            if act != "answer":
                text = fillings[0] if act == "slow" else "    retu"
                self.piece({"index": 0, "text": text, "finish_reason": None})
                self.linger()
                return
            self.wfile.write(b"data: [DONE]\n\n")

        def linger(self) -> None:
            """Says nothing useful until the other side leaves."""
            while True:
                time.sleep(0.05)
                try:
                    self.wfile.write(b": still there\n\n")
                except OSError:
                    note(folder, "left", True)
                    return

        def piece(self, choice: dict[str, Any]) -> None:
            self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())

        def log_message(self, *arguments: Any) -> None:
            pass

        def address_string(self) -> str:
            return "socket"

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    server = Server(place, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"ready": f"unix:{place}", "token": "a-token-of-a-stand-in"}), flush=True)
    sys.stdin.read()
    while acts == ["stuck"]:
        time.sleep(1)


if __name__ == "__main__":
    main()
