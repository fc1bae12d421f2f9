"""Runs imports of made-up dumps on one core, and prints what they cost.

It uses none of our crates: the binary is run as a person would.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    """What one run cost."""

    seconds: float
    processor: float
    peak: float
    out: str


def run(*command: str | Path) -> Cost:
    """Runs a command on one core to its end."""
    began = time.monotonic()
    words = ["taskset", "-c", "0", *map(str, command)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{words} ended with {process.returncode}")
    processor = usage.ru_utime + usage.ru_stime
    return Cost(time.monotonic() - began, processor, usage.ru_maxrss / 1024, out)


def import_speed(options: argparse.Namespace, megabytes: str) -> None:
    """Both ways of filtering, on a dump of that size."""
    folder = options.folder / f"dump-{megabytes}"
    if not (folder / "complete").exists():
        subprocess.run([options.tools / "make-dump", folder, "--megabytes", megabytes], check=True)
        (folder / "complete").touch()
    files = [folder / "Posts.xml", folder / "Comments.xml"]
    size = sum(it.stat().st_size for it in files)
    # Once before, so that every run finds the files as much in memory as they will be.
    run(options.tools / "bare-read", *files)
    bare = run(options.tools / "bare-read", *files)
    rate = size / bare.processor / 1e9
    print(f"\n{size / 1e9:.2f} GB; rates are of processor time")
    print(f"{'':36}{'GB/s':>8}{'of bare':>9}{'wall s':>9}{'peak MiB':>10}")
    print(f"{'quick-xml, bare reader':36}{rate:8.2f}{1:9.2f}{bare.seconds:9.1f}{bare.peak:10.0f}")
    for name, more in [
        ("import --tags python", ["--tags", "python"]),
        ("import, every body", []),
    ]:
        indexes = options.folder / "indexes"
        shutil.rmtree(indexes, ignore_errors=True)
        cost = run(
            options.secondlook,
            *("kb", "import", "--index", indexes, "--posts", files[0], "--comments", files[1]),
            *more,
        )
        ours = size / cost.processor / 1e9
        print(
            f"{name:36}{ours:8.2f}{ours / rate:9.2f}{cost.seconds:9.1f}{cost.peak:10.0f}"
            f"   {cost.out.strip().splitlines()[-1]}"
        )


def query_latency(options: argparse.Namespace, posts: str) -> None:
    """Queries of thirty terms against an index of that many posts."""
    folder = options.folder / f"posts-{posts}"
    indexes = options.folder / f"indexes-{posts}"
    # Six posts in ten are answers, and all of them are kept.
    rows = str(int(posts) * 10 // 6)
    subprocess.run([options.tools / "make-dump", folder, "--posts", rows, "--keep-all"], check=True)
    shutil.rmtree(indexes, ignore_errors=True)
    files = ["--posts", folder / "Posts.xml", "--comments", folder / "Comments.xml"]
    cost = run(options.secondlook, "kb", "import", "--index", indexes, *files)
    print(f"indexed in {cost.seconds:.1f} s, peak {cost.peak:.0f} MiB")
    print(run(options.latency, indexes).out, end="")


def main() -> None:
    """Everything that was asked for."""
    parser = argparse.ArgumentParser()
    for name in ("--secondlook", "--tools", "--folder"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--latency")
    parser.add_argument("--queries", default="0")
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
