"""Pauses of partitions, and positions that hold no numbers."""

from __future__ import annotations

import pytest
import redis

from engine.errors import BadState
from engine.ports.stream_store import Intake, Pause, Position
from engine.store.redis import RedisStore
from tests.contracts.builders import PARTITIONS, AnyStore, change


async def test_the_newest_pause_is_kept_beside_what_an_operator_lets_pass(store: AnyStore) -> None:
    assert await store.intake(1) == Intake()
    first, second = Pause(7, 10, 3, 'a "quoted" why'), Pause(9, 10, 4, "ü")
    await store.pause(1, first)
    assert await store.intake(1) == Intake(first, 0)
    await store.let_pass(1, 12)
    await store.pause(1, second)
    await store.let_pass(2, 5)
    assert await store.intakes() == [Intake(), Intake(second, 12), Intake(None, 5), Intake()]
    assert len(await store.intakes()) == PARTITIONS


@pytest.mark.parametrize("stored", [b"rubbish", b"{}", b"\xff", b"", b"-1", b'{"offset":"x"}'])
async def test_what_is_no_pause_pauses_nothing(redis_store: RedisStore, look: redis.Redis, stored: bytes) -> None:
    look.hset("{p1}:p", mapping={"pause": stored, "let": stored})
    assert await redis_store.intake(1) == Intake()


NO_EPOCH = [b"rubbish", b"", b"-7", b"1.5", b"1e400", b"nan", b"inf", b"9" * 400, b"\xff"]


@pytest.mark.parametrize("stored", NO_EPOCH)
async def test_what_is_no_epoch_is_replaced_by_one_larger_than_any_before(
    redis_store: RedisStore, look: redis.Redis, stored: bytes
) -> None:
    before = await redis_store.claim(1)
    look.hset("{p1}:o", mapping={"epoch": stored, "offset": 9})
    assert (await redis_store.position(1)).epoch != before.epoch
    refused = await redis_store.claim(1, before.epoch)
    assert refused.previous != before.epoch
    claim = await redis_store.claim(1)
    assert claim.epoch >= before.epoch
    assert claim.offset == 9
    assert await redis_store.position(1) == Position(claim.epoch, 9)
    await redis_store.commit(change(claim.epoch, 9, 10))


@pytest.mark.parametrize("stored", [*NO_EPOCH, b"9" * 19])
async def test_what_is_no_offset_is_named_and_never_guessed(
    redis_store: RedisStore, look: redis.Redis, stored: bytes
) -> None:
    look.hset("{p1}:o", "offset", stored)
    for ask in (redis_store.position, redis_store.claim):
        with pytest.raises(BadState, match=r"^partition 1: Redis holds no offset in \{p1\}:o, "):
            await ask(1)
    assert look.hget("{p1}:o", "offset") == stored
    assert (await redis_store.position(2)).offset == 0
