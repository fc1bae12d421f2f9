"""The unseen trial does not fall: programs written before any entry was read."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from support.binary import ROOT

# Shares of the vulnerable programs that are found, by language, and how many safe ones may be
# alarmed with the family of their twin's weakness. These numbers were reached by mending what the
# trial had shown, so they guard against falling back and prove nothing about code yet unseen.
FOUND = {"python/": 0.92, "c/": 0.78}
ALARMED = 0


@pytest.mark.parametrize("language", FOUND)
def test_what_was_found_stays_found(
    language: str, binary: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person's own settings and entries would be judged along.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    trial = runpy.run_path(str(ROOT / "tests" / "unseen" / "run"))
    judged = trial["judge"](str(binary))
    states = {name: state for name, (state, _) in judged.items()}
    vulnerable, found, safe, alarmed, _ = trial["count"](states, language)
    notes = "\n".join(
        f"{name}: {state} {' '.join(entries)}" for name, (state, entries) in judged.items()
    )
    assert vulnerable == safe > 50
    assert found >= FOUND[language] * vulnerable, notes
    assert alarmed <= ALARMED, notes
    for which in ("third", *trial["SHAPED"]):
        *_, alarmed, _ = trial["count"](states, language, which=which)
        assert alarmed <= ALARMED, notes
