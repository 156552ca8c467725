"""A real bank's month of calls through its contact centre's source and the worker: what stored rows say is what
SQL counts in the log, in whatever order, however often, and with ends that never came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.events import Kind
from engine.kernels.catalogue import FEATURES
from engine.kernels.features import read_many
from engine.kernels.groups import recent
from engine.kernels.groups.contact_entry import KEPT
from engine.kernels.groups.contact_starts import STARTS
from engine.kernels.partition import partition_of
from engine.kernels.row import ROW
from engine.state.catalogue import BY_NAME
from engine.state.row_codec import read
from tests.kernels.groups.test_contact_calls import CONTACT, entries
from tests.kernels.test_row import BESIDE
from tests.kernels.values import decoded
from tests.sources.bank_calls import END, MONTH, taken
from tests.sources.bank_counts import Known, counting
from tests.stream.fetched import fetched
from tests.stream.test_worker import PARTITIONS, KafkaRecord, Setting

DAY = 86_400_000
FETCH = 1_000  # records, of all partitions
ROWS_IN_MEMORY = 1_000  # of each partition: fewer than there are customers
REPEATED_WITHIN = 50  # records of a partition: far fewer than 32 events of a customer
ENDS = (Kind.CONTACT_ENDED, Kind.CONTACT_ABANDONED)


class Told(msgspec.Struct, frozen=True):
    """An event as the API publishes it."""

    customer: bytes
    at: int
    kind: int
    value: bytes


class Bank:
    """A worker that is told of calls."""

    def __init__(self) -> None:
        self._setting = Setting(rows_in_memory=ROWS_IN_MEMORY)
        self._offsets = [0] * PARTITIONS

    async def tell(self, events: Sequence[Told]) -> None:
        """Returns once all is committed."""
        if not self._setting.worker.states:
            await self._setting.worker.owned.own([*range(PARTITIONS)])
        for start in range(0, len(events), FETCH):
            parts: dict[int, list[KafkaRecord]] = defaultdict(list)
            for event in events[start : start + FETCH]:
                partition = partition_of(event.customer, PARTITIONS)
                record = KafkaRecord(self._offsets[partition], event.value, event.customer, END)
                parts[partition].append(record)
                self._offsets[partition] += 1
            assert await self._setting.worker.apply(fetched(parts)) == {}
        await self._setting.worker.owned.drain()

    async def rows(self, customers: Sequence[bytes]) -> NDArray[np.void]:
        """As they are stored."""
        stored = [(await self._setting.store.read(partition_of(one, PARTITIONS), [one]))[0] for one in customers]
        assert None not in stored
        return read(stored)

    async def tallied(self, name: str) -> int:
        return (await self._setting.store.tallies()).get(name, 0)


@pytest.fixture(scope="module", params=[2, pytest.param(MONTH, marks=pytest.mark.slow)], ids="{} days".format)
def days(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def log(data: Path, days: int) -> list[Told]:
    """All events in order of time."""
    encode = msgspec.msgpack.Encoder().encode
    events = [
        Told(str(customer).encode(), event.at, event.kind, encode(event))
        for customer, those in taken(data, days).items()
        for event in those
    ]
    return sorted(events, key=lambda event: event.at)


async def rows_of(log: Sequence[Told], names: Sequence[bytes]) -> NDArray[np.void]:
    bank = Bank()
    await bank.tell(log)
    assert (await bank.tallied("deadletters"), await bank.tallied("forwarded")) == (0, 0)
    return await bank.rows(names)


def customers(log: Sequence[Told]) -> list[bytes]:
    return [*dict.fromkeys(event.customer for event in log)]


def known(rows: NDArray[np.void], now: int) -> list[Known]:
    """What features say."""
    found = np.zeros((len(rows), FEATURES))
    read_many(rows, np.full(len(rows), now), found)
    names = ("count", "abandoned", "count_24h", "count_7d", "abandoned_7d")
    counts = found[:, [BY_NAME[f"contact.{name}"].index for name in names]].astype(int).T.tolist()
    assert not found[:, BY_NAME["contact.open"].index].any()
    waits = found[:, BY_NAME["contact.longest_wait"].index].tolist()
    return [*map(Known, *counts, [None if np.isnan(wait) else round(wait) for wait in waits])]


async def test_waits_abandons_and_repeated_calls_are_those_of_the_log(
    data: Path, days: int, log: list[Told]
) -> None:
    """Read once a day, when nobody called."""
    bank, told = Bank(), 0
    with counting(data, days) as counts:
        moments = counts.quiet_moments()
        assert len(moments) > days
        for moment in moments:
            before, told = told, sum(event.at <= moment for event in log)
            await bank.tell(log[before:told])
            expected = counts.known_at(moment, STARTS, KEPT)
            names = [name.encode() for name in expected]
            found = known(await bank.rows(names), moment)
            assert dict(zip(expected, found, strict=True)) == expected
    assert told == len(log) == await bank.tallied("applied")


async def test_shuffled_and_repeated_it_is_the_same_to_the_byte(log: list[Told]) -> None:
    """A fifth comes at another's place, however far away; who has no more than a row keeps differs in nothing."""
    chance, arrival = Random(13), list(range(len(log)))
    moved = chance.sample(arrival, len(log) // 5)
    for place, other in zip(moved, chance.sample(moved, len(moved)), strict=True):
        arrival[place] = other
    repeated = chance.sample(range(len(log)), len(log) // 20)
    sent = [
        *enumerate(arrival),
        *((place + chance.uniform(0, REPEATED_WITHIN), arrival[place]) for place in repeated),
    ]
    names = customers(log)
    bank = Bank()
    await bank.tell([log[event] for _, event in sorted(sent, key=lambda one: one[0])])
    assert (await bank.tallied("applied"), await bank.tallied("duplicates")) == (len(log), len(repeated))
    whole, found = await rows_of(log, names), await bank.rows(names)
    assert [name for name in CONTACT if found[name].tobytes() != whole[name].tobytes()] == []
    few = whole["recent_total"] <= recent.RECENT
    fields = set(ROW.names or ()) - BESIDE
    assert [name for name in fields if found[few][name].tobytes() != whole[few][name].tobytes()] == []
    assert few.mean() > 0.9


async def test_without_some_ends_all_else_is_the_same(log: list[Told]) -> None:
    chance = Random(17)
    ends = [place for place, event in enumerate(log) if event.kind in ENDS]
    lost = set(chance.sample(ends, len(ends) // 20))
    names = customers(log)
    whole = await rows_of(log, names)
    partial = await rows_of([event for place, event in enumerate(log) if place not in lost], names)
    without: dict[bytes, list[Told]] = defaultdict(list)
    for place in lost:
        without[log[place].customer].append(log[place])
    touched = np.array([name in without for name in names])
    same = [name for name in CONTACT if whole[~touched][name].tobytes() == partial[~touched][name].tobytes()]
    assert same == CONTACT
    then, now = known(whole, END + DAY), known(partial, END + DAY)
    for place in np.flatnonzero(touched).tolist():
        these = without[names[place]]
        given, left = entries(whole[place : place + 1]), entries(partial[place : place + 1])
        assert given.keys() == left.keys()
        endless = decoded([event.value for event in these], END)["contact"].tolist()
        assert {name for name in given if given[name] != left[name]} <= set(endless)
        abandoned = sum(event.kind == Kind.CONTACT_ABANDONED for event in these)
        assert now[place].calls == then[place].calls
        assert now[place].abandoned == then[place].abandoned - abandoned
