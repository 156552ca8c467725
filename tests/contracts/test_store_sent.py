"""The memory for repeats of large batches: what was sent of each customer, and which batch is under way."""

from __future__ import annotations

import pytest
import redis

from engine.ports.sent_store import SENT_BATCHES, SENT_KEPT_S, UNDER_WAY_S
from engine.store.keys import RedisKeys
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.contracts.builders import PARTITIONS, AnyStore, customers_of

ONE, TWO, THREE = b"11111111", b"22222222", b"33333333"


async def test_what_a_batch_sent_is_known_to_the_next_one(store: AnyStore) -> None:
    ann, ben = customers_of(0, 1) + customers_of(3, 1)
    assert await store.begin_batch(b"a", [ann, ben]) == [b"", b""]
    await store.end_batch(b"a", {ann: ONE + TWO, ben: THREE})
    assert await store.begin_batch(b"b", [ben, ann]) == [THREE, ONE + TWO]
    await store.end_batch(b"b", {ann: THREE})
    assert await store.begin_batch(b"c", [ann, ben]) == [ONE + TWO + THREE, THREE]


async def test_a_batch_that_is_under_way_begins_once_until_it_ends(store: AnyStore) -> None:
    (ann,) = customers_of(1, 1)
    assert await store.begin_batch(b"a", [ann]) == [b""]
    assert await store.begin_batch(b"a", [ann]) is None
    assert await store.begin_batch(b"\xff\x00", [ann]) == [b""]
    await store.end_batch(b"a", {})  # it failed: nothing of it is known
    assert await store.begin_batch(b"a", [ann]) == [b""]


async def test_the_newest_batches_of_a_customer_are_known(store: AnyStore) -> None:
    (ann,) = customers_of(2, 1)
    batches = [b"%08d" % number for number in range(SENT_BATCHES + 1)]
    for ids in batches[:-1]:
        await store.end_batch(b"x", {ann: ids})
    assert await store.begin_batch(b"x", [ann]) == [b"".join(batches[:-1])]
    await store.end_batch(b"x", {ann: batches[-1]})
    assert await store.begin_batch(b"x", [ann]) == [b"".join(batches[1:])]


@pytest.mark.parametrize(("later_ms", "known"), [(SENT_KEPT_S * 1_000 - 1, ONE), (SENT_KEPT_S * 1_000, b"")])
async def test_the_twin_forgets_what_was_sent_after_an_hour(later_ms: int, known: bytes) -> None:
    now = [1_000]
    store, (ann,) = MemoryStore(PARTITIONS, wall=lambda: now[0]), customers_of(0, 1)
    await store.end_batch(b"x", {ann: ONE})
    now[0] += later_ms
    assert await store.begin_batch(b"x", [ann]) == [known]


@pytest.mark.parametrize(("later_ms", "free"), [(UNDER_WAY_S * 1_000 - 1, False), (UNDER_WAY_S * 1_000, True)])
async def test_the_twin_frees_a_batch_that_nobody_ended(later_ms: int, free: bool) -> None:
    now = [1_000]
    store, (ann,) = MemoryStore(PARTITIONS, wall=lambda: now[0]), customers_of(0, 1)
    await store.begin_batch(b"x", [ann])
    now[0] += later_ms
    assert (await store.begin_batch(b"x", [ann]) is not None) is free


async def test_redis_is_told_how_long_to_keep_it(redis_store: RedisStore, look: redis.Redis) -> None:
    (ann,) = customers_of(1, 1)
    sent = RedisKeys(PARTITIONS).sent_prefix[1] + ann.encode()
    await redis_store.begin_batch(b"x", [ann])
    await redis_store.end_batch(b"y", {ann: ONE})
    kept = {key: look.pttl(key) for key in (b"cueline:b:x", sent)}
    assert UNDER_WAY_S * 900 < kept[b"cueline:b:x"] <= UNDER_WAY_S * 1_000
    assert SENT_KEPT_S * 900 < kept[sent] <= SENT_KEPT_S * 1_000
    look.persist(sent)
    await redis_store.end_batch(b"x", {ann: TWO})
    assert look.pttl(sent) > 0
    assert not look.exists(b"cueline:b:x")
