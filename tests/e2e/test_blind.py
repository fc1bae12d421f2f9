"""The blind trial stays above its bar: programs written from titles and reasons alone."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from support.binary import ROOT

# Shares of the vulnerable programs that are found, and of the safe ones with a false alarm.
FOUND = 0.80
ALARMED = 0.03


def test_most_are_found_and_few_are_alarmed(
    binary: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person's own settings and entries would be judged along.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    trial = runpy.run_path(str(ROOT / "tests" / "blind" / "run"))
    rows = trial["judge"](str(binary))
    entries, hits, alarms, _ = trial["total"](rows, "")
    notes = "\n".join(f"{entry}: {'; '.join(row[3])}" for entry, row in rows.items() if row[3])
    assert entries > 0
    assert hits >= FOUND * 3 * entries, notes
    assert alarms <= ALARMED * 3 * entries, notes
