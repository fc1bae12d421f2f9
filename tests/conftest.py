"""Fixtures of every end-to-end test: the binary, and a home nobody else uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook


@pytest.fixture(scope="session")
def binary() -> Path:
    """The binary under test."""
    named = os.environ.get("SECONDLOOK_BIN")
    path = Path(named) if named else ROOT / "target" / "debug" / "secondlook"
    if not path.is_file():
        pytest.exit(f"{path} is not there; run tests/run, or set SECONDLOOK_BIN", returncode=2)
    return path.resolve()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for all tests, as a person has it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def secondlook(binary: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Secondlook:
    """The binary with a home of its own."""
    return Secondlook(binary, tmp_path_factory.mktemp("home"), cache)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for sources, apart from the home."""
    made = tmp_path / "project"
    made.mkdir()
    return made
