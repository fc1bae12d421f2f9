"""`secondlook kb` and the entries of a user: the knowledge base from outside."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import samples
from support.binary import Secondlook

ID = re.compile(r"^(py|c)/[a-z0-9]+(-[a-z0-9]+)*$")
URL = re.compile(r"https://\S+")
STRANGER = "py/parcel-opened-unchecked"


def first_column(text: str) -> list[str]:
    """The first word of each line that begins with one."""
    return [line.split()[0] for line in text.splitlines() if line[:1].strip()]


def ids(secondlook: Secondlook) -> list[str]:
    """Every id that is listed."""
    outcome = secondlook("kb", "list")
    assert outcome.code == 0, outcome
    return first_column(outcome.out)


def search(secondlook: Secondlook, text: str) -> list[str]:
    """The ids that a search ranks, best first; it ends with 1 when it finds nothing."""
    outcome = secondlook("kb", "search", "--", text)
    lines = [line.split() for line in outcome.out.splitlines()]
    # The score stands in front.
    found = [words[1] for words in lines if len(words) > 2 and ID.match(words[1])]
    assert outcome.code == (0 if found else 1), outcome
    return found


def add(secondlook: Secondlook, name: str, text: str) -> Path:
    """Puts a file into the user's folder."""
    secondlook.entries.mkdir(parents=True, exist_ok=True)
    path = secondlook.entries / name
    path.write_text(text)
    return path


def add_strangers_entry(secondlook: Secondlook) -> Path:
    """Puts the stranger's entry into the user's folder."""
    return add(secondlook, "parcel-opened-unchecked.md", samples.STRANGERS_ENTRY)


def test_the_list_names_one_entry_a_line(secondlook: Secondlook) -> None:
    listed = ids(secondlook)
    assert len(listed) >= 24
    assert len(set(listed)) == len(listed)
    assert all(ID.match(it) for it in listed), listed
    assert {it.split("/")[0] for it in listed} == {"py", "c"}


def test_every_entry_shows_why_and_what_instead(secondlook: Secondlook) -> None:
    listed = ids(secondlook)
    assert listed
    for entry in listed:
        shown = secondlook("kb", "show", entry)
        assert shown.code == 0
        assert entry in shown.out
        assert re.search(r"\bCWE-\d+\b", shown.out), shown.out
        assert re.search(r"^\W*why\b", shown.out, re.IGNORECASE | re.MULTILINE), shown.out
        assert re.search(r"^\W*guideline\b", shown.out, re.IGNORECASE | re.MULTILINE), shown.out
        assert URL.search(shown.out), shown.out


def test_an_unknown_entry_is_an_error_that_names_it(secondlook: Secondlook) -> None:
    outcome = secondlook("kb", "show", "py/no-such-thing")
    assert outcome.code == 2
    assert "py/no-such-thing" in outcome.err


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("shell=True", "shell=True"),
        ("pickle.loads", "pickle.loads"),
        ("yaml.load", "yaml.load"),
        ("verify=False", "verify=False"),
        ("%s", "%s"),
        ("->", "->"),
        ("sizeof", "sizeof"),
        ("mktemp", "mktemp"),
        ("use after free", "free"),
    ],
)
def test_code_is_found_whole(secondlook: Secondlook, text: str, sign: str) -> None:
    found = search(secondlook, text)
    assert found, f"nothing is found for {text}"
    assert sign in secondlook("kb", "show", found[0]).out


@pytest.mark.parametrize(
    ("text", "weakness"),
    [
        ("shell=True", "CWE-78"),
        ("pickle.loads", "CWE-502"),
        ("pickle", "CWE-502"),
        ("sql query built from a string", "CWE-89"),
        ("path traversal", "CWE-22"),
    ],
)
def test_the_best_hit_is_about_the_weakness(
    secondlook: Secondlook, text: str, weakness: str
) -> None:
    best = search(secondlook, text)[0]
    assert re.search(rf"\b{weakness}\b", secondlook("kb", "show", best).out)


def test_a_search_without_hits_says_so(secondlook: Secondlook) -> None:
    assert search(secondlook, "zyxwvutsrq") == []
    assert "nothing" in secondlook("kb", "search", "zyxwvutsrq").err


def test_the_numbers_agree_with_the_list(secondlook: Secondlook) -> None:
    outcome = secondlook("kb", "stats")
    assert outcome.code == 0
    assert str(len(ids(secondlook))) in re.findall(r"\d+", outcome.out)


class TestStranger:
    """A new file in the user's folder is an entry, with no other change."""

    def test_it_is_listed_shown_and_counted(self, secondlook: Secondlook) -> None:
        before = ids(secondlook)
        assert STRANGER not in before
        add_strangers_entry(secondlook)
        assert sorted(ids(secondlook)) == sorted([*before, STRANGER])
        shown = secondlook("kb", "show", STRANGER)
        assert "openSealedParcel" in shown.out
        assert "https://docs.python.org/3/library/pickle.html" in shown.out

    @pytest.mark.parametrize(
        "text",
        [
            "openUncheckedParcel",
            "parcels.openUncheckedParcel",
            "unchecked parcel",
            "parcel",
            "sealed",
        ],
    )
    def test_it_is_found_whole_and_in_parts(self, secondlook: Secondlook, text: str) -> None:
        assert STRANGER not in search(secondlook, text)
        add_strangers_entry(secondlook)
        assert search(secondlook, text)[0] == STRANGER

    def test_it_fires_and_mends(self, secondlook: Secondlook, folder: Path) -> None:
        path = folder / "post.py"
        path.write_text(samples.STRANGERS_CODE)
        assert secondlook.check(folder).findings == []
        entry = add_strangers_entry(secondlook)
        report = secondlook.check(folder)
        (finding,) = report.findings
        assert finding["entry"] == STRANGER
        assert finding["range"]["start"]["line"] == 5
        assert report.outcome.code == 1

        secondlook("check", "--fix", folder)
        assert "parcels.openSealedParcel(data)" in path.read_text()

        entry.unlink()
        path.write_text(samples.STRANGERS_CODE)
        assert secondlook.check(folder).findings == []

    def test_a_folder_inside_is_read_too(self, secondlook: Secondlook) -> None:
        (secondlook.entries / "python").mkdir(parents=True)
        add(secondlook, "python/parcel-opened-unchecked.md", samples.STRANGERS_ENTRY)
        assert STRANGER in ids(secondlook)


class TestBrokenEntry:
    """A mistake in one entry is said with file and line, and costs nothing else."""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('severity = "error"', 'severity = "error"\ncolour = "red"'),
            ('severity = "error"', 'severity = "deadly"'),
            ('callee = ["parcels.openUncheckedParcel"]', 'calee = ["parcels.open"]'),
            ('severity = "error"', 'severity = "error'),
            ('on = "call"', 'on = "cal"'),
        ],
        ids=["unknown key", "unknown severity", "misspelt key", "open string", "unknown fact"],
    )
    def test_file_and_line_are_named(
        self, secondlook: Secondlook, folder: Path, old: str, new: str
    ) -> None:
        text = samples.STRANGERS_ENTRY.replace(old, new, 1)
        assert text != samples.STRANGERS_ENTRY
        line = next(
            number
            for number, (was, now) in enumerate(
                zip(samples.STRANGERS_ENTRY.splitlines(), text.splitlines(), strict=False), 1
            )
            if was != now
        )
        add(secondlook, "parcel-opened-unchecked.md", text)
        other = samples.STRANGERS_ENTRY.replace("parcel-opened-unchecked", "crate-opened-unchecked")
        add(secondlook, "crate-opened-unchecked.md", other)
        (folder / "app.py").write_text(samples.PY_SHELL.format(head="", note=""))
        (folder / "post.py").write_text(samples.STRANGERS_CODE)

        listed = secondlook("kb", "list")
        assert f"parcel-opened-unchecked.md:{line}" in listed.err, listed.err
        assert "py/crate-opened-unchecked" in first_column(listed.out)
        assert STRANGER not in first_column(listed.out)

        report = secondlook.check(folder)
        assert f"parcel-opened-unchecked.md:{line}" in report.outcome.err
        assert "CWE-78" in report.cwes("app.py")
        assert [it["entry"] for it in report.of("post.py")] == ["py/crate-opened-unchecked"]

    def test_a_file_that_is_no_entry_is_named(self, secondlook: Secondlook) -> None:
        add(secondlook, "notes.md", "# Shopping\n\n- milk\n")
        listed = secondlook("kb", "list")
        assert "notes.md:1" in listed.err
        assert len(first_column(listed.out)) >= 24

    def test_a_file_that_is_no_text_is_named(self, secondlook: Secondlook) -> None:
        add_strangers_entry(secondlook)
        (secondlook.entries / "picture.md").write_bytes(b"\x89PNG\xff\xfe\x00" * 40)
        listed = secondlook("kb", "list")
        assert "picture.md" in listed.err
        assert STRANGER in first_column(listed.out)
