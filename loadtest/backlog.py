"""A worker that stands still while its topic is filled, and then finds everything there.

What it does until its first commit (fetch, decode) would otherwise count for nothing, which is much of a short
log, and what its start takes for too much. So it first reads what others did, by which its code is warm and the
store knows the words of the catalogue; then it is stopped (SIGSTOP), and goes on once the log is whole. It has
read the log when no timer is due any more that its events set: of a short log they all come at its end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import redis.asyncio

from engine.clock import wall_ms
from engine.kafka.topics import make_topics
from engine.local.services import TANSU_GROUP
from engine.settings import Kafka, Stream
from loadtest.process_time import cpu_seconds
from loadtest.servers import Service, Valkey, tansu
from loadtest.stream import fill, tally
from loadtest.visits import Visits, visits

PARTITIONS = 16
SEED = 2
OTHERS, EVENTS_OF_ONE = 4_000, 25  # they see almost every one of the 20,000 items
START_WITHIN_S = 300.0  # the first start may compile every kernel
STUCK_S = 60.0
LATENESS_MS = Stream().lateness_ms
POLL_S = 0.02
STILL_S = 3_600  # for which nobody but its group may miss the worker
SESSION_S = 6  # tansu lets it wait for so long at its start; stopped for longer, it joins once more


class BacklogRead(msgspec.Struct, frozen=True):
    """What the worker did and used, for timers that came due too, and what the store then holds more.
    ``per_second``: from the first commit of events to their last."""

    events: int
    customers: int
    per_second: float
    cpu_seconds: float
    stored_bytes: int


class Backlog:
    """A broker, a Valkey and a worker with `rules`, which keep their files in `folder`."""

    def __init__(self, folder: Path, rules: Path) -> None:
        self._broker = tansu(folder)
        self._valkey = Valkey(folder)
        self._client = redis.asyncio.Redis.from_url(self._valkey.url)
        command = [sys.executable, "-m", "engine", "work", "--directory", str(folder / "worker")]
        self._worker = Service(command, folder / "worker.log", self._warm, self._environment(rules))

    def _environment(self, rules: Path) -> dict[str, str]:
        return {
            "CUELINE_KAFKA__BROKERS": self._broker.bootstrap,
            "CUELINE_KAFKA__PARTITIONS": str(PARTITIONS),
            "CUELINE_KAFKA__IDEMPOTENT": "false",
            **TANSU_GROUP,
            "CUELINE_KAFKA__SESSION_TIMEOUT_S": str(SESSION_S),
            "CUELINE_REDIS__URL": self._valkey.socket_url,
            "CUELINE_REDIS__TIMEOUT_S": str(STILL_S),
            "CUELINE_RULES__DIRECTORY": str(rules),
            "CUELINE_STREAM__LAG_WATCHDOG_S": str(STILL_S),
            "CUELINE_STREAM__METRICS_PORT": "0",
        }

    @asynccontextmanager
    async def set(self, others: int, before: Visits) -> AsyncIterator[Backlog]:
        """Start everything and have the worker read what customers from number `others` on did before `before`.
        On leaving, end it."""
        try:
            await asyncio.gather(self._broker.start(), self._valkey.start())
            kafka = Kafka(brokers=self._broker.bootstrap)
            await make_topics(kafka, {kafka.events_topic: PARTITIONS})
            warm = visits(OTHERS, EVENTS_OF_ONE, OTHERS, np.random.default_rng(SEED))
            await self._fill(warm.of_others(others, int(before.at[0])), SEED, lambda done: None)
            await self._worker.start(START_WITHIN_S)
            yield self
        finally:
            await self._client.aclose()
            for service in (self._worker, self._valkey, self._broker):
                service.kill()

    async def _warm(self) -> bool:
        return await self._applied() >= OTHERS * EVENTS_OF_ONE

    async def fill(self, came: Visits, progress: Callable[[int], None]) -> None:
        """Write the log while the worker stands still."""
        os.kill(self._worker.pid, signal.SIGSTOP)
        await self._fill(came, SEED - 1, progress)

    async def _fill(self, came: Visits, seed: int, progress: Callable[[int], None]) -> None:
        await fill(self._broker.bootstrap, len(came.who), 0, seed, progress, visits=came)

    async def read(self, events: int, progress: Callable[[int], None]) -> BacklogRead:
        """Let the worker read `events`. Raises `Unavailable` when it dies or gets stuck."""
        seen, stored = await tally(self._client, PARTITIONS, "customers"), await self._stored_bytes()
        spent = cpu_seconds(self._worker.pid)
        os.kill(self._worker.pid, signal.SIGCONT)
        per_second = await self._until(events, progress)
        await self._until_timers_are_over()
        spent = cpu_seconds(self._worker.pid) - spent
        seen = await tally(self._client, PARTITIONS, "customers") - seen
        return BacklogRead(events, seen, per_second, spent, await self._stored_bytes() - stored)

    async def _until(self, events: int, progress: Callable[[int], None]) -> float:
        """Wait until `events` have been applied; returns how many a second."""
        moments = [(0, time.perf_counter())]
        while moments[-1][0] < events:
            await asyncio.sleep(POLL_S)
            self._worker.check()
            done = await self._applied() - OTHERS * EVENTS_OF_ONE
            if done > moments[-1][0]:
                moments.append((done, time.perf_counter()))
                progress(done)
            elif time.perf_counter() - moments[-1][1] > STUCK_S:
                raise self._worker.failure(f"the worker is stuck at {done} of {events} events")
        (first, began), (last, ended) = moments[1 if len(moments) > 2 else 0], moments[-1]
        return (last - first) / (ended - began)

    async def _until_timers_are_over(self) -> None:
        """Wait until no timer is left that is due now."""
        now, waited = wall_ms() - LATENESS_MS, time.perf_counter()
        least = left = await self._due(now)
        while left:
            await asyncio.sleep(POLL_S)
            self._worker.check()
            left = await self._due(now)
            if left < least:
                least, waited = left, time.perf_counter()
            elif time.perf_counter() - waited > STUCK_S:
                raise self._worker.failure(f"the worker is stuck with {left} timers due")

    async def _due(self, at: int) -> int:
        """How many timers are due at `at` (epoch ms)."""
        pipe = self._client.pipeline(transaction=False)
        for partition in range(PARTITIONS):
            pipe.zcount(f"{{p{partition}}}:t", "-inf", at)
        return sum(await pipe.execute())

    async def _applied(self) -> int:
        return await tally(self._client, PARTITIONS, "applied")

    async def _stored_bytes(self) -> int:
        """What Valkey has allocated, by its own account."""
        return int((await self._client.info("memory"))["used_memory"])
