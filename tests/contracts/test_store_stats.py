"""Counters, names and the replay's clock."""

from __future__ import annotations

from engine.ports import ClockAnchor, Commit, Timers
from tests.contracts.builders import AnyStore


async def test_tallies_begin_empty(store: AnyStore) -> None:
    tallies = await store.tallies()
    assert not any(tallies.values())


async def test_settled_records_are_counted_by_partition_and_the_log_has_no_say(store: AnyStore) -> None:
    before = await store.settled()
    at = await store.claim(1)
    for expected, offset, records in ((at.offset, 40, 5), (40, 3, 2)):  # the log began anew
        tallies = {"events": records, "applied": 1}
        await store.commit(Commit(1, at.epoch, expected, offset, [], [], Timers([], []), [], tallies))
    counted = await store.settled()
    assert [now - then for now, then in zip(counted, before, strict=True)] == [
        7 if partition == 1 else 0 for partition in range(len(counted))
    ]


async def test_names_are_remembered(store: AnyStore) -> None:
    await store.name({1: "electronics.smartphone", 2**32 - 1: "Bücher"})
    await store.name({2: "toys", 1: "electronics"})
    await store.name({})
    assert await store.names([2**32 - 1, 7, 1]) == {2**32 - 1: "Bücher", 1: "electronics"}
    assert await store.names([]) == {}
    many = {number: f"item {number}" for number in range(3, 1_300)}
    await store.name(many)
    assert await store.names(list(many)) == many


async def test_the_clock_is_set_and_given_back_to_the_wall(store: AnyStore) -> None:
    assert await store.clock() is None
    anchor = ClockAnchor(1_570_000_000_000, 1_700_000_000_000, 299.5)
    await store.set_clock(anchor)
    assert await store.clock() == anchor
    await store.set_clock(None)
    assert await store.clock() is None
