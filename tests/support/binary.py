"""Runs the built binary as a person would, in an environment of its own.

It knows no crate of the project and reads no file of it except the binary.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Draft202012Validator(
    json.loads((ROOT / "tests" / "e2e" / "check.schema.json").read_text(encoding="utf-8"))
)
# Generous, because the binary under test is built without optimisation: it ends a run that hangs.
PATIENCE = 120


@dataclass
class Outcome:
    """What a finished run left behind."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Everything it printed."""
        return self.out + self.err


@dataclass
class Secondlook:
    """The binary with a home, a data folder and a cache that nobody else uses."""

    path: Path
    home: Path
    cache: Path
    prefix: list[str] = field(default_factory=list)

    @property
    def entries(self) -> Path:
        """Where a user's own entries belong."""
        return self.home / "data" / "secondlook" / "entries"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every run."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
        return kept | {
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CACHE_HOME": str(self.cache),
            "NO_COLOR": "1",
            "TERM": "dumb",
        }

    def __call__(
        self,
        *arguments: str | Path,
        cwd: Path | None = None,
        stdin: str | bytes = b"",
        user: int | None = None,
    ) -> Outcome:
        """Runs it to the end; `user` runs it as somebody else, which only root may ask for."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*self.prefix, str(self.path), *map(str, arguments)],
            cwd=cwd or self.home,
            env=self.environment,
            input=given,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        text = [stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr)]
        outcome = Outcome(done.returncode, *text)
        assert "panicked at" not in outcome.err, outcome.err
        assert outcome.code in (0, 1, 2), outcome
        return outcome

    def check(self, *arguments: str | Path, cwd: Path | None = None, **more: Any) -> Report:
        """Runs `check --format json` and holds the answer against the schema."""
        outcome = self("check", "--format", "json", *arguments, cwd=cwd, **more)
        try:
            document = json.loads(outcome.out)
        except json.JSONDecodeError as error:
            raise AssertionError(f"no JSON document: {error}\n{outcome}") from error
        problems = [f"{it.json_path}: {it.message}" for it in SCHEMA.iter_errors(document)]
        assert not problems, "\n".join(problems)
        return Report(outcome, document, cwd or self.home)


@dataclass
class Report:
    """A validated answer of `check --format json`."""

    outcome: Outcome
    document: dict[str, Any]
    cwd: Path

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The findings as they stand in the document."""
        return self.document["findings"]

    @property
    def skipped(self) -> dict[str, str]:
        """Reason by the name of the file."""
        return {Path(it["path"]).name: it["reason"] for it in self.document["skipped"]}

    def of(self, name: str) -> list[dict[str, Any]]:
        """The findings in files of that name."""
        return [it for it in self.findings if Path(it["path"]).name == name]

    def cwes(self, name: str | None = None) -> set[str]:
        """The weaknesses named by the findings, in one file or in all."""
        chosen = self.findings if name is None else self.of(name)
        return {cwe for it in chosen for cwe in it["cwe"]}

    def file(self, finding: dict[str, Any]) -> Path:
        """Where the finding is."""
        return self.cwd / finding["path"]


def place(text: str, position: dict[str, int]) -> int:
    """The index of a position that counts lines and characters from 1."""
    lines = split_lines(text)
    assert 1 <= position["line"] <= len(lines), position
    before = sum(map(len, lines[: position["line"] - 1]))
    assert 1 <= position["column"] <= len(lines[position["line"] - 1]) + 1, position
    return before + position["column"] - 1


def split_lines(text: str) -> list[str]:
    """Lines with their ends as editors count them, so that form feeds do not end one."""
    lines: list[str] = []
    start = 0
    at = 0
    while at < len(text):
        if text[at] in "\r\n":
            at += 2 if text.startswith("\r\n", at) else 1
            lines.append(text[start:at])
            start = at
        else:
            at += 1
    lines.append(text[start:])
    return lines
