"""An HTTP process's processor time for a decision: each side decides on rows that its own worker made from the
same events, and is asked the same questions in the same order."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from engine.errors import Unavailable
from engine.local.loopback import HOST
from loadtest.compare_stream import Spent, StreamTrial, samples
from loadtest.http_load import HttpConnection, Load, closed_loop, connect, post
from loadtest.process_time import cpu_seconds
from loadtest.servers import Valkey
from loadtest.side import Side, api
from loadtest.stream import customer

API_KEY = "bench-compare-of-decisions"
CHANNELS = ("web", "agent", "app", "email")
FALLBACK = b'"fallback":true}'
CONNECTIONS = 16
WARM_UP = 0.25  # of the decisions, besides
WITHIN_S = 120.0
TOLERATED = 0.01  # of the decisions may fail


class DecisionsTrial:
    """Two stores with the rows of `customers`, and HTTP processes that are asked `decisions` each turn."""

    unit = "decision"

    def __init__(self, folder: Path, decisions: int, customers: int, events: int) -> None:
        self._folder, self._decisions, self._customers, self._events = folder, decisions, customers, events
        self._stream = StreamTrial(folder, events, customers)
        self._valkeys: dict[str, Valkey] = {}
        self._asked: dict[str, Iterator[bytes]] = {}
        self._open = AsyncExitStack()

    @asynccontextmanager
    async def open(self, progress: Callable[[float], None]) -> AsyncIterator[DecisionsTrial]:
        """Start broker and stores, and fill the topic; on leaving, end them."""
        async with self._open, self._stream.open(progress):
            yield self

    async def measure(self, side: Side) -> Spent:
        """One turn. Raises `Unavailable` when a process dies, or answers too few well."""
        valkey = self._valkeys.get(side.name) or await self._filled(side)
        settings = {
            "CUELINE_KAFKA__BROKERS": self._stream.broker.bootstrap,
            "CUELINE_REDIS__URL": valkey.socket_url,
            "CUELINE_WEB__HOST": HOST,
            "CUELINE_WEB__API_KEYS": msgspec.json.encode([API_KEY]).decode(),
            "CUELINE_WEB__DEADLINE_MS": "2000",  # a fallback would be cheaper than a decision
        }
        async with api(side, self._folder, settings) as process:
            lines = await connect(HOST, process.port, CONNECTIONS, FALLBACK)
            await self._ask(side, lines, round(self._decisions * WARM_UP))
            before = cpu_seconds(process.pid)
            load = await self._ask(side, lines, self._decisions)
            spent = cpu_seconds(process.pid) - before
            for line in lines:
                line.close()
        return spent_on(load, spent)

    async def _ask(self, side: Side, lines: list[HttpConnection], count: int) -> Load:
        asked = self._asked.setdefault(side.name, itertools.cycle(questions(self._customers)))
        return await closed_loop(lines, itertools.islice(asked, count), WITHIN_S)

    async def _filled(self, side: Side) -> Valkey:
        """The side's store, its rows made by its worker."""
        folder = self._folder / side.name
        folder.mkdir()
        valkey = self._valkeys[side.name] = Valkey(folder)
        self._open.callback(valkey.kill)
        await valkey.start()
        async with self._stream.reading(side, valkey) as process:
            await samples(process, self._events)
        return valkey


def questions(customers: int) -> list[bytes]:
    """One for each customer, on each channel in turn."""
    authorised = [("authorization", f"Bearer {API_KEY}")]
    return [
        post("/v1/decisions", msgspec.json.encode({"customerId": customer(i), "channel": channel}), authorised)
        for i, channel in zip(range(customers), itertools.cycle(CHANNELS), strict=False)
    ]


def spent_on(load: Load, cpu: float) -> Spent:
    """`cpu` seconds on the answers of `load`. Raises `Unavailable` when too few of them were good."""
    asked = len(load.latencies) + load.failed
    if not asked or load.failed > TOLERATED * asked:
        raise Unavailable(f"{load.failed} of {asked} decisions failed: there is nothing to compare")
    return Spent(cpu, asked, load.failed)
