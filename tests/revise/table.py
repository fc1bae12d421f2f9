#!/usr/bin/env python3
"""Chooses the programs of the table of all modes out of the cases on standard input.

usage: cases.py | table.py RESULTS

RESULTS is the results.jsonl of `eval revise --modes templates` over the same cases. Chosen are the
first forty weak programs that no entry has a fix for, as many that one has, and sixty safe twins of
these; the last two weakness by weakness in turn, so that none of them is left out for another. The
choice knows nothing of what a model makes of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HALF = 40
TWINS = 60
# At least twenty of the weak ones are in C.
LEAST_C = 20


def in_turn(cases: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """One case of each weakness, then another of each, until there are enough."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        kinds.setdefault(case["cwe"], []).append(case)
    chosen: list[dict[str, Any]] = []
    while len(chosen) < count and any(kinds.values()):
        for left in kinds.values():
            if left and len(chosen) < count:
                chosen.append(left.pop(0))
    return chosen


def main() -> None:
    """Prints them as they came."""
    cases = [json.loads(line) for line in sys.stdin]
    known = {case["id"]: case for case in cases}
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    results = [json.loads(line)["value"] for line in lines]
    open_ones = {
        it["case"] for it in results if any(step["how"] == "nothing" for step in it["steps"])
    }
    weak = [case for case in cases if case["label"] == "vulnerable"]
    alone = [case for case in weak if case["id"] in open_ones][:HALF]
    rest = [case for case in weak if case["id"] not in open_ones]
    in_c = [case for case in rest if case["lang"] == "c"]
    in_python = [case for case in rest if case["lang"] != "c"]
    some_c = in_turn(in_c, max(0, LEAST_C - sum(case["lang"] == "c" for case in alone)))
    chosen = alone + some_c + in_turn(in_python, HALF - len(some_c))
    twins = [known[case["pair"]] for case in chosen if case.get("pair") in known]
    for case in chosen + in_turn(twins, TWINS):
        print(json.dumps(case, ensure_ascii=False))


if __name__ == "__main__":
    main()
