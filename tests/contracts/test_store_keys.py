"""The keys of callers, in both stores."""

from __future__ import annotations

import msgspec
import pytest
import redis

from engine.access import KeyRecord, Scope, Trust, hash_of
from engine.ports.access_store import Settlement
from engine.store.redis import RedisStore
from tests.contracts.builders import AnyStore

SHOP = KeyRecord(
    "shop", hash_of("one"), Trust.PUBLIC, (Scope.EVENTS_WRITE, Scope.CUES_READ), ("https://shop.example",),
    ("searched",), 2.5, 9, 7, 3,
)  # fmt: skip
DESK = KeyRecord("desk", hash_of("two"), Trust.SECRET, (Scope.DECISIONS,))


async def test_keys_are_kept_listed_and_revoked(store: AnyStore) -> None:
    assert await store.access_keys() == []
    assert [await store.add_key(SHOP), await store.add_key(DESK)] == [True, True]
    assert await store.access_keys() == [DESK, SHOP]
    assert [await store.revoke_key("shop"), await store.revoke_key("shop")] == [True, False]
    assert await store.access_keys() == [DESK]


async def test_an_id_in_use_stays_with_its_key(store: AnyStore) -> None:
    other = KeyRecord("shop", hash_of("three"), Trust.SECRET, (Scope.ADMIN,))
    assert [await store.add_key(SHOP), await store.add_key(other)] == [True, False]
    assert await store.access_keys() == [SHOP]


async def test_what_keys_spend_adds_up_by_day(store: AnyStore) -> None:
    assert await store.spend_quotas(7, Settlement("p", 1, {"a": 2, "b": 1})) == {"a": 2, "b": 1}
    assert await store.spend_quotas(7, Settlement("q", 1, {"a": 3})) == {"a": 5}
    assert await store.spend_quotas(8, Settlement("p", 2, {"a": 1, "b": 1})) == {"a": 1, "b": 1}


async def test_a_settlement_counts_once(store: AnyStore) -> None:
    first = Settlement("p", 3, {"a": 2, "b": 1})
    for _ in range(2):
        assert await store.spend_quotas(7, first) == {"a": 2, "b": 1}
    assert await store.spend_quotas(7, Settlement("p", 4, {"a": 1})) == {"a": 3}
    assert await store.spend_quotas(7, first) == {"a": 3, "b": 1}  # sent before, and late
    assert await store.spend_quotas(7, Settlement("p", 5, {"a": 1, "c": 1})) == {"a": 4, "c": 1}


def _x(**changed: object) -> bytes:
    good = {"id": "x", "hash": hash_of("x"), "trust": "public", "scopes": ["cues:read"]}
    return msgspec.json.encode({**good, **changed})


RUBBISH = [
    b"",
    b"{",
    b'{"id": "x"}',
    b"\xff",
    b'{"id":"x","trust":"most"}',
    _x(id="desk"),
    _x(scopes=["admin"]),
    _x(scopes=["of:another-release"]),
    _x(kinds=["of_another_release"]),
    _x(rate=-1),
]


@pytest.mark.parametrize("rubbish", RUBBISH)
async def test_what_is_no_record_opens_nothing_and_is_logged(
    redis_store: RedisStore, look: redis.Redis, caplog: pytest.LogCaptureFixture, rubbish: bytes
) -> None:
    await redis_store.add_key(DESK)
    look.hset("cueline:keys", "x", rubbish)
    for _ in range(3):  # as each second, in which it is logged once
        assert await redis_store.access_keys() == [DESK]
    assert [record.getMessage() for record in caplog.records] == [
        "Redis holds no key record in field b'x' of 'cueline:keys': it opens nothing"
    ]
