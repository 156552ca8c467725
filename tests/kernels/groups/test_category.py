"""The categories of a row, against a recount in plain Python."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.groups import category
from engine.kernels.groups.days import DAYS
from engine.kernels.wire import Kind
from tests.kernels.groups.laws import START, Did, Group, Row, events, folded, halves, histories, joined, shuffled

GROUP = Group(np.dtype(category.FIELDS), category.apply_category, category.join_category)
INDEX: Any = namedtuple("Index", [entry.name.replace(".", "_") for entry in category.ENTRIES])(
    *range(len(category.ENTRIES))
)
VIEWS = (Kind.ITEM_VIEWED, Kind.LIST_VIEWED)


class Known(NamedTuple):
    """What is known of one category."""

    at: int
    days: frozenset[int]
    views: int
    orders: int


def recounted(happened: Sequence[Did]) -> dict[int, Known]:
    """All categories, each from its own events."""
    found: dict[int, Known] = {}
    for what in {one.what for one in happened}:
        own = [one for one in happened if one.what == what]
        last_day = max(one.day for one in own)
        found[what] = Known(
            max(one.second for one in own),
            frozenset(last_day - one.day for one in own if last_day - one.day < DAYS),
            sum(one.kind in VIEWS for one in own),
            sum(one.kind == Kind.ORDER_COMPLETED for one in own),
        )
    return found


def read_back(rows: Row) -> dict[int, Known]:
    """The categories of a row, whose places are checked on the way."""
    row = rows[0]
    ids = row["category_id"].tolist()
    used = sum(map(bool, ids))
    assert ids[:used] == sorted(ids[:used])
    for name in GROUP.layout.names or ():
        assert not row[name][used:].any()
    return {
        ids[i]: Known(
            int(row["category_at"][i]),
            frozenset(day for day in range(DAYS) if int(row["category_days"][i]) >> day & 1),
            int(row["category_views"][i]),
            int(row["category_orders"][i]),
        )
        for i in range(used)
    }


@given(histories(12))
def test_a_row_is_a_recount(happened: list[Did]) -> None:
    assert read_back(folded(GROUP, events(happened, "category"))) == recounted(happened)


@given(st.data(), histories(12))
def test_neither_order_nor_split_changes_a_byte(data: st.DataObject, happened: list[Did]) -> None:
    columns = events(happened, "category")
    whole = folded(GROUP, columns)
    assert folded(GROUP, shuffled(data.draw, columns)).tobytes() == whole.tobytes()
    one, other = halves(data.draw, columns)
    parts = folded(GROUP, one), folded(GROUP, other)
    assert joined(GROUP, *parts).tobytes() == joined(GROUP, *parts[::-1]).tobytes() == whole.tobytes()


@given(st.data(), histories(60, 20))
def test_beyond_12_the_newest_stay_and_count_at_most_the_truth(data: st.DataObject, happened: list[Did]) -> None:
    columns, true = events(happened, "category"), recounted(happened)
    newest = sorted(true, key=lambda what: (true[what].at, what))[-category.CATEGORIES :]
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
            assert known.days <= true[what].days
            assert known.views <= true[what].views
            assert known.orders <= true[what].orders


@given(histories(40), histories(40))
def test_joining_has_no_order_even_beyond_12(one: list[Did], other: list[Did]) -> None:
    rows = [folded(GROUP, events(part, "category")) for part in (one, other)]
    assert joined(GROUP, *rows).tobytes() == joined(GROUP, *rows[::-1]).tobytes()


@given(histories(12))
def test_features_are_those_of_the_recount(happened: list[Did]) -> None:
    out = np.full(len(INDEX), np.inf)
    category.read_category(folded(GROUP, events(happened, "category"))[0], START, out, INDEX)
    true = recounted(happened).values()
    assert out.tolist() == [
        len(true),
        max((known.views for known in true), default=0),
        max((len(known.days) for known in true), default=0),
        sum(known.orders > 0 for known in true),
        max((known.orders for known in true), default=0),
    ]


def test_the_layout_is_whole_words_and_nothing_is_zeros() -> None:
    assert GROUP.layout.itemsize == 240
    assert GROUP.layout.itemsize % 8 == 0
    assert not any(folded(GROUP, events([Did(START, 0, Kind.ITEM_VIEWED, 5.0)], "category")).tobytes())


def test_counts_stay_at_the_largest_that_fits() -> None:
    ordered = events([Did(START, 7, Kind.ORDER_COMPLETED), Did(START, 7, Kind.LIST_VIEWED)], "category")
    rows = folded(GROUP, ordered)
    for name in ("category_views", "category_orders"):
        rows[name] = np.where(rows["category_id"] > 0, 65_535, 0)
    both = joined(GROUP, rows, folded(GROUP, ordered))
    assert both["category_views"][0][0] == both["category_orders"][0][0] == 65_535
