"""A replay's clock outlives a store that loses it: it is set again, and nobody's time jumps meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from engine.clock import EngineClock
from engine.errors import Unavailable
from engine.ports.clock import ClockAnchor
from engine.process import replay_clock as following
from engine.process.replay_clock import FORGET_AFTER, follow_clock
from engine.replay import clock_keeper as held
from engine.replay.clock_keeper import ClockKeeper
from engine.store.memory import MemoryStore
from tests.patience import PATIENCE_S

ANCHOR, LATER = ClockAnchor(1_000, 2_000, 60.0), ClockAnchor(5_000, 2_500, 60.0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0)


async def until_set(store: MemoryStore, anchor: ClockAnchor) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await store.clock() != anchor:
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "AGAIN_EVERY_S", 0.001)
    monkeypatch.setattr(following, "CLOCK_EVERY_S", 0.001)


async def test_what_the_store_lost_is_set_again_for_as_long_as_it_is_kept() -> None:
    store = MemoryStore(1)
    clock = ClockKeeper(store.set_clock)
    async with clock.kept():
        for anchor in (ANCHOR, LATER):
            await clock.set(anchor)
            await store.set_clock(None)
            await until_set(store, anchor)
    await store.set_clock(None)
    await asyncio.sleep(0.01)  # nobody sets it any more
    assert await store.clock() is None


async def test_a_clock_that_was_never_set_stays_the_walls() -> None:
    calls: list[ClockAnchor | None] = []

    async def note(anchor: ClockAnchor | None) -> None:
        calls.append(anchor)

    clock = ClockKeeper(note)
    async with clock.kept():
        await clock.set(None)
        await asyncio.sleep(0.01)
    assert calls == [None]


async def test_a_store_that_is_away_is_waited_out() -> None:
    calls: list[ClockAnchor | None] = []

    async def away(anchor: ClockAnchor | None) -> None:
        calls.append(anchor)
        if len(calls) == 2:
            raise Unavailable("Redis: connection refused")

    clock = ClockKeeper(away)
    async with clock.kept():
        await clock.set(ANCHOR)
        await until(lambda: len(calls) > 3)
    assert set(calls) == {ANCHOR}


async def test_time_does_not_jump_while_the_store_has_no_clock_but_ends_with_it() -> None:
    class Looked(MemoryStore):
        """Counts the looks since the clock was lost."""

        looks = 0

        async def clock(self) -> ClockAnchor | None:
            self.looks += 1
            seen.append(clock.anchor)
            return await super().clock()

    store, clock, stop = Looked(1), EngineClock(), asyncio.Event()
    seen: list[ClockAnchor | None] = []
    await store.set_clock(ANCHOR)
    following_it = asyncio.create_task(follow_clock(clock, store, stop))
    await until(lambda: clock.anchor == ANCHOR)
    await store.set_clock(None)
    store.looks = 0
    await until(lambda: store.looks == FORGET_AFTER - 2)
    await store.set_clock(LATER)
    await until(lambda: clock.anchor == LATER)
    assert None not in seen[1:]
    await store.set_clock(None)
    await until(lambda: clock.anchor is None)
    stop.set()
    await following_it
