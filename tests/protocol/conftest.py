"""Starts servers for the protocol tests: through pytest-lsp, and through our own small client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from support.binary import Secondlook
from support.rpc import Client, Start


@pytest.fixture
def start(secondlook: Secondlook) -> Iterator[Start]:
    """Starts a server for a client of the given capabilities, and ends it with the test."""
    with ExitStack() as open_clients:

        def make(capabilities: dict[str, Any]) -> Client:
            command = [secondlook.path, "lsp"]
            client = Client(command, secondlook.environment, secondlook.home)
            open_clients.enter_context(client)
            client.initialize(capabilities)
            return client

        yield make
