"""What a key costs with the extension and without it, in numbers that are held side by side."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LINES = 20_000
KEYS = int(os.environ.get("SECONDLOOK_KEYS", "100"))
ROUNDS = int(os.environ.get("SECONDLOOK_ROUNDS", "5"))
FLAGGED = 'import os\n\n\ndef list_folder(folder):\n    return os.system("ls -l " + folder)\n'


def long_file() -> str:
    """A file of 20,000 lines: functions that differ, and a finding in the middle."""
    made = ["import os", "", ""]
    number = 0
    while len(made) < LINES:
        number += 1
        made += [
            f"def handle_{number}(request, items):",
            f"    total_{number} = 0",
            "    for each in items:",
            f"        if each.kind == {number} and each.size > total_{number}:",
            f"            total_{number} += each.size * {number % 7 + 1}",
            f'    name = "part-%d of %s" % (total_{number}, request.name)',
            f"    return name, total_{number}",
            "",
        ]
        if len(made) // 8 == LINES // 16:
            made += ["def ask(folder):", '    return os.system("ls -l " + folder)', ""]
    return "\n".join(made) + "\n"


def percentile(times: Sequence[float], share: float) -> float:
    """The time that this share of them stays below."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


@dataclass
class Round:
    """What the keys of one round cost, in milliseconds: each in waiting, on average in work."""

    times: list[float]
    cpu: float

    @property
    def median(self) -> float:
        """The usual key."""
        return statistics.median(self.times)


def beside(mine: Sequence[float], its: Sequence[float]) -> str:
    """The ratio of two series of rounds: its median, and the least and the most."""
    ratios = [a / b for a, b in zip(mine, its, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def compare(name: str, ways: dict[str, Callable[[], Round]]) -> None:
    """Measures each way in turn, round by round, and prints them beside the first."""
    rounds: dict[str, list[Round]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, measure in ways.items():
            rounds[way].append(measure())
    first = rounds[next(iter(ways))]
    load = os.getloadavg()[0]
    lines = [f"\n{name}: {ROUNDS} rounds of {KEYS} keys, load {load:.1f}, times in ms"]
    for way, made in rounds.items():
        flat = [it for each in made for it in each.times]
        waited = beside([it.median for it in made], [it.median for it in first])
        worked = beside([it.cpu for it in made], [it.cpu for it in first])
        usual, worst = statistics.median(flat), percentile(flat, 0.95)
        work = statistics.median(it.cpu for it in made)
        lines += [
            f"  {way}",
            f"    a key waits   median {usual:7.2f}  95 % below {worst:7.2f}  ratio {waited}",
            f"    the editor's own processor time a key  {work:6.2f}  ratio {worked}",
        ]
    print("\n".join(lines))
    if "SECONDLOOK_LATENCY" in os.environ:
        with Path(os.environ["SECONDLOOK_LATENCY"]).open("a") as out:
            out.write("\n".join(lines) + "\n")
