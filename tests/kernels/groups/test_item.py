"""The items of a row, against a recount in plain Python."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.groups import item
from engine.kernels.groups.days import DAYS
from engine.kernels.wire import Kind
from tests.kernels.groups.laws import START, Did, Group, Row, events, folded, halves, histories, joined, shuffled

GROUP = Group(np.dtype(item.FIELDS), item.apply_item, item.join_item)
INDEX: Any = namedtuple("Index", [entry.name.replace(".", "_") for entry in item.ENTRIES])(
    *range(len(item.ENTRIES))
)
ORDERS = (Kind.ORDER_COMPLETED, Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED)
FLAGS = {
    Kind.CART_ADDED: item.IN_CART,
    Kind.CART_REMOVED: item.TAKEN_OUT,
    Kind.ORDER_COMPLETED: item.ORDERED,
    Kind.ORDER_REFUNDED: item.GIVEN_BACK,
    Kind.ORDER_CANCELLED: item.GIVEN_BACK,
    Kind.WISHLISTED: item.WISHED,
    Kind.REVIEW_READ: item.REVIEWED,
    Kind.SHARED: item.SHARED,
}
DAY_MS = 86_400_000


class Known(NamedTuple):
    """What is known of one item."""

    at: int
    price: tuple[int, int]  # (second, hundredths)
    days: frozenset[int]
    views: int
    flags: int


def recounted(happened: Sequence[Did]) -> dict[int, Known]:
    """All items, each from its own events."""
    found: dict[int, Known] = {}
    for what in {one.what for one in happened}:
        own = [one for one in happened if one.what == what]
        newest = max(one.second for one in own)
        last_day = max(one.day for one in own)
        prices = [
            (one.second, min(math.floor(one.value * 100 + 0.5), 2**32 - 1))
            for one in own
            if one.value > 0 and one.kind not in ORDERS
        ]
        flags = 0
        for one in own:
            flags |= FLAGS.get(one.kind, 0)
        found[what] = Known(
            newest,
            max(prices, default=(0, 0)),
            frozenset(last_day - one.day for one in own if last_day - one.day < DAYS),
            sum(one.kind == Kind.ITEM_VIEWED for one in own),
            flags,
        )
    return found


def read_back(rows: Row) -> dict[int, Known]:
    """The items of a row, whose places are checked on the way."""
    row = rows[0]
    ids = row["item_id"].tolist()
    used = sum(map(bool, ids))
    assert ids[:used] == sorted(ids[:used])
    for name in GROUP.layout.names or ():
        assert not row[name][used:].any()
    return {
        ids[i]: Known(
            int(row["item_at"][i]),
            divmod(int(row["item_price"][i]), 2**32),
            frozenset(day for day in range(DAYS) if int(row["item_days"][i]) >> day & 1),
            int(row["item_views"][i]),
            int(row["item_flags"][i]),
        )
        for i in range(used)
    }


@given(histories(16))
def test_a_row_is_a_recount(happened: list[Did]) -> None:
    assert read_back(folded(GROUP, events(happened, "item"))) == recounted(happened)


@given(st.data(), histories(16))
def test_neither_order_nor_split_changes_a_byte(data: st.DataObject, happened: list[Did]) -> None:
    columns = events(happened, "item")
    whole = folded(GROUP, columns)
    assert folded(GROUP, shuffled(data.draw, columns)).tobytes() == whole.tobytes()
    one, other = halves(data.draw, columns)
    parts = folded(GROUP, one), folded(GROUP, other)
    assert joined(GROUP, *parts).tobytes() == joined(GROUP, *parts[::-1]).tobytes() == whole.tobytes()


@given(st.data(), histories(60, 20))
def test_beyond_16_the_newest_stay_and_count_at_most_the_truth(data: st.DataObject, happened: list[Did]) -> None:
    columns, true = events(happened, "item"), recounted(happened)
    newest = sorted(true, key=lambda what: (true[what].at, what))[-item.ITEMS :]
    one, other = halves(data.draw, columns)
    for rows in (
        folded(GROUP, columns),
        folded(GROUP, shuffled(data.draw, columns)),
        joined(GROUP, folded(GROUP, one), folded(GROUP, other)),
    ):
        found = read_back(rows)
        assert sorted(found) == sorted(newest)
        for what, known in found.items():
            assert known.at == true[what].at
            assert known.price <= true[what].price
            assert known.days <= true[what].days
            assert known.views <= true[what].views
            assert known.flags & ~true[what].flags == 0


@given(st.lists(histories(40), min_size=3, max_size=3))
def test_joining_has_no_order_even_beyond_16(parts: list[list[Did]]) -> None:
    rows = [folded(GROUP, events(part, "item")) for part in parts]
    assert joined(GROUP, *rows[:2]).tobytes() == joined(GROUP, *rows[1::-1]).tobytes()
    blank = np.zeros(1, GROUP.layout)
    assert joined(GROUP, blank, rows[2]).tobytes() == rows[2].tobytes()
    assert joined(GROUP, rows[2], blank).tobytes() == rows[2].tobytes()


@given(histories(16))
def test_features_are_those_of_the_recount(happened: list[Did]) -> None:
    out = np.full(len(INDEX), np.inf)
    item.read_item(folded(GROUP, events(happened, "item"))[0], START, out, INDEX)
    true = recounted(happened)
    # of the same views and second the lower id, which stands first
    ranked = sorted(true, key=lambda what: (-true[what].views, -true[what].at, what))
    unordered = [what for what in ranked if not true[what].flags & item.ORDERED]

    def of_first(among: list[int]) -> tuple[float, float]:
        if not among:
            return 0, math.nan
        known = true[among[0]]
        return known.views, known.price[1] / 100 if known.price[0] else math.nan

    assert out.tolist() == pytest.approx(
        [
            of_first(ranked)[0],
            max((len(known.days) for known in true.values()), default=0),
            of_first(ranked)[1],
            *of_first(unordered),
            sum(true[what].flags & item.WISHED > 0 for what in unordered),
        ],
        nan_ok=True,
    )


def test_the_layout_is_whole_words_and_nothing_is_zeros() -> None:
    assert GROUP.layout.itemsize == 432
    assert GROUP.layout.itemsize % 8 == 0
    nothing = events([Did(START, 0, Kind.ITEM_VIEWED, 5.0)], "item")
    assert not any(folded(GROUP, nothing).tobytes())


def test_views_stay_at_the_largest_that_fits() -> None:
    view = events([Did(START, 7, Kind.ITEM_VIEWED)], "item")
    rows = folded(GROUP, view)
    rows["item_views"] = np.where(rows["item_id"] > 0, 65_535, 0)
    assert joined(GROUP, rows, folded(GROUP, view))["item_views"][0][0] == 65_535


@pytest.mark.parametrize(
    ("value", "hundredths"),
    [(0.004, 0), (0.005, 1), (0.014, 1), (19.99, 1_999), (42_949_672.95, 2**32 - 1), (1e12, 2**32 - 1)],
)
def test_a_price_is_rounded_to_hundredths_and_bounded(value: float, hundredths: int) -> None:
    rows = folded(GROUP, events([Did(START, 7, Kind.ITEM_VIEWED, value)], "item"))
    assert int(rows["item_price"][0][0]) & 0xFFFFFFFF == hundredths


def test_an_orders_value_is_no_items_price() -> None:
    happened = [Did(START, 7, Kind.ITEM_VIEWED, 5.0), Did(START + DAY_MS, 7, Kind.ORDER_COMPLETED, 80.0)]
    rows = folded(GROUP, events(happened, "item"))
    assert item.price_of(rows["item_price"][0][0]) == 5.0


def test_the_newest_of_17_pushes_out_the_oldest_and_an_older_one_nothing() -> None:
    happened = [Did(START + i * 1_000, i + 1, Kind.ITEM_VIEWED) for i in range(1, 18)]
    assert set(read_back(folded(GROUP, events(happened, "item")))) == set(range(3, 19))
    late = [*happened[1:], happened[0]]
    assert folded(GROUP, events(late, "item")).tobytes() == folded(GROUP, events(happened, "item")).tobytes()
