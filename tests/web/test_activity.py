"""The counters' samples, over the in-memory store and clocks that are set."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from engine.errors import Unavailable
from engine.meter import PrometheusMeter
from engine.ports.stream_store import Commit, Timers
from engine.store.memory import MemoryStore
from engine.web.pages.activity import KEPT, Activity, Point


class Store(MemoryStore):
    """A store that may be away, and returns the counts it is given."""

    def __init__(self) -> None:
        super().__init__(1)
        self.away = False

    async def tallies(self) -> Mapping[str, int]:
        if self.away:
            raise Unavailable("away")
        return await super().tallies()

    async def count(self, **tallies: int) -> None:
        at = await self.claim(0)
        await self.commit(Commit(0, at.epoch, at.offset, at.offset, (), (), Timers((), ()), (), tallies))


class Clock:
    """Seconds, and milliseconds of a wall, that go on when they are let."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def wall(self) -> int:
        return int(1_000 * self.seconds)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def activity(store: Store, clock: Clock) -> Activity:
    return Activity(store, PrometheusMeter(), clock.now, clock.wall)


async def test_a_first_sample_has_counts_and_no_speed(activity: Activity, store: Store) -> None:
    await store.count(events=40, cues=2)
    await activity.sample()
    assert (activity.latest.tallies["events"], activity.latest.tallies["cues"]) == (40, 2)
    assert activity.latest.per_second == {}
    assert activity.points() == [Point(100_000, None, 0)]


async def test_a_speed_is_what_was_counted_over_the_time_it_took(
    activity: Activity, store: Store, clock: Clock
) -> None:
    await activity.sample()
    await store.count(events=30, cues=3)
    clock.seconds += 2
    await activity.sample()
    assert (activity.latest.per_second["events"], activity.latest.per_second["cues"]) == (15.0, 1.5)
    assert activity.points()[-1] == Point(102_000, 15.0, 3)


async def test_while_the_store_is_away_nothing_is_known_and_afterwards_the_mean(
    activity: Activity, store: Store, clock: Clock
) -> None:
    await store.count(events=10)
    await activity.sample()
    store.away = True
    clock.seconds += 1
    await activity.sample()
    assert activity.points()[-1] == Point(101_000, None, 0)
    assert activity.latest.tallies["events"] == 10
    store.away = False
    await store.count(events=30)
    clock.seconds += 2
    await activity.sample()
    assert activity.points()[-1] == Point(103_000, 10.0, 0)


async def test_a_store_that_came_back_empty_has_no_negative_speed(
    activity: Activity, store: Store, clock: Clock
) -> None:
    await store.count(events=10, cues=4)
    await activity.sample()
    await store.count(events=-8, cues=-4)
    clock.seconds += 1
    await activity.sample()
    assert activity.points()[-1] == Point(101_000, 0.0, 0)
    assert activity.latest.tallies["events"] == 2


async def test_only_the_newest_points_are_kept_and_each_is_given_once(activity: Activity, clock: Clock) -> None:
    for _ in range(KEPT + 1):
        await activity.sample()
        clock.seconds += 1
    assert len(activity.points()) == KEPT
    assert activity.points()[0].at == 101_000
    assert activity.points(activity.taken) == []
    assert activity.points(activity.taken - 1) == activity.points()[-1:]
    assert activity.points(activity.taken - KEPT - 1) == activity.points()


async def test_events_that_nobody_applies_are_told(store: Store, clock: Clock) -> None:
    activity = Activity(store, meter := PrometheusMeter(), clock.now, clock.wall)
    await activity.sample()
    meter.add("events_accepted", 5)
    for _ in range(2):
        clock.seconds += 6
        await activity.sample()
    assert activity.latest.stalled_seconds == 12.0
    await store.count(events=5)
    await activity.sample()
    assert activity.latest.stalled_seconds == 0.0
