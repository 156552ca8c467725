"""Orders and what corrects them, in any order and any split, against a plain count of all of them."""

from __future__ import annotations

import math
import statistics
from collections import namedtuple
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.kernels.decode import COLUMNS
from engine.kernels.groups import order, order_features, order_state
from engine.kernels.wire import Kind
from tests.kernels.groups.rows import ORDERS_AND_CARTS as ROW

INDEX: Any = namedtuple("Index", [entry.name.replace(".", "_") for entry in order_features.ENTRIES])(
    *range(len(order_features.ENTRIES))
)
START, DAY, MINUTE = 1_700_000_000_000, 86_400_000, 60_000

Row = NDArray[np.void]


class Told(NamedTuple):
    """One event, of the order `id` (0: none)."""

    at: int
    kind: Kind
    id: int = 0
    value: float = 0.0


def folded(told: Sequence[Told]) -> Row:
    rows, columns = np.zeros(1, ROW), np.zeros(len(told), COLUMNS)
    for column, one in zip(columns, told, strict=True):
        column["at"], column["kind"], column["value"] = one.at, one.kind, one.value
        column["order"] = one.id
        order.apply_order(rows[0], column)
    return rows


def joined(one: Row, other: Row) -> Row:
    into, before = one.copy(), other.tobytes()
    order.join_order(into[0], other[0])
    assert other.tobytes() == before
    return into


def features(rows: Row, now: int = START + 400 * DAY) -> dict[str, float]:
    out = np.full(len(order_features.ENTRIES), -1.0)
    order_features.read_order(rows[0], now, out, INDEX)
    return {
        entry.name.removeprefix("purchases."): float(value)
        for entry, value in zip(order_features.ENTRIES, out, strict=True)
    }


def cents(value: float) -> int:
    return math.floor(value * 100 + 0.5)


def counted(told: Sequence[Told]) -> list[tuple[int, int, int]]:
    """(first time, last time, hundredths) of each order that counts, by time."""
    found = []
    for name in {one.id for one in told} - {0}:
        mine = [one for one in told if one.id == name]
        done = [one for one in mine if one.kind == Kind.ORDER_COMPLETED]
        updates = [one for one in mine if one.kind == Kind.ORDER_UPDATED]
        back = [one for one in mine if one.kind == Kind.ORDER_REFUNDED]
        undone = any(one.kind == Kind.ORDER_CANCELLED for one in mine) or any(not one.value for one in back)
        if not done or undone:
            continue
        at = min(one.at for one in done)
        worth = max(cents(one.value) for one in done if one.at == at)
        if updates:
            worth = max(cents(one.value) for one in updates if one.at == max(one.at for one in updates))
        returned = sum(cents(one.value) for one in back)
        if not worth or returned < worth:
            found.append((at, at, max(worth - returned, 0)))
    lines = sorted(one for one in told if not one.id and one.kind == Kind.ORDER_COMPLETED)
    groups: list[list[Told]] = []
    for line in lines:
        if not groups or line.at - groups[-1][-1].at > MINUTE:
            groups.append([])
        groups[-1].append(line)
    found += [(group[0].at, group[-1].at, sum(cents(one.value) for one in group)) for group in groups]
    return sorted(found)


def agree(rows: Row, orders: Sequence[tuple[int, int, int]], now: int = START + 400 * DAY) -> None:
    got, gaps = features(rows, now), [(b[0] - a[0]) / DAY for a, b in pairwise(orders[-order_state.ORDERS :])]
    value, count = sum(worth for *_, worth in orders) / 100, len(orders)
    expected = {
        "count": count,
        "value": value,
        "mean_value": value / count if count else math.nan,
        "days_since": (now - max(last for _, last, _ in orders)) / DAY if count else math.nan,
        "gap_mean": statistics.fmean(gaps) if gaps else math.nan,
        "gap_spread": statistics.stdev(gaps) if len(gaps) > 1 else math.nan,
    }
    for name, wanted in expected.items():
        assert got[name] == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True), name
    together = expected["gap_mean"] + expected["gap_spread"]
    regular = expected["gap_mean"] / together if together > 1e-6 else math.nan
    assert math.isnan(regular) or got["regularity"] == pytest.approx(regular, rel=1e-6)


TIMES = st.one_of(
    st.integers(START, START + 300 * DAY),
    st.integers(START, START + 3),
    st.integers(0, 4).map(lambda i: START + i * (MINUTE + i % 2)),
)
VALUES = st.sampled_from([0.0, 0.004, 0.005, 1.0, 19.99, 20.0, 500.0, 1e12])
NAMES = st.integers(0, 7).map(lambda i: (i // 3) << 32 | (i % 3 + 1) if i else 0)
KINDS = st.sampled_from(
    [Kind.ORDER_COMPLETED] * 3 + [Kind.ORDER_UPDATED, Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED, Kind.ITEM_VIEWED]
)
TOLD = st.lists(st.builds(Told, TIMES, KINDS, NAMES, VALUES), max_size=25)


def fits(told: Sequence[Told]) -> bool:
    """Whether no more orders are kept, in any order of arrival, than there is room for."""
    named = {one.id for one in told if one.id and one.kind != Kind.ITEM_VIEWED}
    unnamed = [one for one in told if not one.id and one.kind == Kind.ORDER_COMPLETED]
    return len(named) + len(unnamed) <= order_state.ORDERS


@given(TOLD.filter(fits), st.data())
def test_any_order_and_any_split_give_the_same_bytes_and_the_right_numbers(
    told: list[Told], data: st.DataObject
) -> None:
    rows = folded(told)
    agree(rows, counted(told))
    assert folded(data.draw(st.permutations(told))).tobytes() == rows.tobytes()
    side = data.draw(st.lists(st.booleans(), min_size=len(told), max_size=len(told)))
    parts = [
        folded([one for one, left in zip(told, side, strict=True) if left is which]) for which in (True, False)
    ]
    assert joined(*parts).tobytes() == joined(*parts[::-1]).tobytes() == rows.tobytes()


@given(
    st.lists(st.tuples(st.integers(START, START + 300 * DAY), VALUES), max_size=40, unique_by=lambda one: one[0]),
    st.data(),
)
def test_beyond_the_newest_the_sums_are_exact_of_orders_that_nothing_corrects(
    orders: list[tuple[int, float]], data: st.DataObject
) -> None:
    told = [Told(at, Kind.ORDER_COMPLETED, i + 1, value) for i, (at, value) in enumerate(orders)]
    rows = folded(told)
    agree(rows, counted(told))
    assert folded(data.draw(st.permutations(told))).tobytes() == rows.tobytes()
    cut = data.draw(st.integers(0, len(told)))
    assert joined(folded(told[:cut]), folded(told[cut:])).tobytes() == rows.tobytes()


def test_the_group_takes_whole_words() -> None:
    fields = np.dtype(order.FIELDS)
    assert fields.itemsize == np.dtype(order.FIELDS, align=True).itemsize == 65 * 8


HOUR = 3_600_000


def test_a_cancelled_order_counts_nothing_whichever_comes_first() -> None:
    told = [Told(START, Kind.ORDER_COMPLETED, 1, 500), Told(START + HOUR, Kind.ORDER_CANCELLED, 1, 500)]
    for events in (told, told[::-1]):
        got = features(folded(events))
        assert (got["count"], got["value"]) == (0, 0)
        assert math.isnan(got["days_since"])


def test_the_last_order_given_back_is_not_the_last_one() -> None:
    told = [Told(START + i * 20 * DAY, Kind.ORDER_COMPLETED, i + 1, 450) for i in range(5)]
    got = features(folded([*told, Told(START + 100 * DAY, Kind.ORDER_REFUNDED, 5, 450)]), START + 100 * DAY)
    assert (got["count"], got["value"], got["days_since"]) == (4, 1_800, 40)


def test_partial_refunds_add_up_to_the_whole() -> None:
    told = [
        Told(START, Kind.ORDER_COMPLETED, 1, 30),
        *[Told(START + i, Kind.ORDER_REFUNDED, 1, 10) for i in (1, 2)],
    ]
    got = features(folded(told))
    assert (got["count"], got["value"]) == (1, 10)
    assert features(folded([*told, Told(START + 3, Kind.ORDER_REFUNDED, 1, 10)]))["count"] == 0


def test_two_orders_of_one_instant_have_no_time_between_them() -> None:
    got = features(folded([Told(START, Kind.ORDER_COMPLETED, i, 1) for i in (1, 2)]))
    assert (got["count"], got["value"], got["gap_mean"]) == (2, 2, 0)
    assert math.isnan(got["regularity"])


def test_a_large_order_keeps_its_cents() -> None:
    assert features(folded([Told(START, Kind.ORDER_COMPLETED, 1, 1234567.89)]))["value"] == 1234567.89


def test_what_corrects_an_order_older_than_those_kept_is_taken_from_them() -> None:
    told = [Told(START + i * DAY, Kind.ORDER_COMPLETED, i + 1, 10) for i in range(15)]
    refund = Told(START + 20 * DAY, Kind.ORDER_REFUNDED, 1, 4)
    cancellation = Told(START + 21 * DAY, Kind.ORDER_CANCELLED, 2, 10)
    got = features(folded([*told, refund, cancellation]))
    assert (got["count"], got["value"]) == (14, 136)
    more = [Told(START + (30 + i) * DAY, Kind.ORDER_COMPLETED, i + 50, 10) for i in range(12)]
    got = features(folded([*told, refund, cancellation, *more]))
    assert (got["count"], got["value"]) == (26, 256)


@pytest.mark.parametrize(
    ("corrections", "count", "value"),
    [
        ([(Kind.ORDER_REFUNDED, 1, 1_000)], 14, 110),  # more than the three older ones were worth
        ([(Kind.ORDER_REFUNDED, 1, 15), (Kind.ORDER_REFUNDED, 2, 1_000)], 14, 100),
        ([(Kind.ORDER_CANCELLED, 1, 1_000)], 13, 110),
        ([(Kind.ORDER_CANCELLED, 1, 0)], 13, 130),  # by its id alone: what they were worth in the mean
        ([(Kind.ORDER_REFUNDED, 1, 0)], 13, 130),
        ([(Kind.ORDER_REFUNDED, 1, 4), (Kind.ORDER_CANCELLED, 1, 0)], 13, 130),
        ([(Kind.ORDER_REFUNDED, 1, 13), (Kind.ORDER_CANCELLED, 1, 0)], 13, 127),
        ([(Kind.ORDER_CANCELLED, 1, 0), (Kind.ORDER_CANCELLED, 2, 0)], 12, 120),
        ([(Kind.ORDER_UPDATED, 1, 500)], 14, 140),
        ([(Kind.ORDER_UPDATED, 1, 8), (Kind.ORDER_CANCELLED, 1, 0)], 13, 132),
    ],
)
def test_what_corrects_older_orders_is_taken_from_those_alone(
    corrections: list[tuple[Kind, int, float]], count: int, value: float
) -> None:
    """Of 14; each that is only corrected takes a place of the newest 12."""
    told = [Told(START + i * DAY, Kind.ORDER_COMPLETED, i + 1, 10) for i in range(14)]
    told += [Told(START + 20 * DAY + i, *one) for i, one in enumerate(corrections)]
    got = features(folded(told))
    assert (got["count"], got["value"]) == (count, value)
    if all(one[2] < 1_000 for one in corrections):
        later = [Told(START + (30 + i) * DAY, Kind.ORDER_COMPLETED, i + 50, 10) for i in range(12)]
        got = features(folded([*told, *later]))
        assert (got["count"], got["value"]) == (count + 12, value + 120)


def test_more_corrections_than_older_orders_leave_those_that_are_kept() -> None:
    rows = folded([Told(START, Kind.ORDER_COMPLETED, 1, 10)])
    rows["order_before_count"], rows["order_before_value"], rows["order_before_first"] = 1, 700, START - DAY
    rows["order_before_last"] = START - DAY
    cancelled = folded([Told(START + DAY, Kind.ORDER_CANCELLED, name) for name in (8, 9)])
    got = features(joined(rows, cancelled))
    assert (got["count"], got["value"]) == (1, 10)


@pytest.mark.parametrize("back", [30, 30.01, 1e12])
def test_whoever_gets_back_as_much_as_it_was_worth_or_more_did_not_order(back: float) -> None:
    told = [Told(START, Kind.ORDER_COMPLETED, 1, 30), Told(START + 1, Kind.ORDER_REFUNDED, 1, back)]
    told.append(Told(START + 2, Kind.ORDER_COMPLETED, 2, 7))
    for events in (told, told[::-1]):
        got = features(folded(events))
        assert (got["count"], got["value"]) == (1, 7)


def test_less_than_a_cent_given_back_is_not_all_of_it() -> None:
    told = [Told(START, Kind.ORDER_COMPLETED, 1, 30), Told(START + 1, Kind.ORDER_REFUNDED, 1, 0.004)]
    got = features(folded(told))
    assert (got["count"], got["value"]) == (1, 30)


def test_older_orders_that_were_all_cancelled_are_worth_nothing_and_stay_what_made_the_cart_void() -> None:
    told = [Told(START + i * DAY, Kind.ORDER_COMPLETED, i + 1, 10) for i in range(13)]
    cancelled = [Told(START + (20 + i) * DAY, Kind.ORDER_CANCELLED, i + 1) for i in range(13)]
    more = [Told(START + (40 + i) * DAY, Kind.ORDER_COMPLETED, i + 50, 1) for i in range(12)]
    rows = folded([*told, *cancelled, *more])
    assert (rows["order_before_count"][0], rows["order_before_value"][0]) == (0, 0)
    got = features(rows)
    assert (got["count"], got["value"]) == (12, 12)
    assert order_state.newest_order(folded([*told, *cancelled])[0]) >= START
    for joined_row in (joined(np.zeros(1, ROW), rows), joined(rows, np.zeros(1, ROW))):
        assert joined_row.tobytes() == rows.tobytes()


def test_regular_orders_are_and_those_of_chance_are_not() -> None:
    clock = features(folded([Told(START + i * 7 * DAY, Kind.ORDER_COMPLETED, i + 1, 1) for i in range(20)]))
    assert (clock["gap_mean"], clock["gap_spread"], clock["regularity"]) == (7, 0, 1)
    chance = np.random.default_rng(4).exponential(7 * DAY, (200, 12)).cumsum(axis=1).astype(int)
    found = [
        features(folded([Told(START + int(at), Kind.ORDER_COMPLETED, i + 1, 1) for i, at in enumerate(row)]))
        for row in chance
    ]
    assert statistics.fmean(one["regularity"] for one in found) == pytest.approx(0.5, abs=0.05)
