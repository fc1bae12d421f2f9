"""Dumps for tests: the sample in fixtures, changed, packed and broken.

It knows the files' schema and nothing of who reads them.
"""

from __future__ import annotations

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from support.binary import ROOT, Outcome, Secondlook

SAMPLE = ROOT / "fixtures" / "dump"
NAME = "stackoverflow.com"


@dataclass
class Dump:
    """A copy of the sample that a test may change."""

    folder: Path

    @classmethod
    def copy(cls, folder: Path) -> Dump:
        """A fresh copy."""
        shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
        return cls(folder)

    @property
    def posts(self) -> Path:
        """`Posts.xml`."""
        return self.folder / "Posts.xml"

    @property
    def comments(self) -> Path:
        """`Comments.xml`."""
        return self.folder / "Comments.xml"

    @property
    def users(self) -> Path:
        """`Users.xml`."""
        return self.folder / "Users.xml"

    def replace(self, path: Path, old: str, new: str) -> None:
        """Changes text that must be there."""
        text = path.read_text(encoding="utf-8")
        assert old in text, old
        path.write_text(text.replace(old, new), encoding="utf-8")

    def drop(self, path: Path, sign: str) -> None:
        """Takes away the rows with a sign."""
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if sign not in line]
        assert len(kept) < len(lines), sign
        path.write_text("".join(kept), encoding="utf-8")

    def run(self, secondlook: Secondlook, *more: str | Path) -> Outcome:
        """Imports it."""
        return secondlook("kb", "import", "--posts", self.posts, "--comments", self.comments, *more)


def gzipped(path: Path) -> Path:
    """The file, packed with gzip in two members, as parallel packers write them."""
    packed = path.with_name(path.name + ".gz")
    text = path.read_bytes()
    packed.write_bytes(gzip.compress(text[:1000]) + gzip.compress(text[1000:]))
    return packed


def zstandard(path: Path) -> Path:
    """The file in Zstandard frames with a skippable one between; blocks are stored as they are."""
    packed = path.with_name(path.name + ".zst")
    text = path.read_bytes()
    skippable = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    packed.write_bytes(_frame(text[:1500]) + skippable + _frame(text[1500:]))
    return packed


def _frame(text: bytes) -> bytes:
    """One frame: magic, single segment with its size in four bytes, one raw block."""
    head = b"\x28\xb5\x2f\xfd\xa0" + len(text).to_bytes(4, "little")
    return head + (len(text) << 3 | 1).to_bytes(3, "little") + text


def made(
    folder: Path, answers: list[tuple[str, list[dict[str, object]]]], tags: str = "<python>"
) -> Dump:
    """A dump of one question: answer n + 2 shows this code and has these comments."""
    folder.mkdir(parents=True, exist_ok=True)

    def row(**attributes: object) -> str:
        pairs = [f"{name}={quoteattr(str(value))}" for name, value in attributes.items()]
        return f"  <row {' '.join(pairs)} />\n"

    day = "2020-05-01T09:30:00.000"
    posts = row(Id=1, PostTypeId=1, CreationDate=day, Title="How do I read it?", Tags=tags, Body="")
    comments, number = "", 0
    for place, (code, remarks) in enumerate(answers):
        body = f"<p>Like this:</p>\n<pre><code>{escape(code)}</code></pre>\n"
        answer = {"Id": place + 2, "PostTypeId": 2, "ParentId": 1, "Score": 3}
        posts += row(**answer, CreationDate=day, OwnerUserId=900 + place, Body=body)
        for remark in remarks:
            number += 1
            comments += row(Id=number, PostId=place + 2, CreationDate=day, **remark)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    (folder / "Posts.xml").write_text(f"{head}<posts>\n{posts}</posts>\n")
    (folder / "Comments.xml").write_text(f"{head}<comments>\n{comments}</comments>\n")
    return Dump(folder)
