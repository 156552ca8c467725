"""What a process follows while it runs: the rule files, what was learned, and a replay's clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Protocol

from engine.clock import EngineClock
from engine.errors import BadRule, Unavailable
from engine.ports import DecisionStore, Meter, StatsStore
from engine.rulebook.directory import load
from engine.rulebook.model import Rulebook
from engine.rulebook.watcher import watch
from models.propensity import PropensityTable, fit

log = logging.getLogger("cueline")

LEARNED_EVERY_S = 0.4
CLOCK_EVERY_S = 0.2
FORGET_AFTER = 3  # looks; together less than a replay waits after it set the clock


class Knowledge:
    """The rulebook and the propensity table in use. Each is replaced whole, by one assignment.

    `on_change` is called with both after every change. Raises `BadRule` when the rule files do not compile
    at the start; later a bad file keeps the rulebook that was in use.
    """

    def __init__(
        self,
        directory: Path,
        store: DecisionStore,
        meter: Meter,
        on_change: Callable[[Rulebook, PropensityTable], None] = lambda rulebook, table: None,
    ) -> None:
        self._directory = directory
        self._store = store
        self._meter = meter
        self.on_change = on_change
        self.rulebook = load(directory)
        self.table = fit(self.rulebook.offers, {})
        self.faults: list[str] = []
        self._took_effect()

    async def learn(self) -> None:
        """Read what outcomes have taught, once. Raises `Unavailable`."""
        counts = await self._store.propensities()
        if counts != self.table.counts:
            self.table = fit(self.rulebook.offers, counts)
            self.on_change(self.rulebook, self.table)

    async def follow(self, stop: asyncio.Event) -> None:
        """Watch the rule files and the learned counts until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(self._directory, self._loaded, self._faulty, stop))
            group.create_task(every(LEARNED_EVERY_S, self.learn, stop))

    def _loaded(self, rulebook: Rulebook) -> None:
        mended, self.faults = bool(self.faults), []
        self._meter.set("rulebook_faults", 0)
        if rulebook.revision != self.rulebook.revision:
            self.rulebook = rulebook
            self.table = fit(rulebook.offers, self.table.counts)
            self._meter.add("rulebook_reloads")
            self._took_effect()
        if mended:
            log.info("the rule files have no faults any more: rulebook %s in use", self.rulebook.revision)

    def _faulty(self, fault: BadRule) -> None:
        self.faults = fault.faults
        self._meter.set("rulebook_faults", len(fault.faults))
        for line in fault.faults:
            log.error("rulebook kept at %s: %s", self.rulebook.revision, line)

    def _took_effect(self) -> None:
        self._meter.set("rulebook_info", 1, self.rulebook.revision)
        self._meter.set("rulebook_loaded_timestamp", time.time())
        log.info("rulebook %s in use", self.rulebook.revision)
        self.on_change(self.rulebook, self.table)


async def follow_clock(clock: EngineClock, stats: StatsStore, stop: asyncio.Event) -> None:
    """Keep `clock` on the anchor that a replay sets, until `stop`.

    One that is gone is believed to be gone after `FORGET_AFTER` looks: a store that came back without it is
    given it again, and time must not jump meanwhile.
    """
    missed = 0

    async def look() -> None:
        nonlocal missed
        anchor = await stats.clock()
        missed = 0 if anchor else missed + 1
        if anchor or missed >= FORGET_AFTER:
            clock.anchor = anchor

    await every(CLOCK_EVERY_S, look, stop)


class Step(Protocol):
    """Something to be done again and again."""

    def __call__(self) -> Coroutine[object, object, None]: ...


async def every(seconds: float, step: Step, stop: asyncio.Event) -> None:
    """Run `step` every so often until `stop`; an absent store is waited out."""
    away = False
    while not stop.is_set():
        try:
            await step()
            away = False
        except Unavailable as error:
            if not away:
                log.warning("store: %s", error)
            away = True
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            continue
