"""The batcher on both stores: joined reads, caps under concurrency, deadlines, and services that are away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest

from engine.customer_id import CustomerId, customer_id
from engine.decisions.batcher import DecisionBatcher
from engine.decisions.policy import make_policy
from engine.decisions.request import Answer, DecisionRequest
from engine.errors import BadState, Unavailable
from engine.meter import PrometheusMeter
from engine.ports.decision_store import Reservation, Taking
from engine.ports.offer_history import View
from engine.ports.stream_store import Commit, Erasure, Timers
from engine.rulebook.directory import compile_texts
from engine.rulebook.model import Rulebook
from engine.settings import Kafka, Redis, Settings, Web
from engine.store.keys import RedisKeys
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.decisions.builders import BUSY, NOW, SHOP, rows, shop
from tests.patience import PATIENCE_S
from tests.services import Valkey
from tests.state.stored import stored

PARTITIONS = 4
SETTINGS = Settings(kafka=Kafka(partitions=PARTITIONS), web=Web(deadline_ms=5_000))

Store = MemoryStore | RedisStore


class StandingClock:
    """Engine time that stands."""

    def now_ms(self) -> int:
        return NOW


class CountingStore(MemoryStore):
    """Notes how many customers and reservations each call was for."""

    def __init__(self) -> None:
        super().__init__(PARTITIONS)
        self.joined: list[int] = []
        self.reserved: list[int] = []

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        self.joined.append(len(customers))
        await asyncio.sleep(0)
        return await super().views(customers)

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        self.reserved.append(len(reservations))
        return await super().reserve(reservations)


class SilentStore(MemoryStore):
    """Answers a read when `released` is set."""

    def __init__(self) -> None:
        super().__init__(PARTITIONS)
        self.released = asyncio.Event()
        self.reserved = 0

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        await self.released.wait()
        return await super().views(customers)

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        self.reserved += len(reservations)
        return await super().reserve(reservations)


class Overtaken:
    """A store in which an erasure is committed between a decision's reading and its reserving."""

    def __init__(self, store: Store, customer: str, until: int) -> None:
        self._store = store
        self._erasure = Erasure(customer.encode(), until)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        partition = RedisKeys(PARTITIONS).of_customer(self._erasure.customer)
        at = await self._store.claim(partition)
        erased = [self._erasure]
        await self._store.commit(
            Commit(partition, at.epoch, at.offset, at.offset, [], [], Timers([], []), [], {}, erased=erased)
        )
        return await self._store.reserve(reservations)


class AwayStore(MemoryStore):
    """Is away."""

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        raise Unavailable("Redis: connection refused")


@pytest.fixture(params=["memory", "redis"])
def redis_settings(request: pytest.FixtureRequest) -> Redis | None:
    if request.param == "memory":
        return None
    valkey: Valkey = request.getfixturevalue("valkey")
    return Redis(url=valkey.url)


@pytest.fixture
async def store(redis_settings: Redis | None) -> AsyncIterator[Store]:
    """Either form, empty."""
    opened = RedisStore(redis_settings, PARTITIONS) if redis_settings else MemoryStore(PARTITIONS)
    yield opened
    await opened.close()


def batcher(store: Any, meter: PrometheusMeter | None = None, book: Rulebook | None = None) -> DecisionBatcher:
    policy = make_policy(book or shop(), {})
    return DecisionBatcher(store, lambda: policy, StandingClock(), meter or PrometheusMeter(), SETTINGS)


async def put(store: Store, row: bytes, *customers: str) -> None:
    """Store a row for each customer, as the worker does."""
    keys = RedisKeys(PARTITIONS)
    for customer in map(str.encode, customers):
        partition = keys.of_customer(customer)
        at = await store.claim(partition)
        commit = Commit(partition, at.epoch, at.offset, at.offset, [customer], [row], Timers([], []), [], {})
        await store.commit(commit)


async def ask(at: DecisionBatcher, customer: str = "ada", channel: str = "web", **more: Any) -> Answer:
    return msgspec.json.decode(
        await at.decide(DecisionRequest(channel, customer_id(customer), **more)), type=Answer
    )


def ids(answer: Answer) -> list[str]:
    return [offer.offer_id for offer in answer.offers]


BUSY_ROW = stored(rows(BUSY))[0]


async def test_a_customer_gets_offers_and_a_stranger_an_ordinary_answer(store: Store) -> None:
    await put(store, BUSY_ROW, "ada")
    at = batcher(store)
    known, unknown = await asyncio.gather(ask(at), ask(at, "nobody", explain=True))
    assert ids(known) == ["cart-help", "chat", "guide"]
    assert (known.as_of, known.staleness_ms, known.fallback) == (NOW, 1_000, False)
    assert ids(unknown) == ["newsletter"]
    assert (unknown.staleness_ms, unknown.fallback) == (0, False)
    assert known.decision_id.startswith(f"{RedisKeys(PARTITIONS).of_customer(b'ada')}-")


async def test_a_cap_holds_whoever_asks_at_the_same_time(store: Store) -> None:
    await put(store, BUSY_ROW, "ada")
    at, other = batcher(store), batcher(store)
    answers = await asyncio.gather(*(ask(one, limit=1) for one in (at, other) * 20))
    given = [ids(answer) for answer in answers]
    assert given.count(["cart-help"]) == 1
    assert given.count(["chat"]) == 2
    assert given.count(["guide"]) == 37
    late = await ask(at, explain=True)
    assert ids(late) == ["guide", "newsletter"]
    assert {one.offer_id for one in late.suppressed if one.code == "cap_period"} == {"cart-help", "chat"}


async def test_a_decision_that_an_erasure_overtakes_falls_back_and_leaves_nothing(store: Store) -> None:
    await put(store, BUSY_ROW, "ada", "bob")
    row_at, meter = NOW - 1_000, PrometheusMeter()
    at = batcher(Overtaken(store, "ada", row_at), meter)
    ada, bob, nobody = await asyncio.gather(ask(at), ask(at, "bob"), ask(at, "nobody"))
    assert (ada.fallback, bob.fallback, nobody.fallback) == (True, False, False)
    assert meter.value("decision_fallbacks", "runtime.state_unavailable") == 1
    views = await store.views([customer_id("ada"), customer_id("bob")])
    assert (views[0].row, views[0].history) == (None, {})
    assert views[1].history
    assert await store.recorded(customer_id("ada")) == []
    assert await at.recall(ada.decision_id) is None
    assert await at.recall(bob.decision_id) is not None


async def test_looking_counts_nothing_and_is_not_logged(store: Store) -> None:
    await put(store, BUSY_ROW, "ada")
    at = batcher(store)
    for _ in range(3):
        looked = await ask(at, limit=1, peek=True)
        assert ids(looked) == ["cart-help"]
    assert await at.recall(looked.decision_id) is None
    assert ids(await ask(at, limit=1)) == ["cart-help"]
    assert ids(await ask(at, limit=1)) == ["chat"]


async def test_the_log_tells_what_was_given_after_caps_refused(store: Store) -> None:
    await put(store, BUSY_ROW, "ada")
    at = batcher(store)
    answers = await asyncio.gather(
        *(ask(at, limit=2, placements=("hero", "side"), explain=True) for _ in range(8))
    )
    for answer in answers:
        logged = await at.recall(answer.decision_id)
        assert logged is not None
        assert logged.complete
        assert [(o.offer_id, o.placement, o.why) for o in logged.offers] == [
            (o.offer_id, o.placement, o.why) for o in answer.offers
        ]
        assert logged.suppressed == answer.suppressed


async def test_an_unknown_decision_is_none(store: Store) -> None:
    at = batcher(store)
    for name in ("", "0-nothing", "99-x", "x-0", "²-x"):
        assert await at.recall(name) is None


async def test_decisions_made_before_a_rule_change_can_still_be_told() -> None:
    books = [shop(), compile_texts({"shop.yaml": SHOP.replace("value: 40", "value: 41")})]
    policies, store = [make_policy(book, {}) for book in books], MemoryStore(PARTITIONS)
    await put(store, BUSY_ROW, "ada")
    at = DecisionBatcher(store, lambda: policies[0], StandingClock(), PrometheusMeter(), SETTINGS)
    before = await ask(at)
    policies.pop(0)
    after = await ask(at, "nobody")
    assert before.revision != after.revision
    logged = await at.recall(before.decision_id)
    assert logged is not None
    assert (logged.complete, logged.revision) == (True, before.revision)
    # a rulebook that this process had in use and never decided by: a worker's cue may rest on it
    other = DecisionBatcher(store, lambda: policies[0], StandingClock(), PrometheusMeter(), SETTINGS)
    other.remember(shop())
    logged = await other.recall(before.decision_id)
    assert logged is not None
    assert logged.complete


async def test_requests_of_one_turn_share_one_read_and_one_reservation() -> None:
    store, meter = CountingStore(), PrometheusMeter()
    at = batcher(store, meter)
    await asyncio.gather(*(ask(at, f"customer-{i}", peek=i % 4 == 0) for i in range(40)))
    assert store.joined == [40]
    assert store.reserved == [30]
    assert meter.value("decisions") == 40
    assert meter.value("offers_given", "newsletter") == 30  # a look gives nothing
    assert meter.value("offers_suppressed", "availability.placement_mismatch") == 30


async def test_how_old_the_state_is_is_measured_in_seconds_and_a_strangers_is_not_old() -> None:
    store, meter = MemoryStore(PARTITIONS), PrometheusMeter()
    await put(store, BUSY_ROW, "ada")  # last seen a second ago
    at = batcher(store, meter)
    assert (await ask(at, "ada")).staleness_ms == 1_000
    assert meter.quantile("decision_staleness_seconds", 0.5) == pytest.approx(1, rel=0.2)
    assert (await ask(at, "stranger")).staleness_ms == 0


async def test_a_decision_that_is_late_is_the_fallback_and_takes_nothing() -> None:
    store, meter = SilentStore(), PrometheusMeter()
    at = batcher(store, meter)
    patient = asyncio.create_task(ask(at))
    late = await ask(at, deadline_ms=1)
    assert (late.fallback, ids(late)) == (True, ["newsletter"])
    assert [(one.stage, one.code) for one in late.suppressed] == [("runtime", "deadline")]
    assert meter.value("decision_fallbacks", "runtime.deadline") == 1
    store.released.set()
    assert not (await patient).fallback
    assert store.reserved == 1


async def test_a_decision_that_became_late_while_its_caps_were_taken_counts_once() -> None:
    class SlowToReserve(MemoryStore):
        """Takes caps when `go` is set."""

        go = asyncio.Event()

        async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
            await self.go.wait()
            return await super().reserve(reservations)

    store, meter = SlowToReserve(PARTITIONS), PrometheusMeter()
    at = batcher(store, meter)
    assert (await ask(at, deadline_ms=1)).fallback
    store.go.set()
    await ask(at, "nobody", deadline_ms=10_000)
    assert (meter.value("decisions"), meter.value("decision_fallbacks")) == (2, 1)
    assert meter.value("offers_given") == 1  # of the second


class GatedStore(MemoryStore):
    """Puts each read, and how to let it go on, into `asked`."""

    def __init__(self) -> None:
        super().__init__(PARTITIONS)
        self.asked: asyncio.Queue[tuple[list[str], asyncio.Event]] = asyncio.Queue()

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        self.asked.put_nowait((list(customers), gate := asyncio.Event()))
        await gate.wait()
        return await super().views(customers)


def asking(at: DecisionBatcher, *customers: str) -> list[asyncio.Task[Answer]]:
    return [asyncio.create_task(ask(at, name, peek=True, deadline_ms=10_000)) for name in customers]


async def test_requests_that_come_while_a_batch_is_under_way_share_the_next() -> None:
    store = GatedStore()
    at = batcher(store)
    waiting = asking(at, "a")
    read, gate = await store.asked.get()
    assert read == ["a"]
    for name in ("b", "c", "d"):  # each in a turn of its own
        waiting += asking(at, name)
        await asyncio.sleep(0)
    gate.set()
    read, gate = await asyncio.wait_for(store.asked.get(), PATIENCE_S)
    assert read == ["b", "c", "d"]
    gate.set()
    assert [answer.fallback for answer in await asyncio.gather(*waiting)] == [False] * 4


async def test_a_request_that_comes_as_a_batch_ends_is_served_too() -> None:
    store = GatedStore()
    at = batcher(store)
    for turns in range(6):  # some of them is the turn in which the batch's task ends
        waiting = asking(at, "a")
        (await asyncio.wait_for(store.asked.get(), PATIENCE_S))[1].set()
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting += asking(at, "b")
        (await asyncio.wait_for(store.asked.get(), PATIENCE_S))[1].set()
        assert [answer.fallback for answer in await asyncio.gather(*waiting)] == [False] * 2


async def test_who_hung_up_is_forgotten() -> None:
    store = SilentStore()
    at = batcher(store)
    gone = asyncio.create_task(ask(at))
    stays = asyncio.create_task(ask(at, "nobody"))
    await asyncio.sleep(0)
    gone.cancel()
    store.released.set()
    assert ids(await stays) == ["newsletter"]
    assert store.reserved == 1


async def test_without_the_store_it_falls_back(caplog: pytest.LogCaptureFixture) -> None:
    meter = PrometheusMeter()
    at = batcher(AwayStore(PARTITIONS), meter)
    answers = await asyncio.gather(*(ask(at, channel=channel) for channel in ("web", "agent")))
    assert [(answer.fallback, ids(answer)) for answer in answers] == [(True, ["newsletter"]), (True, [])]
    assert {one.code for answer in answers for one in answer.suppressed} == {"state_unavailable"}
    assert meter.value("decision_fallbacks", "runtime.state_unavailable") == 2
    assert "connection refused" in caplog.text


@pytest.mark.parametrize("spoil", [lambda row: row[:-1], lambda row: b"\x63" + row[1:]])
async def test_a_row_that_cannot_be_read_spoils_no_other_decision(
    store: Store, spoil: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    await put(store, spoil(BUSY_ROW), "bad")
    await put(store, BUSY_ROW, "ada")
    at = batcher(store)
    bad, good = await asyncio.gather(ask(at, "bad"), ask(at))
    assert (bad.fallback, good.fallback) == (True, False)
    assert [one.code for one in bad.suppressed] == ["state_unavailable"]
    assert "of no layout we know" in caplog.text


async def test_a_fault_of_ours_is_no_error_of_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        async def views(self, customers: Sequence[CustomerId]) -> list[View]:
            raise ZeroDivisionError

    at = batcher(Broken(PARTITIONS))
    answer = await ask(at)
    assert (answer.fallback, [one.code for one in answer.suppressed]) == (True, ["rule_error"])
    assert "ZeroDivisionError" in caplog.text
    assert (await ask(at)).fallback


async def test_a_record_of_a_stranger_is_bad_state(store: Store) -> None:
    at = batcher(store)
    name = f"{RedisKeys(PARTITIONS).of_customer(b'ada')}-junk"
    await store.reserve([Reservation(customer_id("ada"), name, NOW, (), b"junk")])
    with pytest.raises(BadState):
        await at.recall(name)
