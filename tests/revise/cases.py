"""Prints the cases of fixtures/revise as `secondlook eval revise` reads them, one JSON a line.

A case and its clean twin become two lines. It judges nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "revise"


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The case of one file, and its twin where it has one."""
    head, *parts = path.read_text(encoding="utf-8").split("==== ")
    values = dict(line.split(": ", 1) for line in head.splitlines())
    cwe = values.pop("cwe")
    texts = dict(part.split("\n", 1) for part in parts)
    name = f"{path.parent.name}/{path.stem}"
    twins = {"vulnerable": name, "clean": f"{name}+clean"}
    for kind, label in (("vulnerable", "vulnerable"), ("clean", "secure")):
        if kind not in texts:
            continue
        case: dict[str, Any] = {
            "id": twins[kind],
            "suite": "revise",
            "lang": path.parent.name,
            "cwe": cwe,
            "label": label,
            "code": texts[kind],
            "rules": {judge: rules.split() for judge, rules in values.items()},
        }
        if "clean" in texts:
            case["pair"] = twins["clean" if kind == "vulnerable" else "vulnerable"]
        if "tests" in texts:
            case["tests"] = texts["tests"]
        yield case


def cases() -> list[dict[str, Any]]:
    """All of them, in the order of their names."""
    return [case for path in sorted(FOLDER.glob("*/*.txt")) for case in read(path)]


def main() -> None:
    """Prints those that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", choices=("vulnerable", "secure"))
    wanted = parser.parse_args().label
    for case in cases():
        if wanted in (None, case["label"]):
            print(json.dumps(case))


if __name__ == "__main__":
    main()
