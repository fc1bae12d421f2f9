"""`secondlook kb import`: discussions that a user brings along, from outside."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support import samples
from support.binary import Secondlook
from support.dump import NAME, Dump, gzipped, zstandard

SCANF = '#include <stdio.h>\nvoid ask(void) {\n    char line[64];\n    scanf("%s", line);\n}\n'


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    """A copy of the sample."""
    return Dump.copy(tmp_path / "dump")


def index(secondlook: Secondlook, name: str = NAME) -> Path:
    """Where an index lies."""
    return secondlook.home / "data" / "secondlook" / "indexes" / name


def links(secondlook: Secondlook, text: str) -> list[str]:
    """The answers that a search finds, best first."""
    outcome = secondlook("kb", "search", "-k", "20", "--", text)
    return re.findall(r"https://stackoverflow\.com/a/(\d+)", outcome.out)


def steps(text: str) -> dict[str, tuple[int, int]]:
    """The table of an import: kept and dropped by step."""
    rows = re.findall(r"^(\S.*?)\s+(\d+)\s+(\d+)$", text, re.MULTILINE)
    return {name: (int(kept), int(dropped)) for name, kept, dropped in rows}


def test_each_step_says_what_it_kept(secondlook: Secondlook, dump: Dump) -> None:
    outcome = dump.run(secondlook, "--tags", "python,c")
    assert outcome.code == 0, outcome
    assert steps(outcome.out) == {
        "answers": (9, 5),
        "tagged python, c": (8, 1),
        "with a code block": (7, 1),
        "with a comment": (6, 1),
        "with a comment on security": (5, 1),
        "with 1 vote on it or on a comment": (4, 1),
    }
    assert "4 discussions: 4 added, 0 changed, 0 removed, 0 unchanged" in outcome.out


def test_without_tags_every_language_is_kept(secondlook: Secondlook, dump: Dump) -> None:
    assert "5 discussions: 5 added" in dump.run(secondlook).out
    assert links(secondlook, "ObjectInputStream readObject") == ["10"]


@pytest.mark.parametrize(
    ("skip", "kept"),
    [("votes", 6), ("security,votes", 7), ("comment,security,votes", 8), ("code", 6)],
)
def test_each_step_can_be_left_out(
    secondlook: Secondlook, dump: Dump, skip: str, kept: int
) -> None:
    outcome = dump.run(secondlook, "--skip", skip)
    assert f"{kept} discussions:" in outcome.out, outcome


def test_words_of_ones_own(secondlook: Secondlook, dump: Dump, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("nice and SHORT\n")
    outcome = dump.run(secondlook, "--keywords", words)
    assert "1 discussion: 1 added" in outcome.out
    assert links(secondlook, "configparser") == ["5"]
    words.write_text("(")
    outcome = dump.run(secondlook, "--keywords", words)
    assert outcome.code == 2
    assert "expression" in outcome.err


def test_a_hit_shows_who_wrote_it_when_and_under_which_licence(
    secondlook: Secondlook, dump: Dump
) -> None:
    assert dump.run(secondlook).code == 0
    found = secondlook("kb", "search", "shelve.open(strangerbox)", "--explain").out
    assert "https://stackoverflow.com/a/2\n" in found
    # The row names no licence; that of its day holds.
    assert "by user 102, 2010-05-02, score 14, CC BY-SA 2.5" in found
    assert "How can a small program keep its settings between runs?" in found
    assert "unpickles what it finds" in found
    assert re.search(r"strangerbox in code \(1 of 5\)", found), found
    assert "k1 1.2 and b 0.75" in found
    assert "by old hand, 2012-09-11" in secondlook("kb", "search", "scanf %s line").out


def test_names_of_authors_come_from_the_users(secondlook: Secondlook, dump: Dump) -> None:
    assert dump.run(secondlook, "--users", dump.users).code == 0
    found = secondlook("kb", "search", "shelve.open(strangerbox)").out
    assert "by Shelf Friend, 2010-05-02" in found
    assert "(Wary Reader)" in found


def test_addresses_are_cleaned(secondlook: Secondlook, dump: Dump) -> None:
    assert dump.run(secondlook).code == 0
    stored = b"".join(it.read_bytes() for it in (index(secondlook) / "bm25").glob("*.store"))
    assert b"[URL]" in stored
    assert b"[EMAIL]" in stored
    assert b"example.org" not in stored


@pytest.mark.parametrize("pack", [gzipped, zstandard], ids=["gzip", "zstandard"])
def test_packed_files_are_read_as_they_are(
    secondlook: Secondlook, dump: Dump, pack: Callable[[Path], Path]
) -> None:
    outcome = secondlook(
        "kb", "import", "--posts", pack(dump.posts), "--comments", pack(dump.comments)
    )
    assert "5 discussions: 5 added" in outcome.out, outcome
    assert "2" in links(secondlook, "shelve.open")


def test_a_newer_dump_brings_the_index_up_to_date(secondlook: Secondlook, dump: Dump) -> None:
    assert dump.run(secondlook).code == 0
    assert "0 added, 0 changed, 0 removed, 5 unchanged" in dump.run(secondlook).out
    dump.replace(dump.posts, "strangerbox", "renamedbox")
    dump.drop(dump.posts, 'Id="8" ')
    dump.replace(dump.comments, "Nice and short.", "Nice, short and insecure.")
    outcome = dump.run(secondlook)
    assert "5 discussions: 1 added, 1 changed, 1 removed, 3 unchanged" in outcome.out, outcome
    assert links(secondlook, "scanf") == []
    assert links(secondlook, "configparser") == ["5"]
    assert links(secondlook, "renamedbox") == ["2"]
    assert links(secondlook, "strangerbox") == []


def test_check_shows_imported_discussions(secondlook: Secondlook, dump: Dump, folder: Path) -> None:
    assert dump.run(secondlook).code == 0
    (folder / "ask.c").write_text(SCANF)
    found = [it for it in secondlook.check(folder).of("ask.c") if "imported" in it]
    assert found
    best = found[0]["imported"][0]
    assert best["url"] == "https://stackoverflow.com/a/8"
    assert (best["author"], best["date"], best["votes"]) == ("old hand", "2012-09-11", 4)
    assert best["licence"] == "CC BY-SA 3.0"
    assert "buffer overflow" in best["warns"]
    shown = secondlook("check", "--explain", folder).out
    assert "by old hand, 2012-09-11, score 4, CC BY-SA 3.0" in shown
    silent = secondlook.check("--set", "show-discussions=false", folder)
    assert not any("imported" in it for it in silent.findings)


def test_one_language_is_not_served_with_another(
    secondlook: Secondlook, dump: Dump, folder: Path
) -> None:
    assert dump.run(secondlook).code == 0
    outcome = secondlook("kb", "search", "--language", "c", "--", "readObject shelve.open scanf")
    assert re.findall(r"/a/(\d+)", outcome.out) == ["8"]


def test_indexes_are_listed_and_removed(secondlook: Secondlook, dump: Dump) -> None:
    assert dump.run(secondlook, "--name", "mine").code == 0
    assert re.search(r"^  mine +5 discussions from", secondlook("kb", "list").out, re.MULTILINE)
    info = secondlook("kb", "info").out
    assert "mine: 5 discussions" in info
    assert re.search(r"with a comment on security +6 kept, 1 dropped", info), info
    assert secondlook("kb", "remove", "mine").code == 0
    assert "mine" not in secondlook("kb", "info").out
    assert secondlook("kb", "remove", "mine").code == 2


def test_indexes_can_lie_elsewhere(secondlook: Secondlook, dump: Dump, folder: Path) -> None:
    there = folder / "indexes"
    assert dump.run(secondlook, "--index", there).code == 0
    assert links(secondlook, "strangerbox") == []
    found = secondlook("kb", "search", "strangerbox", "--index", there).out
    assert "/a/2" in found
    (folder / "secondlook.toml").write_text('index = "indexes"\n')
    assert "/a/2" in secondlook("kb", "search", "strangerbox", cwd=folder).out


# Hostile input.


def traversing() -> bytes:
    """A packed archive whose one file would lie outside of wherever it is unpacked."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../../outside.xml"), io.BytesIO())
    return packed.getvalue()


def test_an_archive_writes_nothing_anywhere(secondlook: Secondlook, dump: Dump) -> None:
    dump.posts.write_bytes(traversing())
    assert dump.run(secondlook).code == 2
    left = [it for it in secondlook.home.rglob("*") if "outside" in it.name]
    assert left == []


def test_imports_at_the_same_time(secondlook: Secondlook, dump: Dump) -> None:
    command = ["kb", "import", "--posts", str(dump.posts), "--comments", str(dump.comments)]
    started = [
        subprocess.Popen(
            [secondlook.path, *command],
            env=secondlook.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    ended = [(it.communicate(timeout=60)[1], it.returncode) for it in started]
    assert any(code == 0 for _, code in ended), ended
    for said, code in ended:
        assert code == 0 or code == 2 and "another import" in said, ended
    assert links(secondlook, "strangerbox") == ["2"]
    assert secondlook("kb", "verify").code in (0, 1)
    assert "damaged" not in secondlook("kb", "verify").all


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "it was cut"),
        (b"hello\n", "no file of a Stack Exchange dump"),
        (b'{"rows": []}\n', "no file of a Stack Exchange dump"),
        (b"\xff\xfe<\0?\0x\0m\0l\0\n", "UTF-16"),
        (b"PK\x03\x04rest", "archive"),
        (b"7z\xbc\xaf\x27\x1crest", "archive"),
        (traversing(), "it was cut"),
        (b"<comments>\n</comments>\n", "instead of <posts>"),
        (b"<posts>\n" + b"rubbish\n" * 2000 + b"</posts>\n", "more than 1000 rows"),
        (b"<posts>\n" + b"x" * (9 << 20), "it was cut"),
    ],
    ids=[
        "empty",
        "prose",
        "json",
        "utf-16",
        "archive",
        "7z",
        "tar.gz that leads out",
        "comments",
        "rubbish",
        "one endless line",
    ],
)
def test_what_is_no_dump_is_refused_and_the_old_index_serves(
    secondlook: Secondlook, dump: Dump, text: bytes, message: str
) -> None:
    assert dump.run(secondlook).code == 0
    dump.posts.write_bytes(text)
    outcome = dump.run(secondlook)
    assert outcome.code == 2, outcome
    assert message in outcome.err, outcome
    assert "Posts.xml" in outcome.err
    assert links(secondlook, "strangerbox") == ["2"]


@pytest.mark.parametrize("name", ["Posts.xml", "Comments.xml"])
def test_a_file_that_was_cut_takes_nothing_away(
    secondlook: Secondlook, dump: Dump, name: str
) -> None:
    assert dump.run(secondlook).code == 0
    whole = (dump.folder / name).read_bytes()
    for length in (len(whole) - 3, len(whole) // 2, 60):
        (dump.folder / name).write_bytes(whole[:length])
        outcome = dump.run(secondlook)
        assert outcome.code == 2, outcome
        assert re.search(rf"{name}:\d+: .*cut", outcome.err), outcome
    assert links(secondlook, "strangerbox") == ["2"]
    (dump.folder / name).write_bytes(whole)
    assert "5 unchanged" in dump.run(secondlook).out


def test_rows_that_cannot_be_read_are_named_and_left_out(
    secondlook: Secondlook, dump: Dump
) -> None:
    dump.replace(
        dump.posts,
        "</posts>",
        '  <row Id="90" PostTypeId=2 />\n  <row Id="x" PostTypeId="2" />\n  <row Id="91"\n</posts>',
    )
    outcome = dump.run(secondlook)
    assert outcome.code == 0, outcome
    assert "3 could not be read" in outcome.err
    assert re.search(r"Posts\.xml:17: ", outcome.err), outcome.err
    assert "5 discussions" in outcome.out


def test_entities_are_not_expanded(secondlook: Secondlook, dump: Dump) -> None:
    whole = dump.posts.read_text()
    dump.replace(dump.posts, "unpickle" if "unpickle" in whole else "shelve", "&bomb;")
    outcome = dump.run(secondlook)
    assert outcome.code == 0
    assert "could not be read" in outcome.err
    bomb = '<!DOCTYPE posts [<!ENTITY a "aaaa"><!ENTITY bomb "&a;&a;&a;&a;">]>\n<posts>'
    dump.posts.write_text(whole.replace("<posts>", bomb))
    outcome = dump.run(secondlook)
    assert outcome.code == 2
    assert "document type" in outcome.err


def test_scripts_and_orders_stay_text(secondlook: Secondlook, dump: Dump) -> None:
    assert dump.run(secondlook, "--users", dump.users).code == 0
    shown = secondlook("kb", "search", "path_of_visitor").out
    assert "/a/12" in shown
    assert "alert('shelve')" not in shown
    assert "\x1b" not in shown
    stored = b"".join(it.read_bytes() for it in (index(secondlook) / "bm25").glob("*.store"))
    assert b"onclick" not in stored


def test_two_imports_at_once(secondlook: Secondlook, dump: Dump) -> None:
    assert dump.run(secondlook).code == 0
    with (index(secondlook) / "writer.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = dump.run(secondlook)
        assert outcome.code == 2
        assert f"another import is writing the index `{NAME}`" in outcome.err
        assert links(secondlook, "strangerbox") == ["2"]
    assert dump.run(secondlook).code == 0


@pytest.mark.parametrize("cleared", [False, True], ids=["whole", "half-cleared"])
def test_an_import_that_was_killed_goes_on(
    secondlook: Secondlook, dump: Dump, cleared: bool
) -> None:
    filler = (
        '  <row Id="{}" PostId="1" Score="0" Text="{}" CreationDate="2019-02-03T00:00:00.000" />\n'
    )
    rows = "".join(filler.format(1000 + it, "words " * 40) for it in range(120_000))
    dump.replace(dump.comments, "</comments>", rows + "</comments>")
    state = index(secondlook) / "import" / "state"
    command = ["kb", "import", "--posts", dump.posts, "--comments", dump.comments]
    process = subprocess.Popen(
        [secondlook.path, *map(str, command)],
        env=secondlook.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not state.exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert secondlook("kb", "search", "strangerbox").code == 1
    if cleared:
        # As left by a run that was killed while it cleared up.
        (state.parent / "answers").unlink()
    outcome = dump.run(secondlook)
    assert outcome.code == 0, outcome
    assert ("went on with an earlier run" in outcome.err) != cleared
    assert "5 discussions: 5 added" in outcome.out
    assert list(steps(outcome.out).values())[0] == (9, 5)
    assert not state.exists()


@pytest.mark.parametrize("limit", [1, 4, 12])
def test_a_full_disk_is_an_error_and_the_old_index_serves(
    secondlook: Secondlook, dump: Dump, limit: int
) -> None:
    assert dump.run(secondlook, "--name", "mine").code == 0
    dump.replace(dump.posts, "strangerbox", "renamedbox " * 3000)
    # Files may not grow beyond so many KiB, which a writer sees as it sees a full disk.
    secondlook.prefix = ["bash", "-c", f"trap '' XFSZ; ulimit -f {limit}; exec \"$@\"", "-"]
    outcome = dump.run(secondlook, "--name", "mine")
    secondlook.prefix = []
    assert outcome.code == 2, outcome
    assert "mine" in outcome.err, outcome
    assert links(secondlook, "strangerbox") == ["2"]
    assert "1 changed" in dump.run(secondlook, "--name", "mine").out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_small_disk(secondlook: Secondlook, dump: Dump, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        assert dump.run(secondlook, "--index", disk).code == 0
        dump.replace(dump.posts, "strangerbox", "renamedbox " * 9000)
        outcome = dump.run(secondlook, "--index", disk)
        assert outcome.code == 2, outcome
        assert "No space left" in outcome.err
        found = secondlook("kb", "search", "strangerbox", "--index", disk)
        assert "/a/2" in found.out
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_index_that_was_cut_is_named_and_the_rest_serves(
    secondlook: Secondlook, dump: Dump
) -> None:
    assert dump.run(secondlook).code == 0
    assert dump.run(secondlook, "--name", "other").code == 0
    files = [
        it for it in (index(secondlook) / "bm25").iterdir() if it.suffix in (".store", ".term")
    ]
    for number, file in enumerate(sorted(files)):
        os.truncate(file, file.stat().st_size // (2 + number))
    outcome = secondlook("kb", "search", "strangerbox")
    assert "damaged" in outcome.err
    assert NAME in outcome.err
    assert "--rebuild" in outcome.err
    assert "other: How can" in outcome.out
    assert secondlook("kb", "search", "shell=True").code == 0
    assert dump.run(secondlook).code == 2
    assert dump.run(secondlook, "--rebuild").code == 0
    assert f"{NAME}: How can" in secondlook("kb", "search", "strangerbox").out


def test_an_index_of_another_format_says_so(secondlook: Secondlook, dump: Dump) -> None:
    assert dump.run(secondlook).code == 0
    (index(secondlook) / "stamp.json").write_text('{"format": 999}')
    outcome = secondlook("kb", "list")
    assert "has format 999" in outcome.err
    assert "import it again with --rebuild" in outcome.err
    assert dump.run(secondlook).code == 2
    assert dump.run(secondlook, "--rebuild").code == 0
    assert links(secondlook, "strangerbox") == ["2"]


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", ".hidden", "-x", "", "a" * 65])
def test_a_name_leads_nowhere(secondlook: Secondlook, dump: Dump, name: str) -> None:
    outcome = dump.run(secondlook, f"--name={name}")
    assert outcome.code == 2
    assert "cannot name an index" in outcome.err
    assert secondlook("kb", "remove", "--", name).code == 2


# Notes and entries.

NOTE = """---
author: Platform team
date: 2024-05-01
tags: [python]
---
# Parcels come from strangers

Never call `parcel.unwrap` on what a visitor sent; see https://intranet.example.org/parcels.

```python
import parcel

parcel.unwrap(visitor_bytes)
```
"""


def test_notes_are_found_and_kept_up_to_date(secondlook: Secondlook, folder: Path) -> None:
    (folder / "deep").mkdir()
    note = folder / "deep" / "parcels.md"
    note.write_text(NOTE)
    (folder / "bad.md").write_bytes(b"\xff\xfe")
    outcome = secondlook("kb", "import", "--notes", folder, "--name", "acme")
    assert outcome.code == 0, outcome
    assert "bad.md: it is not UTF-8" in outcome.err
    found = secondlook("kb", "search", "parcel.unwrap").out
    assert "acme: Parcels come from strangers" in found
    assert "by Platform team, 2024-05-01" in found
    assert "deep/parcels.md" in found
    note.write_text(NOTE.replace("unwrap", "open_up"))
    assert "1 changed" in secondlook("kb", "import", "--notes", folder, "--name", "acme").out
    assert secondlook("kb", "search", "parcel.unwrap").code == 0
    note.unlink()
    assert "1 removed" in secondlook("kb", "import", "--notes", folder, "--name", "acme").out


def test_notes_lead_nowhere_else(secondlook: Secondlook, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("# Secret\n\nzyxwvut\n")
    (folder / "link.md").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / "plain.md").write_text(
        "---\ntitle: ../../x\nlink: javascript:alert(1)\n---\nplain qwerty\n"
    )
    outcome = secondlook("kb", "import", "--notes", folder, "--name", "acme")
    assert outcome.code == 0, outcome
    assert "it is a link" in outcome.err
    assert "1 discussion:" in outcome.out
    assert secondlook("kb", "search", "zyxwvut").code == 1
    assert "javascript" not in secondlook("kb", "search", "qwerty").out


def test_entries_are_added_listed_and_removed(secondlook: Secondlook, folder: Path) -> None:
    good = folder / "parcel-opened-unchecked.md"
    good.write_text(samples.STRANGERS_ENTRY)
    (folder / "bad.md").write_text("+++\nid = 1\n+++\n")
    outcome = secondlook("kb", "add", folder)
    assert outcome.code == 2
    assert "1 added, 1 refused" in outcome.err
    assert "bad.md" in outcome.err
    listed = secondlook("kb", "list")
    assert listed.err == "", "what was refused was copied"
    line = next(it for it in listed.out.splitlines() if it.startswith("py/parcel-opened"))
    assert "entries/project/" in line
    assert secondlook("kb", "add", good).code == 2, "an id that is taken"
    assert secondlook("kb", "remove", "py/parcel-opened-unchecked").code == 0
    assert "py/parcel-opened" not in secondlook("kb", "list").out
    assert secondlook("kb", "add", good).code == 0
    assert secondlook("kb", "remove", "added").code == 0
    assert "py/parcel-opened" not in secondlook("kb", "list").out
    assert secondlook("kb", "remove", "py/sql-built").code == 2


def test_verify_names_what_to_look_at(secondlook: Secondlook, dump: Dump, folder: Path) -> None:
    assert secondlook("kb", "verify").code == 0
    dump.replace(dump.comments, "Worked for me, thanks!", "This is outdated since 3.8.")
    dump.replace(dump.posts, 'OwnerUserId="115" ', "")
    # Answer 11 now has the code of answer 2 and no other.
    blocks = re.findall(r"&lt;pre&gt;.*?&lt;/pre&gt;", dump.posts.read_text())
    other = next(it for it in blocks if "vformat" in it)
    dump.replace(dump.posts, other, next(it for it in blocks if "strangerbox" in it))
    assert dump.run(secondlook).code == 0
    outcome = secondlook("kb", "verify")
    assert outcome.code == 1, outcome
    assert re.search(r"/a/11: lacks attribution: no author", outcome.out), outcome.out
    assert re.search(r"/a/2: looks outdated: user 101 says", outcome.out), outcome.out
    assert re.search(r"/a/(2|11): repeats another", outcome.out), outcome.out


def test_pairs_are_exported(secondlook: Secondlook, folder: Path) -> None:
    out = secondlook("kb", "export", "--pairs").out
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) > 100
    for line in lines:
        assert line["vulnerable"].strip()
        assert line["secure"].strip()
        assert line["vulnerable"] != line["secure"]
        assert line["cwe"][0].startswith("CWE-")
        assert line["language"] in ("python", "c")
    assert secondlook("kb", "export", "--pairs", "-o", folder / "pairs.jsonl").code == 0
    assert (folder / "pairs.jsonl").read_text() == out
