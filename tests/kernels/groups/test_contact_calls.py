"""A real bank's month of calls, folded into contacts: waits, abandons and repeated calls are those of its log, in
whatever order, however often, and with ends that never came."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.events import Kind
from engine.kernels.groups import contact
from engine.kernels.groups.contact import apply_contact
from engine.kernels.groups.contact_entry import KEPT
from engine.kernels.groups.contact_starts import STARTS
from engine.kernels.groups.contact_waits import wait_of
from engine.kernels.groups.message_id import is_known, keep
from tests.kernels.builders import DAY
from tests.kernels.groups.contact_oracle import features
from tests.kernels.groups.rows import CONTACTS as ROW
from tests.kernels.values import decoded
from tests.sources.bank_calls import END, MONTH, taken
from tests.sources.bank_counts import Counted, counting

CONTACT = list(np.dtype(contact.FIELDS).names or ())
ENTRIES = [name for name in CONTACT if name != "contact_starts" and not name.endswith("_before")]
REPEATED_WITHIN = 20  # events: a row remembers the newest 32

#: Customer -> events, in the order of time. What they are is said by `tests.sources.bank_calls`.
Month = dict[str, NDArray[np.void]]


@pytest.fixture(scope="module", params=[2, pytest.param(MONTH, marks=pytest.mark.slow)], ids="{} days".format)
def days(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def log(data: Path, days: int) -> dict[str, list[Counted]]:
    """The calls of each customer."""
    with counting(data, days) as counts:
        return counts.of_each_call()


@pytest.fixture(scope="module")
def month(data: Path, days: int) -> Month:
    """The events of each customer."""
    names, events = [], []
    for customer, those in taken(data, days).items():
        for event in sorted(those, key=lambda event: (event.at, event.id)):
            names.append(str(customer))
            events.append(msgspec.msgpack.encode(event))
    columns = decoded(events, END)
    assert not columns["status"].any()
    bounds = [0, *(i for i in range(1, len(names)) if names[i] != names[i - 1]), len(names)]
    return {names[start]: columns[start:end] for start, end in pairwise(bounds)}


def add(rows: NDArray[np.void], events: NDArray[np.void] | Sequence[np.void]) -> None:
    """As a worker does: what was sent again is dropped first."""
    for event in events:
        if not is_known(rows[0], event["id"]):
            keep(rows[0], event["id"])
            apply_contact(rows[0], event)


def folded(events: NDArray[np.void] | Sequence[np.void]) -> NDArray[np.void]:
    rows: NDArray[np.void] = np.zeros(1, ROW)
    add(rows, events)
    return rows


def state(rows: NDArray[np.void]) -> bytes:
    return b"".join(rows[name].tobytes() for name in CONTACT)


def entries(rows: NDArray[np.void]) -> dict[int, dict[str, bytes]]:
    """What is kept of each contact, by its id."""
    row = rows[0]
    return {
        int(row["contact_id"][place]): {name: row[name][place].tobytes() for name in ENTRIES}
        for place in range(KEPT)
        if row["contact_id"][place]
    }


def waits_over(rows: NDArray[np.void], events: NDArray[np.void]) -> Iterator[int]:
    """Waits of the contacts whose ends are among `events`, in milliseconds."""
    for event in events[np.isin(events["kind"], [Kind.CONTACT_ENDED, Kind.CONTACT_ABANDONED])]:
        (place,) = np.flatnonzero(rows[0]["contact_id"] == event["contact"])
        if (wait := int(wait_of(rows[0], place))) >= 0:
            yield wait


def test_waits_abandons_and_repeated_calls_are_those_of_the_log(
    log: dict[str, list[Counted]], month: Month
) -> None:
    assert set(log) == set(month)
    for customer, events in month.items():
        rows: NDArray[np.void] = np.zeros(1, ROW)
        counted = log[customer]
        began: dict[int, tuple[int, int]] = {}
        waits: list[int] = []
        for at, places in groupby(range(len(events)), key=lambda place: int(events["at"][place])):
            those = events[list(places)]
            add(rows, those)
            waits += waits_over(rows, those)
            if (those["kind"] == Kind.CONTACT_STARTED).any():
                found = features(rows, at)
                began[at] = int(found["contact_count_24h"]), int(found["contact_count_7d"])
        found = features(rows, END + DAY)
        assert found["contact_count"] == len(counted), customer
        assert found["contact_abandoned"] == sum(call.abandoned for call in counted), customer
        assert found["contact_open"] == 0, customer
        assert sorted(waits) == sorted(call.wait * 1_000 for call in counted if call.wait is not None), customer
        right = {(call.began, min(call.in_a_day, STARTS), min(call.in_a_week, STARTS)) for call in counted}
        first = min(began) // 1_000 - min(call.began for call in counted)
        assert {(at // 1_000 - first, *counts) for at, counts in began.items()} == right, customer


def test_shuffled_and_repeated_it_is_the_same_to_the_byte(month: Month) -> None:
    chance = random.Random(13)
    shuffled = repeated = 0
    for customer, events in month.items():
        order = list(range(len(events)))
        moved = [place for place in order if chance.random() < 0.2]
        for place, other in zip(moved, chance.sample(moved, len(moved)), strict=True):
            order[place] = other
        shuffled += len(moved)
        for event in [place for place in range(len(events)) if chance.random() < 0.05]:
            repeated += 1
            order.insert(order.index(event) + chance.randrange(1, REPEATED_WITHIN), event)
        assert state(folded(events[order])) == state(folded(events)), customer
    total = sum(map(len, month.values()))
    assert shuffled > 0.19 * total
    assert repeated > 0.045 * total


def test_without_some_ends_all_else_is_the_same(log: dict[str, list[Counted]], month: Month) -> None:
    chance = random.Random(17)
    missing = 0
    for customer, events in month.items():
        ends = np.isin(events["kind"], [Kind.CONTACT_ENDED, Kind.CONTACT_ABANDONED])
        lost = ends & (np.array([chance.random() for _ in events]) < 0.05)
        if not lost.any():
            continue
        missing += int(lost.sum())
        whole, partial = folded(events), folded(events[~lost])
        without = {int(name) for name in events["contact"][lost]}
        given, left = entries(whole), entries(partial)
        assert given.keys() == left.keys(), customer
        for name, entry in given.items():
            if name not in without:
                assert left[name] == entry, customer
        abandoned = int((events["kind"][lost] == Kind.CONTACT_ABANDONED).sum())
        now, then = features(partial, END + DAY), features(whole, END + DAY)
        assert (now["contact_count"], now["contact_open"]) == (then["contact_count"], 0), customer
        assert now["contact_abandoned"] == then["contact_abandoned"] - abandoned, customer
    assert missing > 0.045 * sum(map(len, log.values()))
