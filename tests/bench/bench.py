"""Measures `check` and the language server beside their peers, in one run on one machine.

Everything is CPU time of one thread: each process is pinned to one core and told to use one
thread, checks take turns so that a slow minute hurts everyone alike, and medians are shown with the
lowest and the highest run. It uses none of our crates.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generate import c_file, python_file  # noqa: E402

from support.profiles import capabilities  # noqa: E402
from support.rpc import Client, Json, ResponseError  # noqa: E402

CORE = min(os.sched_getaffinity(0))
PINNED = ["taskset", "--cpu-list", str(CORE)] if shutil.which("taskset") else []
SIZES = (500, 5_000, 20_000)
SERVER_CANCELLED = -32802


@dataclass
class Series:
    """Measurements of one thing, in milliseconds."""

    tool: str
    what: str
    values: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        """What nineteen of twenty stay below."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]

    def as_json(self) -> dict[str, Any]:
        """Everything, for a machine."""
        return {
            "tool": self.tool,
            "what": self.what,
            "median_ms": round(self.median, 3),
            "p95_ms": round(self.p95, 3),
            "lowest_ms": round(min(self.values), 3),
            "highest_ms": round(max(self.values), 3),
            "runs": len(self.values),
            "note": self.note,
        }


def one_thread(home: Path) -> dict[str, str]:
    """An environment in which every tool uses one thread and nobody's settings."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "RAYON_NUM_THREADS": "1",
        "NO_COLOR": "1",
    }


def cpu_of(command: list[str], environment: dict[str, str], cwd: Path) -> tuple[float, str]:
    """CPU time of one run in milliseconds, children included, and what it printed."""
    output = cwd / "output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*PINNED, *command], env=environment, cwd=cwd, stdout=sink, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1_000, output.read_text("utf-8", "replace")


# The command line.


def checkers(options: argparse.Namespace) -> dict[str, tuple[list[str], Callable[[str], int]]]:
    """Each tool with its arguments and how its findings are counted."""
    every: dict[str, tuple[list[str], Callable[[str], int]]] = {
        "bare parse": ([options.parse], lambda _: 0),
        "secondlook": (
            [options.secondlook, "check", "--format", "json"],
            lambda out: len(json.loads(out)["findings"]),
        ),
        "ruff S": (
            [options.ruff, "check", "--select", "S", "--isolated", "--no-cache"]
            + ["--output-format", "json"],
            lambda out: len(json.loads(out)),
        ),
        "Bandit": (
            [sys.executable, "-m", "bandit", "-q", "-r", "-f", "json"],
            lambda out: len(json.loads(out)["results"]),
        ),
    }
    return {name: it for name, it in every.items() if name not in options.without}


def measure_checks(options: argparse.Namespace, home: Path) -> list[Series]:
    """`check` on the corpus and on one small file."""
    small = home / "small"
    small.mkdir()
    (small / "small.py").write_text(python_file(100))
    series = []
    wanted = [("corpus", options.corpus, options.runs), ("100 lines", small, 4 * options.runs)]
    if options.c_folder:
        wanted.append(("C folder", options.c_folder, options.runs))
    for what, folder, runs in wanted:
        tools = checkers(options)
        if what == "C folder":
            tools = {name: it for name, it in tools.items() if name in ("bare parse", "secondlook")}
        row = {name: Series(name, what) for name in tools}
        for turn in range(runs + 1):
            for name, (command, count) in tools.items():
                slow = name == "Bandit" and turn > max(2, runs // 2)
                if slow:
                    continue
                say(f"{what}: {name}, run {turn} of {runs}")
                spent, out = cpu_of([*command, str(folder)], one_thread(home), home)
                if turn == 0:  # Only warms the disk cache.
                    row[name].note = "" if name == "bare parse" else f"{count(out)} findings"
                    continue
                row[name].values.append(spent)
        if what == "C folder":
            files = (it for it in folder.rglob("*") if it.suffix in (".c", ".h"))
            lines = sum(it.read_bytes().count(b"\n") for it in files)
            for it in row.values():
                rate = lines / it.median / 1_000
                it.note = f"{rate:.3f} million lines a second {it.note}".strip()
        series.extend(row.values())
    return series


# The language server.


def running_time(process: int) -> float:
    """CPU time of a process so far in milliseconds, all threads, as exactly as Linux keeps it."""
    total = 0
    for task in Path(f"/proc/{process}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    return total / 1e6


class Edited:
    """A generated file open in one server, with a place to type in its middle."""

    uri = "file:///nowhere/generated.py"
    language = "python"
    make = staticmethod(python_file)

    #: What stands on the line before a function's body, and a line that is typed into one.
    OPENS = "def "
    LINE = "    note = 1\n"
    WEAKNESS = '    subprocess.call("ls " + input(), shell=True)\n'

    def __init__(self, client: Client, lines: int) -> None:
        self.client = client
        self.version = 1
        text = self.make(lines)
        rows = text.split("\n")
        middle = len(rows) // 2
        # The first line of a function's body behind the middle.
        self.row = (
            next(at for at in range(middle, len(rows)) if rows[at - 1].startswith(self.OPENS)) + 1
        )
        client.open(self.uri, text, self.language)
        self.findings = len(self.pull())

    def pull(self) -> list[Json]:
        """The current diagnostics; a server that was not ready asks to be asked again."""
        for _ in range(100):
            try:
                return self.client.pull(self.uri)
            except ResponseError as error:
                if error.code != SERVER_CANCELLED:
                    raise
        raise SystemExit("the server was never ready")

    def change(self, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        """One content change."""
        self.version += 1
        where = {
            "start": {"line": start[0], "character": start[1]},
            "end": {"line": end[0], "character": end[1]},
        }
        self.client.change(self.uri, self.version, [{"range": where, "text": text}])

    def type_letter(self, turn: int) -> int:
        """Adds a letter to a line of its own, or takes the last one away."""
        if turn == 0:
            self.change((self.row, 0), (self.row, 0), self.LINE)
        elif turn % 2:
            self.change((self.row, 8), (self.row, 8), "x")
        else:
            self.change((self.row, 8), (self.row, 9), "")
        return self.findings

    def toggle_weakness(self, turn: int) -> int:
        """Puts a weakness in, or takes it out."""
        if turn % 2 == 0:
            self.change((self.row, 0), (self.row, 0), self.WEAKNESS)
            return self.findings + 1
        self.change((self.row, 0), (self.row + 1, 0), "")
        return self.findings

    def change_import(self, turn: int) -> int:
        """Adds or removes an import on top, which everything below may depend on."""
        if turn % 2 == 0:
            self.change((1, 0), (1, 0), "import string\n")
        else:
            self.change((1, 0), (2, 0), "")
        return self.findings


class EditedC(Edited):
    """The same in C."""

    uri = "file:///nowhere/generated.c"
    language = "c"
    make = staticmethod(c_file)
    OPENS = "{"
    LINE = "    int note = 1;\n"
    WEAKNESS = "    { char text[16]; gets(text); }\n"


EDITS: dict[str, Callable[[Edited, int], int]] = {
    "letter typed": Edited.type_letter,
    "weakness in or out": Edited.toggle_weakness,
    "import in or out": Edited.change_import,
}


def servers(options: argparse.Namespace) -> dict[str, tuple[list[str], Json]]:
    """Each server's command and its settings."""
    ruff = {"lint": {"select": ["S"]}, "configurationPreference": "editorOnly"}
    every = {
        "secondlook": ([options.secondlook, "lsp"], {}),
        "ruff server S": ([options.ruff, "server", "--isolated"], {"settings": ruff}),
    }
    return {name: it for name, it in every.items() if name.split()[0] not in options.without}


def measure_edits(options: argparse.Namespace, home: Path) -> list[Series]:
    """The same edits in the same client, one server after the other, for each size and kind."""
    series = []
    for file, lines, kind in [
        *((Edited, lines, kind) for lines in SIZES for kind in EDITS),
        *((EditedC, lines, kind) for lines in SIZES for kind in list(EDITS)[:2]),
    ]:
        for name, (command, settings) in servers(options).items():
            if file is EditedC and name != "secondlook":
                continue
            what = f"{lines} lines{' of C' if file is EditedC else ''}, {kind}"
            say(f"{what}: {name}")
            cpu, wall = Series(name, f"{what}: CPU"), Series(name, f"{what}: waiting")
            with Client([*PINNED, *command], one_thread(home), home) as client:
                client.initialize(
                    capabilities(encodings=["utf-16"], pull=True), initializationOptions=settings
                )
                edited = file(client, lines)
                for turn in range(options.edits + 4):
                    before = running_time(client.process.pid)
                    started = time.perf_counter()
                    expected = EDITS[kind](edited, turn)
                    found = len(edited.pull())
                    waited = (time.perf_counter() - started) * 1_000
                    # What the server still does after its answer counts as well.
                    time.sleep(0.03)
                    spent = running_time(client.process.pid) - before
                    if found != expected:
                        raise SystemExit(f"{name} finds {found} instead of {expected} ({what})")
                    if turn >= 4:
                        cpu.values.append(spent)
                        wall.values.append(waited)
                cpu.note = wall.note = f"{edited.findings} findings"
                client.shutdown()
            series += [cpu, wall]
    return series


def resident(process: int) -> float:
    """What a process holds of memory, in units of 2^20 bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1_024


def measure_life(options: argparse.Namespace, home: Path) -> list[Series]:
    """From a server's start to the first diagnostics, waiting, and what it holds with ten files."""
    tools = servers(options)
    starts = {name: Series(name, "start to first diagnostics, ms") for name in tools}
    holds = {name: Series(name, "memory with ten files of 1,000 lines, MiB") for name in tools}
    for turn in range(2 * options.runs + 1):
        for name, (command, settings) in tools.items():
            say(f"start and memory: {name}, run {turn} of {2 * options.runs}")
            started = time.perf_counter()
            with Client([*PINNED, *command], one_thread(home), home) as client:
                client.initialize(
                    capabilities(encodings=["utf-16"], pull=True), initializationOptions=settings
                )
                client.open("file:///nowhere/first.py", "import os\nos.system(input())\n")
                first = len(client.pull("file:///nowhere/first.py"))
                waited = (time.perf_counter() - started) * 1_000
                for number in range(10):
                    uri = f"file:///nowhere/{number}.py"
                    client.open(uri, python_file(1_000 + number))
                    client.pull(uri)
                memory = resident(client.process.pid)
                client.shutdown()
            if turn:
                starts[name].values.append(waited)
                holds[name].values.append(memory)
                starts[name].note = f"{first} findings"
    return [*starts.values(), *holds.values()]


# The report.


def table(title: str, rows: list[Series], base: str, unit: str = " ms") -> list[str]:
    """A Markdown table; the ratio is to the row of the tool named."""
    medians = {it.what: it.median for it in rows if it.tool == base}
    lines = [f"### {title}", ""]
    lines.append(f"| what | tool | median{unit} | 95 % below | lowest–highest | × {base} | |")
    lines.append("|---|---|---:|---:|---:|---:|---|")
    for it in rows:
        ratio = f"{it.median / medians[it.what]:.2f}" if medians.get(it.what) else ""
        spread = f"{min(it.values):.2f}–{max(it.values):.2f}"
        lines.append(
            f"| {it.what} | {it.tool} | {it.median:.2f} | {it.p95:.2f} | {spread} | {ratio} "
            f"| {it.note} |"
        )
    return [*lines, ""]


def version_of(command: list[str]) -> str:
    """The first line of what a tool says of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().split("\n")[0]


def machine(options: argparse.Namespace) -> dict[str, str]:
    """What was measured on what."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    facts = {
        "machine": f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "corpus": options.corpus_name,
        "ruff": metadata.version("ruff"),
        "Bandit": metadata.version("bandit"),
        "Semgrep": "not measured: its rules come from a service on the network",
    }
    if "secondlook" not in options.without:
        facts["secondlook"] = version_of([options.secondlook, "--version"])
    return facts


def say(text: str) -> None:
    """Progress, apart from the result."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secondlook", required=True, help="the binary, built for release")
    parser.add_argument("--ruff", required=True)
    parser.add_argument("--parse", required=True, help="the bare parser")
    parser.add_argument("--corpus", required=True, type=Path, help="folder to check")
    parser.add_argument("--corpus-name", required=True)
    parser.add_argument("--c-folder", type=Path, help="a folder with C to check as well")
    parser.add_argument("--home", required=True, type=Path, help="an empty folder")
    parser.add_argument("--runs", type=int, default=5, help="runs of each check (5)")
    parser.add_argument("--edits", type=int, default=40, help="edits of each kind (40)")
    parser.add_argument("--without", action="append", default=[], help="leave a tool out")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()

    checks = measure_checks(options, options.home)
    edits = measure_edits(options, options.home)
    life = measure_life(options, options.home)
    facts = machine(options)
    if options.json:
        document = {
            "facts": facts,
            "checks": [it.as_json() for it in checks],
            "edits": [it.as_json() for it in edits],
            "life": [it.as_json() for it in life],
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    base = "ruff" if "secondlook" in options.without else "secondlook"
    print("## CPU time of one thread, one run\n")
    for name, value in facts.items():
        print(f"- {name}: {value}")
    print()
    base_check = "ruff S" if base == "ruff" else base
    base_edit = "ruff server S" if base == "ruff" else base
    print("\n".join(table("`check`", checks, base_check)))
    cpu = [it for it in edits if it.what.endswith("CPU")]
    wall = [it for it in edits if not it.what.endswith("CPU")]
    print("\n".join(table("One edit, until the diagnostics are there: CPU", cpu, base_edit)))
    print("\n".join(table("One edit, until the diagnostics are there: waiting", wall, base_edit)))
    print("\n".join(table("A server's start and memory", life, base_edit, "")))


if __name__ == "__main__":
    main()
