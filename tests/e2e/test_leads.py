"""Leads: code that no entry knows, but of which several people warn in imported discussions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.binary import Secondlook
from support.dump import Dump, made

# Nothing of the bundled knowledge knows this library, because it is made up.
CODE = """\
import parcel


def receive(upload):
    data = upload.read()
    box = parcel.unwrap(data)
    return box.contents
"""
ANSWER = "import parcel\n\nbox = parcel.unwrap(body)\nprint(box.contents)\n"
NAMES_IT = "`parcel.unwrap` runs whatever the sender put in: remote code execution."
NAMES_NOTHING = "This is insecure as soon as somebody else can write the file."
FINE = "There is no security risk here, it is perfectly safe."


def imported(
    secondlook: Secondlook, folder: Path, *answers: list[dict[str, Any]], code: str = ANSWER
) -> None:
    """Imports a dump whose answers show the call, each with these comments."""
    dump = made(folder, [(code, comments) for comments in answers])
    outcome = dump.run(secondlook)
    assert outcome.code == 0, outcome


def comment(text: str, user: int, score: int = 1) -> dict[str, Any]:
    """One comment."""
    return {"Text": text, "UserId": user, "Score": score}


AGREED = [comment(NAMES_IT, 11, 5), comment(NAMES_NOTHING, 12, 2)]


def leads(secondlook: Secondlook, file: Path, *more: str) -> list[dict[str, Any]]:
    """The leads that `check --explain` names."""
    return secondlook.check("--explain", *more, file).document["leads"]


@pytest.fixture
def code(folder: Path) -> Path:
    """The code that wants a look."""
    path = folder / "receive.py"
    path.write_text(CODE)
    return path


def test_what_several_people_warn_of_is_a_lead_and_no_finding(
    secondlook: Secondlook, code: Path, tmp_path: Path
) -> None:
    assert leads(secondlook, code) == []
    imported(secondlook, tmp_path / "dump", AGREED)
    (lead,) = leads(secondlook, code)
    assert lead["sign"] == "parcel.unwrap"
    assert lead["range"]["start"] == {"line": 6, "column": 11}
    assert lead["range"]["end"] == {"line": 6, "column": 24}
    assert CODE.encode()[slice(*lead["bytes"])] == b"parcel.unwrap"
    assert lead["warners"] == 2
    (source,) = lead["sources"]
    assert source["url"] == "https://stackoverflow.com/a/2"
    assert "remote code execution" in source["warns"]
    assert (source["author"], source["licence"]) == ("user 900", "CC BY-SA 4.0")

    report = secondlook.check("--explain", code)
    assert report.outcome.code == 0
    assert report.findings == []
    shown = secondlook("check", "--explain", code)
    assert shown.code == 0
    assert "lead: " in shown.out
    assert "2 people warn of `parcel.unwrap`" in shown.out
    assert "https://stackoverflow.com/a/2" in shown.out
    assert "Nothing found" in shown.out


def test_leads_are_shown_to_those_who_ask_for_them(
    secondlook: Secondlook, code: Path, tmp_path: Path
) -> None:
    imported(secondlook, tmp_path / "dump", AGREED)
    assert "leads" not in secondlook.check(code).document
    assert "lead" not in secondlook("check", code).out
    assert leads(secondlook, code, "--set", "show-leads=false") == []
    assert "lead: " not in secondlook("check", "--explain", "--set", "show-leads=false", code).out


@pytest.mark.parametrize(
    "answers",
    [
        [[comment(NAMES_IT, 11)]],
        [[comment(NAMES_IT, 11), comment(NAMES_NOTHING, 11)]],
        [[comment(NAMES_IT, 11), comment(NAMES_IT, 12)]],
        [[*AGREED, comment(FINE, 13, 9)]],
        [[*AGREED, comment(FINE, 13, 0), comment("It is " + FINE, 14, 0)]],
        [[comment("`pickle.loads` is insecure.", 11), comment("`pickle` is a danger.", 12)]],
    ],
    ids=[
        "one warning",
        "one person twice",
        "one text twice",
        "a credible voice says it is fine",
        "as many say it is fine",
        "they warn of something else",
    ],
)
def test_weak_evidence_is_no_lead(
    secondlook: Secondlook, code: Path, tmp_path: Path, answers: list[list[dict[str, Any]]]
) -> None:
    imported(secondlook, tmp_path / "dump", *answers)
    assert leads(secondlook, code) == []


@pytest.mark.parametrize(
    "answers",
    [
        [[comment(NAMES_IT, 11)], [comment(NAMES_NOTHING, 12)]],
        [[comment(NAMES_NOTHING, 11)], [comment(NAMES_NOTHING + " Really.", 12)]],
        [[comment(NAMES_NOTHING, 11), comment(NAMES_NOTHING + " Really.", 12)]],
        [[*AGREED, comment(FINE, 13, 0)]],
        [[*AGREED, comment("It is safe if the sender is you.", 13, 9)]],
    ],
    ids=[
        "two answers",
        "two answers that only show it",
        "nothing else can be meant",
        "a lone denial",
        "a conditional denial",
    ],
)
def test_strong_evidence_is_a_lead(
    secondlook: Secondlook, code: Path, tmp_path: Path, answers: list[list[dict[str, Any]]]
) -> None:
    imported(secondlook, tmp_path / "dump", *answers)
    assert [it["sign"] for it in leads(secondlook, code)] == ["parcel.unwrap"]


def test_warnings_that_could_be_about_several_calls_are_no_lead(
    secondlook: Secondlook, code: Path, tmp_path: Path
) -> None:
    answer = ANSWER + "parcel.post_again(box)\nparcel.weigh_it(box)\n"
    silent = [comment(NAMES_NOTHING, 11), comment(NAMES_NOTHING + " Really.", 12)]
    imported(secondlook, tmp_path / "dump", silent, code=answer)
    assert leads(secondlook, code) == []


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("from parcel import unwrap\nunwrap(data)\n", ["unwrap"]),
        ("import parcel as p\np.unwrap(data)\n", ["p.unwrap"]),
        ("from parcel import unwrap as u\nu(data)\n", ["u"]),
        ("import other\nother.unwrap(data)\n", []),
        ("# never use parcel.unwrap(data)\nx = 'parcel.unwrap(data)'\n", []),
        ("import parcel\nprint(parcel.weight(data))\n", []),
    ],
    ids=[
        "imported by name",
        "renamed",
        "by another name",
        "of another library",
        "quoted",
        "another function",
    ],
)
def test_a_lead_is_about_the_code_that_is_warned_of(
    secondlook: Secondlook, folder: Path, tmp_path: Path, text: str, signs: list[str]
) -> None:
    imported(secondlook, tmp_path / "dump", AGREED)
    (folder / "a.py").write_text(text)
    assert [it["sign"] for it in leads(secondlook, folder / "a.py")] == signs


def test_what_an_entry_knows_is_left_to_the_entry(
    secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    answer = "import subprocess\n\nsubprocess.run(line, shell=True)\n"
    warnings = [
        comment("`subprocess.run` with `shell=True` is an injection.", 11, 3),
        comment("Yes, `shell=True` is dangerous.", 12, 3),
    ]
    assert made(tmp_path / "dump", [(answer, warnings)]).run(secondlook).code == 0
    (folder / "safe.py").write_text("import subprocess\nsubprocess.run(['ls'], shell=False)\n")
    assert leads(secondlook, folder / "safe.py") == []
    (folder / "bad.py").write_text(
        "import subprocess, sys\nsubprocess.run('ls ' + sys.argv[1], shell=True)\n"
    )
    report = secondlook.check("--explain", folder / "bad.py")
    assert report.outcome.code == 1
    assert report.document["leads"] == []


def test_two_notes_are_two_warnings(secondlook: Secondlook, code: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    text = "# Parcels\n\n{}\n\n```python\n" + ANSWER + "```\n"
    (notes / "a.md").write_text(text.format("Never call `parcel.unwrap`: it is insecure."))
    assert secondlook("kb", "import", "--notes", notes, "--name", "acme").code == 0
    assert leads(secondlook, code) == []
    (notes / "b.md").write_text(text.format("`parcel.unwrap` let an attacker in last year."))
    assert secondlook("kb", "import", "--notes", notes, "--name", "acme").code == 0
    (lead,) = leads(secondlook, code)
    assert {it["source"] for it in lead["sources"]} == {"a.md", "b.md"}


def test_c_has_leads_too(secondlook: Secondlook, folder: Path, tmp_path: Path) -> None:
    answer = '#include "parcel.h"\n\nparcel_unwrap_into(box, data);\n'
    warnings = [
        comment("`parcel_unwrap_into` is a buffer overflow for long parcels.", 11, 3),
        comment("Indeed, this can be exploited.", 12, 3),
    ]
    dump = made(tmp_path / "dump", [(answer, warnings)], tags="<c>")
    assert dump.run(secondlook).code == 0
    (folder / "a.c").write_text(
        "void f(char *box, char *data) { parcel_unwrap_into(box, data); }\n"
    )
    (lead,) = leads(secondlook, folder / "a.c")
    assert lead["sign"] == "parcel_unwrap_into"
    (folder / "a.py").write_text("parcel_unwrap_into(box, data)\n")
    assert leads(secondlook, folder / "a.py") == []


def test_calibration_keeps_poor_fits_away_from_findings(
    secondlook: Secondlook, folder: Path, tmp_path: Path
) -> None:
    dump = Dump.copy(tmp_path / "dump")
    assert dump.run(secondlook).code == 0
    (folder / "ask.c").write_text(
        '#include <stdio.h>\nvoid ask(void) {\n    char line[64];\n    scanf("%s", line);\n}\n'
    )

    def urls() -> list[str]:
        found = [it.get("imported", []) for it in secondlook.check(folder / "ask.c").findings]
        return [it["url"] for its in found for it in its]

    assert "https://stackoverflow.com/a/8" in urls()
    assert "kb calibrate" not in secondlook("kb", "info").out
    outcome = secondlook("kb", "calibrate")
    assert outcome.code == 0, outcome
    assert "stackoverflow.com: discussions are shown with code" in outcome.out
    assert "https://stackoverflow.com/a/8" in urls(), "what fits is still shown"
    assert "kb calibrate" in secondlook("kb", "info").out
    place = secondlook.home / "data" / "secondlook" / "indexes" / "stackoverflow.com"
    (place / "calibration.json").write_text('{"threshold": 1.0, "unrelated": 99, "posts": 5}')
    assert urls() == [], "nothing passes, so nothing is shown"
    assert "/a/8" in secondlook("kb", "search", "scanf").out, "a person's words are not judged"
    (place / "calibration.json").write_text("{}")
    assert "https://stackoverflow.com/a/8" in urls(), "what is no calibration counts for none"
