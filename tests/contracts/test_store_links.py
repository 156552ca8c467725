"""The count of links: a bound for each customer and month, that holds however the ids come."""

from __future__ import annotations

import asyncio

import redis

from engine.customer_id import CustomerId, customer_id
from engine.ports.link_store import LINKS_KEPT_S, CountedLink
from engine.store.keys import RedisKeys
from engine.store.redis import RedisStore
from tests.contracts.builders import PARTITIONS, AnyStore, customers_of

ANN, BEN = customers_of(1, 1)[0], customers_of(2, 1)[0]


def links(upper: CustomerId, *lower: str, month: int = 24_000, signed: bool = True) -> list[CountedLink]:
    return [CountedLink(customer_id(one), upper, month, signed) for one in lower]


async def test_the_first_of_a_month_are_allowed(store: AnyStore) -> None:
    assert await store.count_links([], 2) == []
    assert await store.count_links(links(ANN, "a", "b", "c"), 2) == [True, True, False]
    assert await store.count_links(links(ANN, "c"), 2) == [False]
    assert await store.count_links(links(ANN, "d") + links(BEN, "d"), 2) == [False, True]


async def test_what_was_counted_is_allowed_again_and_counts_once(store: AnyStore) -> None:
    assert await store.count_links(links(ANN, "a"), 2) == [True]
    assert await store.count_links(links(ANN, "a", "b"), 2) == [True, True]
    assert await store.count_links(links(ANN, "a", "b", "c"), 2) == [True, True, False]
    assert await store.count_links(links(ANN, "c"), 3) == [True]  # what was refused took no room


async def test_another_month_and_another_trust_are_counted_apart(store: AnyStore) -> None:
    assert await store.count_links(links(ANN, "a"), 1) == [True]
    assert await store.count_links(links(ANN, "b", signed=False), 1) == [True]
    assert await store.count_links(links(ANN, "c", signed=False) + links(ANN, "c"), 1) == [False, False]
    assert await store.count_links(links(ANN, "c", month=24_001), 1) == [True]


async def test_ten_thousand_ids_leave_room_for_as_many_as_are_allowed(store: AnyStore) -> None:
    names = [f"id-{number}" for number in range(10_000)]
    parts = [names[at : at + 500] for at in range(0, len(names), 500)]
    allowed = await asyncio.gather(*(store.count_links(links(ANN, *part), 100) for part in parts))
    assert sum(map(sum, allowed)) <= 100
    again = await store.count_links(links(ANN, *names[:300]), 100)
    assert sum(again) == 100


async def test_redis_is_told_how_long_to_keep_the_count(redis_store: RedisStore, look: redis.Redis) -> None:
    await redis_store.count_links(links(ANN, "a"), 1)
    kept = look.pttl(RedisKeys(PARTITIONS).links_prefix[1] + b"24000:s:" + ANN.encode())
    assert LINKS_KEPT_S * 900 < kept <= LINKS_KEPT_S * 1_000
