"""The decisions' methods: views, caps, records, learned counts."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import redis

from engine.events import OutcomeName
from engine.kernels.partition import partition_of
from engine.ports.decision_store import Candidate, Taking
from engine.ports.lesson_store import Lessons
from engine.ports.offer_history import View
from engine.settings import Redis
from engine.store.keys import HISTORY
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.contracts.builders import (
    CAPPED,
    DAY_MS,
    PARTITIONS,
    TAKEN,
    AnyStore,
    candidate,
    change,
    choice,
    customers_of,
    outcome,
    reservation,
)


async def test_views_join_rows_and_histories_of_all_partitions(store: AnyStore) -> None:
    customers = [name for partition in range(PARTITIONS) for name in customers_of(partition, 2)]
    for customer in customers[::2]:
        partition = partition_of(customer.encode(), PARTITIONS)
        epoch = (await store.claim(partition)).epoch
        await store.commit(change(epoch, 0, 1, partition=partition, rows={customer.encode(): customer.encode()}))
    await store.reserve([reservation(customers[1], Candidate("chat", 0, 0), at=7)])
    views = await store.views(customers)
    assert [view.row for view in views[::2]] == [customer.encode() for customer in customers[::2]]
    assert views[1] == View(None, {"chat": [7]})
    assert views[3] == View(None, {})
    assert await store.views([]) == []


async def test_reserve_takes_each_candidate_its_cap_allows(store: AnyStore) -> None:
    (customer,) = customers_of(2, 1)
    chat, free, never = Candidate("chat", 2, 1_000), Candidate("free", 0, 0), Candidate("never", 0, 1_000)
    # the same offer twice in one reservation counts twice
    taken = await store.reserve([reservation(customer, chat, free, never, chat, chat, at=5_000)])
    assert taken == [[TAKEN, TAKEN, CAPPED, TAKEN, CAPPED]]
    (view,) = await store.views([customer])
    assert view.history == {"chat": [5_000, 5_000], "free": [5_000]}


@pytest.mark.parametrize(("later", "allowed"), [(0, False), (999, False), (1_000, True), (5_000, True)])
async def test_a_cap_looks_back_by_its_period(store: AnyStore, later: int, allowed: int) -> None:
    (customer,) = customers_of(0, 1)
    capped = Candidate("chat", 1, 1_000)
    assert await store.reserve([reservation(customer, capped, at=10_000)]) == [[TAKEN]]
    assert await store.reserve([reservation(customer, capped, at=10_000 + later)]) == [[Taking(allowed)]]


async def test_a_contact_ahead_of_the_moment_counts_too(store: AnyStore) -> None:
    (customer,) = customers_of(0, 1)
    capped = Candidate("chat", 1, 1_000)
    await store.reserve([reservation(customer, capped, at=10_000)])
    assert await store.reserve([reservation(customer, capped, at=4_000)]) == [[CAPPED]]


async def test_caps_are_each_customers_and_each_offers_own(store: AnyStore) -> None:
    one, two = customers_of(0, 2)
    chat, call = Candidate("chat", 1, 1_000), Candidate("call", 1, 1_000)
    wanted = [reservation(one, chat, name="a"), reservation(two, chat, name="b"), reservation(one, chat, call)]
    assert await store.reserve(wanted) == [[TAKEN], [TAKEN], [CAPPED, TAKEN]]
    assert await store.reserve([]) == []


async def test_answers_keep_the_order_of_reservations_over_partitions(store: AnyStore) -> None:
    names = list(itertools.chain(*zip(*(customers_of(p, 3) for p in range(PARTITIONS)), strict=True)))
    await store.reserve([reservation(name, Candidate("chat", 1, 10)) for name in names[::2]])
    wanted = [reservation(name, Candidate("chat", 1, 10), Candidate("free", 0, 0)) for name in names]
    assert await store.reserve(wanted) == [[Taking(index % 2), TAKEN] for index in range(len(names))]


async def test_more_reservations_than_one_call_takes(store: AnyStore) -> None:
    names = [name for partition in range(PARTITIONS) for name in customers_of(partition, 40)]
    wanted = [reservation(name, *[Candidate("chat", 1, 10)] * (index % 3)) for index, name in enumerate(names)]
    assert await store.reserve(wanted) == [
        [[], [TAKEN], [TAKEN, CAPPED]][index % 3] for index in range(len(names))
    ]
    assert [await store.decision(one.decision_id) for one in wanted] == [one.record for one in wanted]


async def test_fifty_at_once_never_pass_a_cap_of_three(store: AnyStore) -> None:
    (customer,) = customers_of(3, 1)
    wanted = [reservation(customer, Candidate("chat", 3, DAY_MS), at=1_000 + i, name=str(i)) for i in range(50)]
    taken = await asyncio.gather(*(store.reserve([one]) for one in wanted))
    assert sum(answer == [[TAKEN]] for answer in taken) == 3


async def test_a_history_keeps_the_newest_times_in_order(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    times = [(i * 7_919) % 101 + 1_700_000_000_000 for i in range(60)]
    await store.reserve([reservation(customer, Candidate("free", 0, 0), at=at) for at in times])
    (view,) = await store.views([customer])
    expected: list[int] = []
    for at in times:
        expected = sorted([*expected, at])[-HISTORY:]
    assert view.history["free"] == expected


async def test_a_large_cap_is_still_kept(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    capped = Candidate("banner", HISTORY + 8, DAY_MS)
    taken = await store.reserve([reservation(customer, capped, at=i, name=str(i)) for i in range(1, HISTORY + 11)])
    assert taken == [[TAKEN]] * (HISTORY + 8) + [[CAPPED]] * 2


async def test_records_are_found_by_their_id(store: AnyStore) -> None:
    customer, other = customers_of(2, 2)
    await store.reserve(
        [reservation(customer, name="a", record=b"\x00one"), reservation(other, name="b", record=b"2")]
    )
    assert [await store.decision(name) for name in ("2-a", "2-b")] == [b"\x00one", b"2"]


@pytest.mark.parametrize("name", ["2-none", "", "2", "x-a", "99-a", "-1-a", "²-a", "2" * 300 + "-a", "\r\n-x"])
async def test_no_record_for_an_unknown_id(store: AnyStore, name: str) -> None:
    assert await store.decision(name) is None
    assert await store.learn(outcome(name), True) is False


async def test_a_decision_of_another_partition_is_a_mistake(store: AnyStore) -> None:
    (customer,) = customers_of(2, 1)
    wrong = reservation(customers_of(1, 1)[0], name="a")
    with pytest.raises(ValueError, match="partition"):
        await store.reserve([reservation(customer), type(wrong)(customer, wrong.decision_id, 1, (), b"")])
    assert await store.decision("2-x") is None


async def test_records_of_redis_leave_after_a_day(
    redis_store: RedisStore, redis_settings: Redis, look: redis.Redis
) -> None:
    (customer,) = customers_of(2, 1)
    await redis_store.reserve([reservation(customer)])
    await redis_store.learn(outcome("2-x"), True)
    assert 86_390 < look.ttl("{p2}:d:2-x") <= 86_400
    assert 86_390 < look.ttl("{p2}:l:2-x") <= 86_400


async def test_records_in_memory_leave_after_a_day() -> None:
    now = 1_000
    store = MemoryStore(PARTITIONS, wall=lambda: now)
    await store.reserve([reservation(customers_of(2, 1)[0])])
    now += DAY_MS - 1
    assert await store.decision("2-x") == b"r"
    now += 1
    assert await store.decision("2-x") is None
    assert await store.learn(outcome("2-x"), True) is False


async def test_outcomes_teach_once(store: AnyStore) -> None:
    await store.reserve([reservation(customers_of(2, 1)[0])])
    assert await store.learn(outcome("2-x"), True) is True
    assert await store.learn(outcome("2-x"), True) is False
    assert await store.learn(outcome("2-x", what=OutcomeName.REJECTED), False) is True
    assert await store.learn(outcome("2-x", "other|one"), False) is True
    assert await store.learn(outcome("2-x", what=OutcomeName.DISPLAYED), None) is True
    assert await store.learn(outcome("2-x", what=OutcomeName.DISPLAYED), None) is False
    assert await store.propensities() == {("chat", "web"): Lessons(1, 0), ("other|one", "web"): Lessons(0, 1)}


async def test_an_offer_of_a_decision_is_one_trial(store: AnyStore) -> None:
    await store.reserve([reservation(customers_of(2, 1)[0])])
    for what, success, learned in (
        (OutcomeName.IGNORED, False, (0, 1)),
        (OutcomeName.TIMEDOUT, False, (0, 1)),
        (OutcomeName.ACCEPTED, True, (1, 0)),
        (OutcomeName.COMPLETED, True, (1, 0)),
        (OutcomeName.REJECTED, False, (1, 0)),
    ):
        assert await store.learn(outcome("2-x", what=what), success) is True
        assert await store.propensities() == {("chat", "web"): Lessons(*learned)}


async def test_propensities_follow_every_change(store: AnyStore) -> None:
    assert await store.propensities() == {}
    for round_ in range(1, 4):
        for partition in (0, 3):
            name = str(round_)
            await store.reserve([reservation(customers_of(partition, 1)[0], name=name)])
            await store.learn(outcome(f"{partition}-{name}"), True)
        assert await store.propensities() == {("chat", "web"): Lessons(2 * round_, 0)}


async def test_a_lesson_that_is_no_count_is_passed_over_and_logged(
    redis_store: RedisStore, look: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    lessons = {
        "chat|web|s": "secret",
        "chat|web|f": 3,
        "call|web|s": -1,
        b"\xff|web|s": 1,
        "|s": 1,
        "version": "new",
    }
    for field, count in lessons.items():
        look.hset("{p1}:m", field, count)  # type: ignore[arg-type]
    assert await redis_store.propensities() == {("chat", "web"): Lessons(0, 3)}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert "'chat|web|s' of '{p1}:m'" in said[0]
    assert "secret" not in "".join(said)


async def test_at_once_an_outcome_counts_once(store: AnyStore) -> None:
    await store.reserve([reservation(customers_of(2, 1)[0])])
    learned = await asyncio.gather(*(store.learn(outcome("2-x"), True) for _ in range(20)))
    assert sum(learned) == 1
    assert await store.propensities() == {("chat", "web"): Lessons(1, 0)}


async def test_cues_and_decisions_share_their_caps(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    epoch = (await store.claim(1)).epoch
    cues = [choice(customer, candidate(customer, cap=(1, 500)))]
    assert await store.commit(change(epoch, 0, 1, cues=cues)) == [[0]]
    assert await store.reserve([reservation(customer, Candidate("chat", 1, 500), at=1_400)]) == [[CAPPED]]
    (view,) = await store.views([customer])
    assert view.history == {"chat": [1_000]}
