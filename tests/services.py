"""Services as tests hold them, and what happens where one cannot be had."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from loadtest import servers
from loadtest.servers import Broker, Service, tansu
from tests.processes import redis_command

__all__ = ["Broker", "Service", "Valkey", "missing", "tansu"]


def missing(what: str) -> NoReturn:
    """What a test needs is not here: it is skipped, and fails in CI."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


class Valkey(servers.Valkey):
    """A Valkey that can be emptied. Before it answers, every write is in its file: a test that kills it
    knows what it holds afterwards."""

    def __init__(self, directory: Path, appendonly: bool = False) -> None:
        super().__init__(directory, appendonly, ("--appendfsync", "always"))

    async def empty(self) -> None:
        """As on its first start: no keys, no functions."""
        assert await redis_command(self.url, "FLUSHALL") == b"+OK"
        assert await redis_command(self.url, "FUNCTION FLUSH") == b"+OK"
