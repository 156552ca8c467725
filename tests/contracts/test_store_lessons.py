"""What outcomes taught: by whom, how much in an hour, and taken back, in both stores."""

from __future__ import annotations

import msgspec
import pytest
import redis

from engine.clock import wall_ms
from engine.events import OutcomeName
from engine.ports.lesson_store import LessonBound, Lessons, Withdrawn
from engine.store.redis import RedisStore
from tests.contracts.builders import AnyStore, customers_of, outcome, reservation

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW = wall_ms() // DAY_MS * DAY_MS  # the ledgers of Redis are looked for up to its own day


async def taught(
    store: AnyStore,
    name: str,
    success: bool,
    key: str = "shop",
    trust: int = 0,
    at: int = NOW,
    offer: str = "chat",
) -> None:
    """One outcome of a decision of its own in partition 2."""
    await store.reserve([reservation(customers_of(2, 1)[0], name=name)])
    what = OutcomeName.ACCEPTED if success else OutcomeName.IGNORED
    said = msgspec.structs.replace(outcome(f"2-{name}", offer, what), key=key, trust=trust, received_at=at)
    assert await store.learn(said, success)


async def test_known_and_unknown_reporters_are_counted_apart(store: AnyStore) -> None:
    await taught(store, "a", True, trust=1)
    await taught(store, "b", True)
    await taught(store, "c", False)
    await taught(store, "d", False, trust=1)
    await taught(store, "e", False, trust=1)
    assert await store.propensities() == {("chat", "web"): Lessons(1, 2, 1, 1)}


async def test_an_outcome_that_does_not_teach_is_recorded_alone(store: AnyStore) -> None:
    await store.reserve([reservation(customers_of(2, 1)[0])])
    quiet = msgspec.structs.replace(outcome("2-x"), teaches=False)
    assert await store.learn(quiet, True) is True
    assert await store.learn(quiet, True) is False
    assert not any(any(lessons) for lessons in (await store.propensities()).values())


@pytest.mark.parametrize("success", [True, False])
async def test_it_keeps_nobody_from_teaching_the_same(store: AnyStore, success: bool) -> None:
    """A public key reported it first, when the hour's bound was used up."""
    await store.reserve([reservation(customers_of(2, 1)[0])])
    what = OutcomeName.ACCEPTED if success else OutcomeName.IGNORED
    known = msgspec.structs.replace(outcome("2-x", what=what), key="desk", trust=1, received_at=NOW)
    quiet = msgspec.structs.replace(known, key="shop", trust=0, teaches=False)
    told = [await store.learn(said, success) for said in (quiet, known, known, quiet)]
    assert told == [True, False, False, False]
    assert await store.propensities() == {("chat", "web"): Lessons(int(success), int(not success))}


async def test_a_success_replaces_a_failure_whoever_reported_it(store: AnyStore) -> None:
    await store.reserve([reservation(customers_of(2, 1)[0])])
    ignored = msgspec.structs.replace(
        outcome("2-x", what=OutcomeName.IGNORED), key="shop", trust=0, received_at=NOW - HOUR_MS
    )
    accepted = msgspec.structs.replace(outcome("2-x"), key="desk", trust=1, received_at=NOW)
    await store.learn(ignored, False)
    assert await store.propensities() == {("chat", "web"): Lessons(0, 0, 0, 1)}
    await store.learn(accepted, True)
    assert await store.propensities() == {("chat", "web"): Lessons(1, 0, 0, 0)}
    assert await store.forget_lessons("shop", 0) in ([], [Withdrawn("chat", "web", 0, 0)])
    assert await store.propensities() == {("chat", "web"): Lessons(1, 0, 0, 0)}
    assert await store.forget_lessons("desk", 0) == [Withdrawn("chat", "web", 1, 0)]
    assert await store.propensities() == {("chat", "web"): Lessons(0, 0, 0, 0)}


@pytest.mark.parametrize("at", [-1, -HOUR_MS - 1, 0, 2**62])
async def test_it_replaces_a_failure_of_any_hour(store: AnyStore, at: int) -> None:
    """Others may write outcomes to the topic, and an error of Redis would break the connection of all."""
    await store.reserve([reservation(customers_of(2, 1)[0])])
    for what, success in ((OutcomeName.IGNORED, False), (OutcomeName.ACCEPTED, True)):
        said = msgspec.structs.replace(outcome("2-x", what=what), key="shop", trust=1, received_at=at)
        assert await store.learn(said, success)
    assert await store.propensities() == {("chat", "web"): Lessons(1, 0)}


async def test_a_keys_lessons_are_taken_back_from_an_hour_on(store: AnyStore) -> None:
    await taught(store, "a", True, at=NOW - 25 * HOUR_MS)
    await taught(store, "b", True, at=NOW - HOUR_MS)
    await taught(store, "c", False, at=NOW, offer="call|1")
    await taught(store, "d", True, key="desk", trust=1, at=NOW)
    await taught(store, "e", True, key="", at=NOW)
    expected = [Withdrawn("call|1", "web", 0, 1), Withdrawn("chat", "web", 1, 0)]
    since = NOW - HOUR_MS + 1  # within an hour: all of that hour
    assert await store.forget_lessons("shop", since, only_look=True) == expected
    assert (await store.propensities())["chat", "web"] == Lessons(1, 0, 3, 0)
    assert await store.forget_lessons("shop", since) == expected
    assert (await store.propensities())["chat", "web"] == Lessons(1, 0, 2, 0)
    assert (await store.propensities())["call|1", "web"] == Lessons(0, 0, 0, 0)
    assert await store.forget_lessons("shop", since) == []
    assert await store.forget_lessons("shop", 0) == [Withdrawn("chat", "web", 1, 0)]
    assert (await store.propensities())["chat", "web"] == Lessons(1, 0, 1, 0)
    assert await store.forget_lessons("nobody", 0) == []


async def test_an_arm_takes_so_many_lessons_an_hour_and_so_many_of_one_address(store: AnyStore) -> None:
    async def admitted(address: str, hour: int = 7, arm: str = "chat|web") -> bool:
        return await store.admit_lesson(LessonBound(hour, arm, address, 5, 2))

    assert [await admitted("a") for _ in range(3)] == [True, True, False]
    assert [await admitted(address) for address in "bcdef"] == [True, True, True, False, False]
    assert [await admitted("a", hour=8), await admitted("a", arm="call|web")] == [True, True]


async def test_what_bounds_lessons_is_bounded_itself(redis_store: RedisStore, look: redis.Redis) -> None:
    for i in range(50):
        await redis_store.admit_lesson(LessonBound(7, "chat|web", f"a{i}", 3, 2))
    assert look.hlen("cueline:lessons:7") == 4
    assert 0 < look.ttl("cueline:lessons:7") <= 7_200


async def test_what_a_key_taught_is_kept_for_ninety_days(redis_store: RedisStore, look: redis.Redis) -> None:
    await taught(redis_store, "a", True)
    (key,) = look.keys("{p2}:k:*")
    assert key == f"{{p2}}:k:{NOW // DAY_MS}:shop".encode()
    assert 89 * 86_400 < look.ttl(key) <= 90 * 86_400


async def test_a_failure_that_a_release_of_before_counted_is_replaced(
    redis_store: RedisStore, look: redis.Redis
) -> None:
    await redis_store.reserve([reservation(customers_of(2, 1)[0])])
    look.sadd("{p2}:l:2-x", "chat|ignored", "chat|web|f")
    look.hset("{p2}:m", "chat|web|f", 1)
    assert await redis_store.learn(outcome("2-x"), True)
    assert await redis_store.propensities() == {("chat", "web"): Lessons(1, 0)}


@pytest.mark.parametrize("mark", [True, False])
async def test_whether_a_cue_was_delivered(redis_store: RedisStore, look: redis.Redis, mark: bool) -> None:
    if mark:
        look.sadd("{p2}:l:2-x", "delivered")
    assert await redis_store.delivered("2-x") is mark
    assert not await redis_store.delivered("nonsense")
