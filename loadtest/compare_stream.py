"""A worker's processor time for an event: both sides read one topic, each turn with a group and an empty
Valkey of its own."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from engine.errors import Unavailable
from engine.kafka.topics import make_topics
from engine.settings import Kafka
from loadtest.servers import Broker, Valkey, tansu
from loadtest.side import MeasuredProcess, ProcessSample, Side, worker
from loadtest.stream import fill

APPLIED = "stream_applied"
POLL_S = 0.1
STUCK_S = 60.0
WARM_UP = 0.1  # of the events, before it is measured
SEED = 1


class Spent(msgspec.Struct, frozen=True):
    """Processor time of `count` events or decisions, of which `failed` were not answered well."""

    cpu_seconds: float
    count: int
    failed: int = 0

    @property
    def microseconds(self) -> float:
        """Of one event or decision."""
        return self.cpu_seconds / self.count * 1e6


class StreamTrial:
    """A topic of `events` records of `customers` shoppers, and workers that read it one after the other."""

    unit = "event"

    def __init__(self, folder: Path, events: int, customers: int, partitions: int = 16) -> None:
        self._folder, self._events, self._customers = folder, events, customers
        self._partitions, self._turn = partitions, itertools.count()
        self.broker: Broker = tansu(folder)

    @asynccontextmanager
    async def open(self, progress: Callable[[float], None]) -> AsyncIterator[StreamTrial]:
        """Start the broker and fill its topic, reporting `progress` (0 to 1); on leaving, end it."""
        await self.broker.start()
        try:
            await make_topics(Kafka(brokers=self.broker.bootstrap), {"cueline.events": self._partitions})
            await fill(
                self.broker.bootstrap, self._events, self._customers, SEED, lambda n: progress(n / self._events)
            )
            yield self
        finally:
            self.broker.kill()

    async def measure(self, side: Side) -> Spent:
        """One turn. Raises `Unavailable` when the worker dies or gets stuck."""
        async with self._empty_valkey() as valkey, self.reading(side, valkey) as process:
            return window(await samples(process, self._events), self._events)

    @asynccontextmanager
    async def reading(self, side: Side, valkey: Valkey) -> AsyncIterator[MeasuredProcess]:
        """A worker of `side` that reads the topic from its beginning into `valkey`."""
        settings = {
            "CUELINE_KAFKA__BROKERS": self.broker.bootstrap,
            "CUELINE_KAFKA__PARTITIONS": str(self._partitions),
            "CUELINE_KAFKA__GROUP": f"compare-{next(self._turn)}",
            "CUELINE_REDIS__URL": valkey.socket_url,
        }
        async with worker(side, self._folder, settings) as process:
            yield process

    @asynccontextmanager
    async def _empty_valkey(self) -> AsyncIterator[Valkey]:
        valkey = Valkey(self._folder)
        await valkey.start()
        try:
            yield valkey
        finally:
            valkey.kill()


async def samples(process: MeasuredProcess, events: int) -> list[ProcessSample]:
    """Samples of the worker until it has applied `events`."""
    seen, moved = [await process.sample(APPLIED)], time.monotonic()
    while seen[-1].done < events:
        await asyncio.sleep(POLL_S)
        seen.append(await process.sample(APPLIED))
        if seen[-1].done != seen[-2].done:
            moved = time.monotonic()
        elif time.monotonic() - moved > STUCK_S:
            raise process.failure(f"the worker is stuck at {seen[-1].done:.0f} of {events} events")
    return seen


def window(seen: Sequence[ProcessSample], events: int) -> Spent:
    """Between the first sample after the warm-up and the last. Raises `Unavailable` for less than half of the
    events between them: too few samples."""
    first = next((sample for sample in seen if sample.done >= WARM_UP * events), seen[-1])
    count = round(seen[-1].done - first.done)
    if count < events / 2:
        raise Unavailable(f"only {count} of {events} events were measured: take more of them (--events)")
    return Spent(seen[-1].cpu_seconds - first.cpu_seconds, count)
