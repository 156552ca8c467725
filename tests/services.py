"""Services as tests hold them, and what happens where one cannot be had."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from engine.local.loopback import free_port
from loadtest import servers
from loadtest.servers import Broker, Service, tansu
from tests.patience import PATIENCE_S
from tests.processes import redis_command

__all__ = ["Broker", "Service", "Valkey", "missing", "tansu"]


def missing(what: str) -> NoReturn:
    """What a test needs is not here: it is skipped, and fails in CI."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


class Valkey(servers.Valkey):
    """A Valkey that can be emptied. Before it answers, every write is in its file: a test that kills it
    knows what it holds afterwards. With `cluster` it is a cluster of one node, which refuses commands whose keys
    span slots, and takes two seconds to start."""

    def __init__(
        self, directory: Path, appendonly: bool = False, cluster: bool = False, options: Sequence[str] = ()
    ) -> None:
        options = ("--appendfsync", "always", *(_cluster_of_one() if cluster else ()), *options)
        super().__init__(directory, appendonly, options)
        self._cluster = cluster

    async def start(self, within: float = PATIENCE_S) -> None:
        """As of every service; returns when a cluster's node serves all slots."""
        await super().start(within)
        if not self._cluster:
            return
        await redis_command(self.url, "CLUSTER ADDSLOTSRANGE 0 16383")  # refused when it has them already
        async with asyncio.timeout(within):
            while not (await redis_command(self.url, "GET x")).startswith(b"$"):
                await asyncio.sleep(0.02)

    async def empty(self) -> None:
        """As on its first start: no keys, no functions."""
        assert await redis_command(self.url, "FLUSHALL") == b"+OK"
        assert await redis_command(self.url, "FUNCTION FLUSH") == b"+OK"


def _cluster_of_one() -> tuple[str, ...]:
    """Valkey's own choice of a second port may be taken, and unless asked it keeps to one database."""
    return ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-databases", "16")
