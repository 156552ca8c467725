"""Life cycle of a process: what it opens, which tasks run, what ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from engine.clock import EngineClock
from engine.decisions.policy import Policy
from engine.errors import CuelineError
from engine.kafka.producer import KafkaLog
from engine.kafka.topics import make_topics, topics_of
from engine.meter import PrometheusMeter
from engine.process.identity import erased_ids_of
from engine.process.learned_counts import LearnedCounts
from engine.process.policy_in_use import PolicyInUse
from engine.process.replay_clock import follow_clock
from engine.process.rulebook_in_use import RulebookInUse
from engine.process.signals import stop_on_signals
from engine.settings import Settings
from engine.store.reach import explaining
from engine.store.redis import RedisStore

log = logging.getLogger("cueline")


class Process:
    """What both kinds of process share: store, Kafka, clock, meter, and a stop event set by signals."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.meter = PrometheusMeter()
        self.clock = EngineClock()
        self.erased_ids = erased_ids_of(settings)
        self.store = RedisStore(settings.redis, settings.kafka.partitions, self.erased_ids)
        self.log = KafkaLog(settings.kafka, self.meter)
        self.stop = asyncio.Event()
        self.failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect; on leaving, stop what was started and close. Raises `Unavailable`, and what made a part of the
        process fail, also while it stopped."""
        kafka = self.settings.kafka
        async with explaining(self.settings.redis):
            await self.store.open()
        await make_topics(kafka, topics_of(kafka))
        await self.log.open()
        stop_on_signals(self.stop)
        try:
            yield
        finally:
            self.stop.set()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.log.close()
            await self.store.close()
        if self.failure is not None:
            raise self.failure

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, which goes on until `stop`, as a task; when it ends otherwise the process fails."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, getattr(work, "__qualname__", "a task")))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None and not self.stop.is_set():
            error = CuelineError(f"{name} ended by itself")
        if error is not None:
            log.error("%s failed, so this process ends: %s: %s", name, type(error).__name__, error)
            self.failure = self.failure or error
            self.stop.set()

    async def follow_policy(self, on_change: Callable[[Policy], None] = lambda policy: None) -> PolicyInUse:
        """Load the rules and the learned counts, and follow both. Raises `BadRule` and `Unavailable`."""
        rules = RulebookInUse(self.settings.rules.directory, self.meter)
        learned = LearnedCounts(self.store, self.settings.lessons.unsigned_weight)
        await learned.refresh()
        in_use = PolicyInUse(rules, learned, on_change, self.settings.consent.levels)
        self.begin(rules.follow(self.stop))
        self.begin(learned.follow(self.stop))
        return in_use

    def follow_clock(self) -> None:
        """Follow a replay's clock where the settings say so."""
        if self.settings.stream.clock == "replay":
            self.begin(follow_clock(self.clock, self.store, self.stop))

    async def until_stopped(self) -> None:
        """Returns on a signal; raises what made a part of the process fail."""
        await self.stop.wait()
        if self.failure is not None:
            raise self.failure


def settle_memory() -> None:
    """Exempt the objects that exist now from garbage collection, and collect others less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # looking after every 700 objects took a twentieth of a decision
