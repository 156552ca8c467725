"""Tickets for event streams, in both stores."""

from __future__ import annotations

import pytest
import redis

from engine.ports.access_store import TICKET_KEPT_S
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.contracts.builders import PARTITIONS, AnyStore


async def test_a_ticket_is_taken_once(store: AnyStore) -> None:
    await store.keep_ticket("a", b"\x00one")
    await store.keep_ticket("b", b"two")
    assert [await store.take_ticket(name) for name in ("a", "a", "b", "c")] == [b"\x00one", None, b"two", None]


async def test_redis_forgets_a_ticket_by_itself(redis_store: RedisStore, look: redis.Redis) -> None:
    await redis_store.keep_ticket("sha256:ab", b"one")
    assert 0 < look.pttl("cueline:ticket:sha256:ab") <= TICKET_KEPT_S * 1_000


@pytest.mark.parametrize(("later_ms", "kept"), [(TICKET_KEPT_S * 1_000 - 1, b"x"), (TICKET_KEPT_S * 1_000, None)])
async def test_the_twin_forgets_it_at_the_same_time(later_ms: int, kept: bytes | None) -> None:
    now = [1_000]
    store = MemoryStore(PARTITIONS, wall=lambda: now[0])
    await store.keep_ticket("a", b"x")
    now[0] += later_ms
    assert await store.take_ticket("a") == kept
