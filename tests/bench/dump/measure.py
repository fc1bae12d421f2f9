"""Runs imports of made-up dumps on one core, and prints what they cost.

It uses none of our crates: the binary is run as a person would.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    """What one run cost."""

    seconds: float
    processor: float
    system: float
    peak: float
    anonymous: float
    out: str


class Watcher(threading.Thread):
    """Looks at a process's own memory, files that are mapped into it apart, until it is stopped."""

    def __init__(self, pid: int) -> None:
        """Of that process."""
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.stopped = threading.Event()
        self.peak = 0.0

    def run(self) -> None:
        """Ten times a second."""
        while not self.stopped.wait(0.1):
            try:
                text = self.status.read_text()
            except OSError:
                return
            for line in text.splitlines():
                if line.startswith("RssAnon:"):
                    self.peak = max(self.peak, int(line.split()[1]) / 1024)


def run(*command: str | Path) -> Cost:
    """Runs a command on one core to its end."""
    began = time.monotonic()
    words = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *map(str, command)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        watcher = Watcher(process.pid)
        watcher.start()
        out = process.stdout.read()
        watcher.stopped.set()
        watcher.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{words} ended with {process.returncode}")
    processor = usage.ru_utime + usage.ru_stime
    seconds = time.monotonic() - began
    system = usage.ru_stime
    return Cost(seconds, processor, system, usage.ru_maxrss / 1024, watcher.peak, out)


def best(runs: int, *command: str | Path, before: Path | None = None) -> Cost:
    """The run of least processor time, with the largest memory of all of them."""
    costs = []
    for _ in range(runs):
        if before:
            shutil.rmtree(before, ignore_errors=True)
        costs.append(run(*command))
    least = min(costs, key=lambda it: it.processor)
    least.peak = max(it.peak for it in costs)
    least.anonymous = max(it.anonymous for it in costs)
    return least


def import_speed(options: argparse.Namespace, megabytes: str) -> None:
    """Both ways of filtering, on a dump of that size."""
    folder = options.folder / f"dump-{megabytes}"
    if not (folder / "complete").exists():
        subprocess.run([options.tools / "make-dump", folder, "--megabytes", megabytes], check=True)
        (folder / "complete").touch()
    files = [folder / "Posts.xml", folder / "Comments.xml"]
    size = sum(it.stat().st_size for it in files)
    bare = best(options.runs, options.tools / "bare-read", *files)
    rate = size / bare.processor / 1e9
    print(f"\n{size / 1e9:.2f} GB; rates are of processor time, the best of {options.runs} runs")
    print("`system` is the share of processor time that the kernel took to hand over the files")
    heads = ["GB/s", "of bare", "system", "wall s", "peak MiB", "anonymous"]
    print(f"{'':26}" + "".join(f"{it:>10}" for it in heads))

    def line(name: str, cost: Cost, told: str = "") -> None:
        ours = size / cost.processor / 1e9
        print(
            f"{name:26}{ours:10.2f}{ours / rate:10.2f}{cost.system / cost.processor:10.0%}"
            f"{cost.seconds:10.1f}{cost.peak:10.0f}{cost.anonymous:10.0f}{told}",
            flush=True,
        )

    line("quick-xml, bare reader", bare)
    for name, more in [
        ("import --tags python", ["--tags", "python"]),
        ("import, every body", []),
    ]:
        indexes = options.folder / "indexes"
        command = ["kb", "import", "--index", indexes, "--posts", files[0], "--comments", files[1]]
        cost = best(options.runs, options.secondlook, *command, *more, before=indexes)
        line(name, cost, f"   {cost.out.strip().splitlines()[-1]}")


def query_latency(options: argparse.Namespace, posts: str) -> None:
    """Queries of thirty terms against an index of that many posts."""
    folder = options.folder / f"posts-{posts}"
    indexes = options.folder / f"indexes-{posts}"
    # Six posts in ten are answers, and all of them are kept.
    rows = str(int(posts) * 10 // 6)
    subprocess.run([options.tools / "make-dump", folder, "--posts", rows, "--keep-all"], check=True)
    shutil.rmtree(indexes, ignore_errors=True)
    files = [folder / "Posts.xml", folder / "Comments.xml"]
    bare = best(options.runs, options.tools / "bare-read", *files)
    command = ["kb", "import", "--index", indexes, "--posts", files[0], "--comments", files[1]]
    cost = run(options.secondlook, *command)
    print(
        f"\n{posts} posts, indexed with {cost.processor:.1f} s of processor time, "
        f"peak {cost.peak:.0f} MiB, {cost.anonymous:.0f} of it anonymous; "
        f"quick-xml reads the files in {bare.processor * 1e3:.0f} ms"
    )
    for line in run(options.latency, indexes).out.splitlines():
        found = re.search(r"p95 ([\d.]+) ms", line)
        share = float(found[1]) / bare.processor / 10 if found else float("nan")
        print(f"{line}; p95 is {share:.3f} % of the bare reader's time", flush=True)


def main() -> None:
    """Everything that was asked for."""
    parser = argparse.ArgumentParser()
    for name in ("--secondlook", "--tools", "--folder"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--latency")
    parser.add_argument("--queries", default="0")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("megabytes", nargs="*")
    options = parser.parse_args()
    os.environ["XDG_DATA_HOME"] = str(options.folder / "data")
    os.environ["XDG_CACHE_HOME"] = str(options.folder / "cache")
    for megabytes in options.megabytes:
        import_speed(options, megabytes)
    for posts in options.queries.split():
        if posts != "0":
            query_latency(options, posts)


if __name__ == "__main__":
    main()
