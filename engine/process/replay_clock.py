"""The engine's clock, kept on the anchor that a replay sets."""

from __future__ import annotations

import asyncio

from engine.clock import EngineClock
from engine.ports.stats_store import StatsStore
from engine.process.periodic import every

CLOCK_EVERY_S = 0.2
FORGET_AFTER = 3  # polls; together shorter than a replay waits after it set the clock


async def follow_clock(clock: EngineClock, stats: StatsStore, stop: asyncio.Event) -> None:
    """Keep `clock` on the anchor that a replay sets, until `stop`.

    A missing anchor counts only after `FORGET_AFTER` polls: a restarted store is given it again by the replay, and
    time must not jump meanwhile.
    """
    missed = 0

    async def look() -> None:
        nonlocal missed
        anchor = await stats.clock()
        missed = 0 if anchor else missed + 1
        if anchor or missed >= FORGET_AFTER:
            clock.anchor = anchor

    await every(CLOCK_EVERY_S, look, stop)
