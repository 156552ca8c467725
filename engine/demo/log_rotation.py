"""Rotation of the demo's Kafka log in the broker's memory: after it was lost, and before it is too long.

tansu reads a partition's batches from the first one on for every fetch: 2 ms at 2,500 batches, 6 ms at 7,500, and
at 10,000 a single fetch takes seconds. So the log is kept short. Nothing is lost by that: the api process is
suspended until the worker has applied all that was acknowledged, and resumes when the new log is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.demo.feed import Feed
from engine.errors import Unavailable
from engine.local.supervisor import Change, Ready, State, Supervisor
from engine.ports.stream_store import Commit, Timers
from engine.post.ledger import Ledger
from engine.store.redis import RedisStore

LONGEST = 6_000  # batches of a partition
LOOK_EVERY_S = 1.0
AGAIN_S = 0.2  # between attempts at a Redis that is away
QUIET_S = 0.5  # without progress, until everything is taken for applied: fetches come every few ms
PATIENCE_S = 5.0  # until it is quiet; else later


class LogRotation:
    """`changed` receives state changes of the broker, `keep` acts on them. `reading` gives whether the worker
    is; `longest` is how many batches a partition may hold."""

    def __init__(
        self,
        store: RedisStore,
        partitions: int,
        supervisor: Supervisor,
        feed: Feed,
        reading: Ready,
        say: Callable[[str], None],
        longest: int = LONGEST,
    ) -> None:
        self.lost = False  # with events that the worker may not have read
        self._store = store
        self._partitions = partitions
        self._supervisor = supervisor
        self._feed = feed
        self._reading = reading
        self._say = say
        self._longest = longest
        self._rolling = False
        self._gone, self._back = asyncio.Event(), asyncio.Event()  # what became of the broker, with its log
        self._seen = (0, 0, 0)  # records in the log, events and requests of the feed, as last observed
        self._batches = 0

    def changed(self, change: Change) -> None:
        """Receive a child's new state."""
        if change.name != "kafka":
            return
        if change.state is State.READY:
            self._back.set()
        elif change.state is State.DIED and not self._rolling:
            self.lost = True
            self._gone.set()
            self._say("what Kafka held and the worker had not read is lost: the demo's keeps its log in memory")

    async def keep(self) -> None:
        """Rotate the log when needed, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), LOOK_EVERY_S)
            try:
                if self._gone.is_set():
                    await self._reset()
                    self._gone.clear()
                elif await self._length() >= self._longest and await self._reading():
                    await self._roll()
            except (Unavailable, TimeoutError):  # Redis is away or too busy: retry
                await asyncio.sleep(AGAIN_S)

    async def _length(self) -> int:
        """How many batches a partition may have: one for each request of the feed and each event of others."""
        seen = sum(await self._offsets()), self._feed.sent, self._feed.requests
        records, sent, requests = (now - before for now, before in zip(seen, self._seen, strict=True))
        self._batches += requests + max(records - sent, 0) // self._partitions
        self._seen = seen
        return self._batches

    async def _roll(self) -> None:
        """Nothing is acknowledged while the api process is suspended; all that was is applied before."""
        self._say("the log in Kafka's memory has grown long and begins anew: a few seconds")
        with self._held("api"):
            async with asyncio.timeout(PATIENCE_S):
                await self._quiet()
            if not await self._reading():
                return
            self._rolling = True
            try:
                await self._reset()
                self._back.clear()
                self._supervisor.restart("kafka", at_once=True)
                async with asyncio.timeout(PATIENCE_S):
                    await self._back.wait()
            finally:
                self._rolling = False

    async def _reset(self) -> None:
        """Let the store expect a new log from its beginning, whose letters are numbered anew, and end the worker:
        the next one fetches from there. tansu itself gives nothing for an offset beyond its end, and no error."""
        for partition in range(self._partitions):
            at = await self._store.claim(partition)
            post = Ledger(await self._store.post(partition)).restart(at.epoch)
            nobody = Timers((), ())
            await self._store.commit(Commit(partition, at.epoch, at.offset, 0, (), (), nobody, (), {}, post=post))
        await self._store.persisted()  # a Redis that dies now must not restart with the old offsets
        self._seen, self._batches = (0, self._feed.sent, self._feed.requests), 0
        self._supervisor.restart("worker", at_once=True)

    async def _quiet(self) -> None:
        """Wait until nothing more is applied: a worker that reads has within milliseconds what Kafka holds."""
        before, since = await self._offsets(), time.monotonic()
        while time.monotonic() - since < QUIET_S:
            await asyncio.sleep(QUIET_S / 10)
            offsets = await self._offsets()
            if offsets != before:
                before, since = offsets, time.monotonic()

    async def _offsets(self) -> list[int]:
        return [(await self._store.position(partition)).offset for partition in range(self._partitions)]

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        """Suspend a child, then resume it."""
        pid = self._supervisor.pid(name)
        self._signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(pid, signal.SIGCONT)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if pid:  # 0, of one that does not run, would be this very group of processes
                os.kill(pid, number)
