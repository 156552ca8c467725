"""Erasure in the log's order: nothing is left of what was before, whatever comes late, is killed or read again."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Event, Kind
from engine.identity.erased_ids import ErasedIds
from engine.ports.stream_store import Commit
from engine.state.profile import profile_of
from engine.store.memory import MemoryStore
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, OTHER, PARTITIONS, START, KafkaRecord, Setting

SECOND = 1_000


class Happened(NamedTuple):
    """One record of the log, with the second in which it happened."""

    customer: bytes
    kind: Kind
    second: int


def log(happened: list[Happened]) -> list[KafkaRecord]:
    return [
        KafkaRecord(i, one(i, *event[1:]), event.customer, timestamp=START + 3_600_000)
        for i, event in enumerate(happened)
    ]


def one(number: int, kind: Kind, second: int) -> bytes:
    at = START + second * SECOND
    stated = ("marketing", "email") if kind is Kind.CONSENT_GRANTED else ("", "")
    return msgspec.msgpack.encode(Event(WIRE_VERSION, int(kind), at, f"id-{number}", *stated, trust=1))


async def apply(store: MemoryStore, records: list[KafkaRecord], ends: list[int], kills: set[int]) -> Setting:
    """Let workers apply `records` in batches that end at `ends`; before those of `kills` another takes over, while
    the commits of the one before may still be under way."""
    setting = Setting(store)
    at = (await setting.worker.owned.own([1]))[1]
    for place, end in enumerate(sorted({*ends, len(records)})):
        if place in kills:
            setting.worker = setting.another()
            at = (await setting.worker.owned.own([1]))[1]
        if batch := records[at:end]:
            assert await setting.worker.apply(fetched({1: batch})) == {}
            at = end
    await setting.worker.owned.drain()
    if (stored := (await store.position(1)).offset) < len(records):  # lost with the last that was killed
        setting.worker = setting.another()
        await setting.worker.owned.own([1])
        await setting.worker.apply(fetched({1: records[stored:]}))
        await setting.worker.owned.drain()
    return setting


histories = st.lists(
    st.builds(
        Happened,
        st.sampled_from([CUSTOMER, OTHER]),
        st.sampled_from([Kind.PAGE_VIEWED, Kind.SEARCHED, Kind.SEARCHED, Kind.CONSENT_GRANTED, Kind.ERASED]),
        st.integers(0, 30),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(histories, st.lists(st.integers(0, 14), max_size=5), st.sets(st.integers(0, 5), max_size=3))
def test_what_is_left_is_a_fold_of_what_counts(happened: list[Happened], ends: list[int], kills: set[int]) -> None:
    async def scenario() -> None:
        store, plain = MemoryStore(PARTITIONS), MemoryStore(PARTITIONS)
        await apply(store, log(happened), ends, kills)
        kept = log(happened)
        left = [kept[i] for i in range(len(happened)) if counted(happened, i)]
        renumbered = [record._replace(offset=i) for i, record in enumerate(left)]
        await apply(plain, renumbered, [], set())
        for customer in (CUSTOMER, OTHER):
            assert await store.read(1, [customer]) == await plain.read(1, [customer])
            name = customer_id(customer.decode())
            ((one,), (other,)) = (await store.views([name]), await plain.views([name]))
            assert one.consents() == other.consents()

    asyncio.run(scenario())


def counted(happened: list[Happened], place: int) -> bool:
    """Whether the record at `place` counts in the end, by the plain rule: it came in behind its customer's last
    erasure, and happened after all that was erased."""
    mine = [(i, one) for i, one in enumerate(happened) if one.customer == happened[place].customer]
    until, newest, counts = -1, -1, set[int]()
    for i, one in mine:
        if one.kind is Kind.ERASED:
            until, newest, counts = max(until, newest, one.second), -1, set()
        elif one.second > until:
            counts.add(i)
            newest = max(newest, -1 if one.kind is Kind.CONSENT_GRANTED else one.second)
    return place in counts


VIEWS = [Happened(CUSTOMER, Kind.SEARCHED, second) for second in range(6)]


async def test_nothing_of_the_customer_is_left_and_others_keep_theirs() -> None:
    store = MemoryStore(PARTITIONS)
    others = [event._replace(customer=OTHER) for event in VIEWS]
    setting = await apply(store, log([*VIEWS, *others]), [3], set())
    before = await store.read(1, [OTHER])
    name = customer_id(CUSTOMER.decode())
    cued = await store.since(name, "")
    assert cued
    assert all([await store.decision(entry.cue.decision_id) for entry in cued])
    erasing = log([*VIEWS, *others, Happened(CUSTOMER, Kind.ERASED, 9)])
    assert await setting.worker.apply(fetched({1: erasing[12:]})) == {}
    await setting.worker.owned.drain()
    assert await store.read(1, [CUSTOMER, OTHER]) == [None, *before]
    assert (await store.views([name]))[0].history == {}
    assert await store.since(name, "") == []
    assert await store.cues_of(1, CUSTOMER) == []
    assert {entry.cue.customer for entry in await store.newest(99)} == {OTHER.decode()}
    assert [await store.decision(entry.cue.decision_id) for entry in cued] == [None] * len(cued)
    assert CUSTOMER not in await store.due(1, 2**52, 9)
    assert await store.tombstones(1) == {ErasedIds().digest(CUSTOMER): START + 9 * SECOND}


async def test_who_comes_back_is_new_and_what_comes_late_is_counted_out() -> None:
    store = MemoryStore(PARTITIONS)
    late, again = Happened(CUSTOMER, Kind.SEARCHED, 9), Happened(CUSTOMER, Kind.SEARCHED, 10)
    setting = await apply(store, log([*VIEWS, Happened(CUSTOMER, Kind.ERASED, 9), late, again]), [], set())
    (row,) = await store.read(1, [CUSTOMER])
    assert row is not None
    assert profile_of(row, START + 60 * SECOND).events == 1
    assert (await store.tallies())["erased"] == setting.meter.value("stream_erased") == 1


async def test_an_erasure_that_nobody_vouches_for_erases_nothing() -> None:
    store = MemoryStore(PARTITIONS)
    event = msgspec.msgpack.encode(Event(WIRE_VERSION, int(Kind.ERASED), START + 9 * SECOND, "id-x"))
    records = [*log(VIEWS), KafkaRecord(6, event, CUSTOMER, START + 3_600_000)]
    await apply(store, records, [], set())
    assert await store.read(1, [CUSTOMER]) != [None]


async def test_what_was_erased_happened_before_it_whatever_clock_said_so() -> None:
    """A decision that is under way is told by its row: nothing of one that was erased is after the erasure."""
    store = MemoryStore(PARTITIONS)
    ahead = Happened(CUSTOMER, Kind.SEARCHED, 9)
    setting = await apply(store, log([ahead, Happened(CUSTOMER, Kind.ERASED, 5), ahead]), [], set())
    assert await store.tombstones(1) == {ErasedIds().digest(CUSTOMER): START + 9 * SECOND}
    assert await store.read(1, [CUSTOMER]) == [None]
    assert setting.meter.value("stream_erased") == 1


async def test_erasures_of_before_the_secret_are_known_with_it() -> None:
    store = MemoryStore(PARTITIONS)
    setting = await apply(store, log([*VIEWS, Happened(CUSTOMER, Kind.ERASED, 9)]), [], set())
    setting.erased_ids = ErasedIds("a secret")
    setting.worker = setting.another()
    await setting.worker.owned.own([1])
    late = log([*VIEWS, Happened(CUSTOMER, Kind.ERASED, 9), Happened(CUSTOMER, Kind.SEARCHED, 8)])[7:]
    await setting.worker.apply(fetched({1: late}))
    await setting.worker.owned.drain()
    assert await store.read(1, [CUSTOMER]) == [None]


async def test_a_lost_erasure_is_made_again() -> None:
    class Lossy(MemoryStore):
        lost = False

        async def commit(self, commit: Commit) -> list[list[int]]:
            if commit.erased and not self.lost:
                self.lost = True
                raise Unavailable("Redis is away")
            return await super().commit(commit)

    store = Lossy(PARTITIONS)
    records = log([*VIEWS, Happened(CUSTOMER, Kind.ERASED, 9), Happened(CUSTOMER, Kind.SEARCHED, 10)])
    await apply(store, records, [], set())
    assert store.lost
    (row,) = await store.read(1, [CUSTOMER])
    assert row is not None
    assert profile_of(row, START + 60 * SECOND).events == 1


@pytest.mark.parametrize("days", [0, 500])
async def test_tombstones_end_after_four_hundred_days(days: int) -> None:
    store = MemoryStore(PARTITIONS)
    setting = await apply(store, log([Happened(CUSTOMER, Kind.ERASED, 9)]), [], set())
    setting.clock.anchor = msgspec.structs.replace(setting.clock.anchor, engine_ms=START + days * 86_400_000)  # type: ignore[type-var]
    setting.worker = setting.another()
    await setting.worker.owned.own([1])
    records = log([Happened(CUSTOMER, Kind.ERASED, 9), Happened(CUSTOMER, Kind.SEARCHED, 8)])[1:]
    await setting.worker.apply(fetched({1: records}))
    await setting.worker.owned.drain()
    assert bool(await store.tombstones(1)) == (days == 0)
