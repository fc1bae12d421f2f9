"""What a key costs with the extension and without it, in numbers that are held side by side."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
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


def compare(name: str, ways: dict[str, Callable[[], list[float]]]) -> None:
    """Measures each way in turn, round by round, and prints them beside the first."""
    times: dict[str, list[list[float]]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, measure in ways.items():
            times[way].append(measure())
    first = next(iter(ways))
    load = os.getloadavg()[0]
    lines = [f"\n{name}: {ROUNDS} rounds of {KEYS} keys, load {load:.1f}, times in ms"]
    for way, rounds in times.items():
        flat = [it for each in rounds for it in each]
        ratios = [
            statistics.median(mine) / statistics.median(its)
            for mine, its in zip(rounds, times[first], strict=True)
        ]
        lines.append(
            f"  {way:<40} median {statistics.median(flat):6.2f}  95 % {percentile(flat, 0.95):6.2f}"
            f"  most {max(flat):7.2f}"
            f"  ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    print("\n".join(lines))
    if "SECONDLOOK_LATENCY" in os.environ:
        with Path(os.environ["SECONDLOOK_LATENCY"]).open("a") as out:
            out.write("\n".join(lines) + "\n")
