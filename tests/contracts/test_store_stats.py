"""Counters, names and the replay's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis

from engine.errors import BadState, Unavailable
from engine.ports.clock import ClockAnchor
from engine.ports.health import REPORT_KEPT_MS, CommitPoint, WorkerReport
from engine.ports.stream_store import Commit, Timers
from engine.settings import Redis
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.contracts.builders import PARTITIONS, AnyStore


async def test_tallies_begin_empty(store: AnyStore) -> None:
    tallies = await store.tallies()
    assert not any(tallies.values())


async def test_settled_records_are_counted_by_partition_and_the_log_has_no_say(store: AnyStore) -> None:
    before = await store.commit_points()
    at = await store.claim(1)
    for expected, offset, records in ((at.offset, 40, 5), (40, 3, 2)):  # the log began anew
        tallies = {"events": records, "applied": 1, "customers": 1}
        await store.commit(Commit(1, at.epoch, expected, offset, [], [], Timers([], []), [], tallies))
    assert before == [CommitPoint(0, 0, 0)] * PARTITIONS
    assert await store.commit_points() == [
        CommitPoint(7, 2, 3) if partition == 1 else CommitPoint(0, 0, 0) for partition in range(PARTITIONS)
    ]


NO_COUNTS = ["rubbish", "", "1.5", "-1", str(1 << 63), "9" * 5_000, b"\xff"]


@pytest.mark.parametrize("value", NO_COUNTS)
async def test_a_tally_that_is_no_count_is_passed_over_and_logged_once(
    redis_store: RedisStore, look: redis.Redis, caplog: pytest.LogCaptureFixture, value: str | bytes
) -> None:
    look.hset("{p1}:n", mapping={"events": value, "applied": 7, b"\xfe": 1})
    look.hset("{p2}:n", mapping={"events": 5, "customers": value})
    look.hset("{p2}:o", "offset", value)
    for _ in range(2):
        assert dict(await redis_store.tallies()) == {"applied": 7, "events": 5}
        assert (await redis_store.commit_points())[1:3] == [CommitPoint(0, 0, 0), CommitPoint(5, 0, 0)]
    places = [record.getMessage() for record in caplog.records]
    assert len(places) == 4
    assert places[0] == "Redis holds no count in field 'events' of '{p1}:n': passed over"


async def test_the_newest_report_of_each_partition_is_kept(store: AnyStore) -> None:
    assert await store.reports() == [None] * PARTITIONS
    first, second = WorkerReport("a", 1, 1, None, ("waits for the store",)), WorkerReport("b", 1, 2, 5)
    await store.report({0: first, 2: first}, 0)
    await store.report({2: second}, store.connections)
    await store.report({}, 0)
    assert await store.reports() == [first, None, second, *[None] * (PARTITIONS - 3)]
    with pytest.raises(Unavailable):
        await store.report({1: first}, store.connections + 1)
    assert (await store.reports())[1] is None


async def test_a_report_is_gone_with_its_worker(redis_store: RedisStore, look: redis.Redis) -> None:
    await redis_store.report({1: WorkerReport("a", 1, 1, 0)}, 0)
    assert 0 < look.pttl("{p1}:a") <= REPORT_KEPT_MS
    wall = [1_000]
    memory = MemoryStore(PARTITIONS, wall=lambda: wall[0])
    await memory.report({1: WorkerReport("a", 1, 1, 0)}, 0)
    wall[0] += REPORT_KEPT_MS - 1
    assert (await memory.reports())[1] is not None
    wall[0] += 1
    assert (await memory.reports())[1] is None


async def test_words_are_remembered(store: AnyStore) -> None:
    await store.name([(1, "electronics.smartphone"), (2**32 - 1, "Bücher")])
    await store.name([(2, "toys"), (1, "electronics.smartphone")])
    await store.name([])
    assert await store.names([2**32 - 1, 7, 1]) == {2**32 - 1: "Bücher", 1: "electronics.smartphone"}
    assert await store.names([]) == {}


async def test_a_hash_of_two_words_has_none_for_good(store: AnyStore) -> None:
    await store.name([(1, "shirt"), (2, "hat")])
    await store.name([(1, "medicine"), (3, "lamp"), (3, "sofa")])
    for word in ("shirt", "medicine", "shirt"):
        assert await store.names([1, 2, 3]) == {2: "hat"}
        await store.name([(1, word)])


@pytest.fixture
async def few(store_settings: Redis | None) -> AsyncIterator[AnyStore]:
    """A store that keeps a thousand words."""
    kept = 1_000
    if store_settings is None:
        yield MemoryStore(PARTITIONS, words_kept=kept)
        return
    store = RedisStore(store_settings.model_copy(update={"words_kept": kept}), PARTITIONS)
    yield store
    await store.close()


async def test_the_oldest_words_make_room_and_those_told_again_stay(few: AnyStore) -> None:
    assert await few.names_begun() == ""
    first = [(number, f"item {number}") for number in range(1, 1_000)]
    await few.name(first)
    begun = await few.names_begun()
    assert begun
    assert await few.names(range(1, 1_001)) == dict(first)
    await few.name([(1_000, "item 1000")])
    assert await few.names_begun() != begun
    assert len(await few.names(range(1, 1_001))) == 1_000
    begun = await few.names_begun()
    await few.name([first[0], (2, "another item"), (3, "item 3")])
    await few.name([(number, f"item {number}") for number in range(2_000, 2_996)])
    assert await few.names_begun() == begun
    assert len(await few.names(range(1, 3_000))) == 1_000 - 1 + 996
    await few.name([(2_996, "item 2996")])
    assert await few.names([1, 2, 3, 4, 999, 1_000, 2_000]) == {1: "item 1", 3: "item 3", 2_000: "item 2000"}
    assert await few.names_begun() != begun


async def test_the_clock_is_set_and_given_back_to_the_wall(store: AnyStore) -> None:
    assert await store.clock() is None
    anchor = ClockAnchor(1_570_000_000_000, 1_700_000_000_000, 299.5)
    await store.set_clock(anchor)
    assert await store.clock() == anchor
    await store.set_clock(None)
    assert await store.clock() is None


@pytest.mark.parametrize("stored", [b"\x00", b"rubbish", b"\xff", b"[]", b'{"event_ms":"soon"}', b"[" * 5_000])
async def test_what_is_no_clock_is_named(redis_store: RedisStore, look: redis.Redis, stored: bytes) -> None:
    look.set("cueline:clock", stored)
    with pytest.raises(BadState, match=r"^Redis holds no clock in cueline:clock: delete it"):
        await redis_store.clock()


@pytest.mark.parametrize("key", ["{p1}:n", "{p1}:o"])
async def test_a_progress_of_another_type_is_named_and_waited_for(
    redis_store: RedisStore, look: redis.Redis, key: str
) -> None:
    look.set(key, "rubbish")
    with pytest.raises(Unavailable, match=r"\{p1\}:o or \{p1\}:n: WRONGTYPE"):
        await redis_store.commit_points()
    look.delete(key)
    assert len(await redis_store.commit_points()) == PARTITIONS
