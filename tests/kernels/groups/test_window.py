"""The windows of a row, against a recount in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.groups import window
from engine.kernels.groups.window import ENTRIES, LENGTHS, RINGS, WIDTHS, Rings, Windowed
from engine.kernels.wire import MAX_VALUE, Kind
from tests.kernels.groups.laws import START, Did, Group, Row, events, folded, halves, joined, shuffled

GROUP = Group(np.dtype(window.FIELDS), window.apply_window, window.join_window)
MOST = {"u1": 255, "u2": 65_535, "i8": 2**53}
DAY = 86_400_000
ALL = np.uint64(2**64 - 1)

#: Apart by anything from milliseconds to years, and at the ends of panes.
TIMES = st.one_of(
    *(st.integers(START, START + span) for span in (20_000, 15 * 60_000, 3 * 3_600_000, 40 * DAY, 500 * DAY)),
    st.builds(
        lambda width, pane, edge: (START // width + pane) * width + edge,
        st.sampled_from([width.ms for width in WIDTHS.values()]),
        st.sampled_from([0, 1, 11, 12, 13, 23, 24, 25, 31, 32, 33]),
        st.sampled_from([-1, 0, 1]),
    ),
)
KINDS = st.sampled_from(
    [
        Kind.OTHER,
        Kind.PAGE_VIEWED,
        Kind.ITEM_VIEWED,
        Kind.LIST_VIEWED,
        Kind.SEARCHED,
        Kind.CART_ADDED,
        Kind.CART_REMOVED,
        Kind.ORDER_COMPLETED,
        Kind.ORDER_COMPLETED,
        Kind.ORDER_REFUNDED,
        Kind.CONTACT_STARTED,
        Kind.CONTACT_ENDED,
        Kind.CONTACT_ABANDONED,
    ]
)
VALUES = st.sampled_from([0.0, 0.004, 0.005, 1.0, 19.99, MAX_VALUE])
HISTORIES = st.lists(st.builds(Did, TIMES, st.just(0), KINDS, VALUES), min_size=1, max_size=60)


def happened(*did: Did) -> Row:
    return events(did, "item")


def amount(counted: Windowed, one: Did) -> int:
    """What one event adds to a pane."""
    if one.kind not in counted.kinds:
        return 0
    return math.floor(one.value * 100 + 0.5) if counted.is_money else 1


def recounted(did: Sequence[Did]) -> Row:
    """A row, pane by pane."""
    rows = np.zeros(1, GROUP.layout)
    rows["window_at"] = latest = max(one.at for one in did)
    for of in RINGS:
        width, size = WIDTHS[of.width]
        for pane in range(latest // width - size + 1, latest // width + 1):
            inside = [one for one in did if one.at // width == pane]
            for ring, counted in enumerate(of.counted):
                total = sum(amount(counted, one) for one in inside)
                rows[of.field][0, ring, pane % size] = min(total, MOST[of.type])
    return rows


def read(rows: Row, now: int) -> dict[str, float]:
    out = np.full(len(ENTRIES) + 2, -1.0)
    window.read_window(rows[0], now, ALL, out, 1)
    assert (out[0], out[-1]) == (-1.0, -1.0)
    return dict(zip([entry.name for entry in ENTRIES], out[1:-1].tolist(), strict=True))


def windows() -> Iterator[tuple[Rings, Windowed, str, int]]:
    for of in RINGS:
        for length, (width, panes) in LENGTHS.items():
            for counted in of.counted if width == of.width else ():
                yield of, counted, f"{counted.feature}_{length}", panes


@given(HISTORIES, st.data())
def test_a_row_is_a_recount_of_its_events_in_whatever_order(did: list[Did], data: st.DataObject) -> None:
    assert folded(GROUP, shuffled(data.draw, happened(*did))).tobytes() == recounted(did).tobytes()


@given(HISTORIES, st.data())
def test_the_join_of_two_rows_is_the_row_of_all_events(did: list[Did], data: st.DataObject) -> None:
    one, other = (folded(GROUP, shuffled(data.draw, half)) for half in halves(data.draw, happened(*did)))
    expected = recounted(did).tobytes()
    assert joined(GROUP, one, other).tobytes() == expected
    assert joined(GROUP, other, one).tobytes() == expected


@given(HISTORIES, st.sampled_from([-DAY, -1, 0, 1, 5_000, 60_000, 3_600_000, DAY, 30 * DAY, 365 * DAY]))
def test_a_window_is_the_newest_panes(did: list[Did], later: int) -> None:
    """As of any moment: panes behind it do not count, and those that the ring has given up are gone."""
    latest = max(one.at for one in did)
    now, got = latest + later, read(folded(GROUP, happened(*did)), latest + later)
    for of, counted, name, panes in windows():
        width, size = WIDTHS[of.width]
        kept = [one for one in did if one.at // width > latest // width - size]
        inside = [one for one in kept if now // width - panes < one.at // width <= now // width]
        total = sum(amount(counted, one) for one in inside)
        assert got[name] == (total / 100 if counted.is_money else total), name


@given(HISTORIES, st.integers(0, 400 * DAY))
def test_a_window_errs_by_one_pane_at_most(did: list[Did], later: int) -> None:
    now = max(one.at for one in did) + later
    got = read(folded(GROUP, happened(*did)), now)
    for of, counted, name, panes in windows():
        width = WIDTHS[of.width].ms
        least, most = (
            sum(amount(counted, one) for one in did if one.at > now - span)
            for span in ((panes - 1) * width, panes * width)
        )
        assert least <= round(got[name] * (100 if counted.is_money else 1)) <= most, name


@pytest.mark.parametrize("of", RINGS, ids=lambda of: of.field)
def test_a_full_pane_stays_full(of: Rings) -> None:
    did = [Did(START, 0, Kind(kind), 1.0) for counted in of.counted for kind in counted.kinds[:1]]
    place, most = START // WIDTHS[of.width].ms % WIDTHS[of.width].panes, MOST[of.type]
    for below in (0, 1):
        rows = folded(GROUP, happened(did[0]))
        rows[of.field][0, :, place] = most - below
        other = rows.copy()
        for event in happened(*did):
            GROUP.apply(rows[0], event)
        assert rows[of.field][0, :, place].tolist() == [most] * len(of.counted)
        assert joined(GROUP, other, other)[of.field][0, :, place].tolist() == [most] * len(of.counted)


def test_a_thousand_views_in_a_day_are_told_as_255_of_that_day() -> None:
    rows = folded(
        GROUP, happened(*[Did(START, 0, Kind.ITEM_VIEWED)] * 1_000, Did(START + DAY, 0, Kind.ITEM_VIEWED))
    )
    got = read(rows, START + DAY)
    assert (got["views.count_7d"], got["views.count_52w"], got["events.count_7d"]) == (256, 1_001, 1_001)


def test_the_greatest_values_are_exact_to_the_hundredth() -> None:
    rows = folded(
        GROUP,
        happened(*[Did(START, 0, Kind.ORDER_COMPLETED, MAX_VALUE), Did(START, 0, Kind.ORDER_COMPLETED, 0.01)]),
    )
    assert read(rows, START)["orders.value_52w"] == MAX_VALUE + 0.01


@given(HISTORIES, st.sets(st.integers(0, len(ENTRIES) - 1)))
def test_what_is_wanted_is_read_and_nothing_else(did: list[Did], wanted: set[int]) -> None:
    rows, now = folded(GROUP, happened(*did)), max(one.at for one in did)
    whole, part = np.zeros(len(ENTRIES)), np.full(len(ENTRIES), -1.0)
    window.read_window(rows[0], now, ALL, whole, 0)
    window.read_window(rows[0], now, np.uint64(sum(1 << place for place in wanted)), part, 0)
    assert part.tolist() == [value if place in wanted else -1.0 for place, value in enumerate(whole)]


def test_nothing_is_known_of_a_stranger() -> None:
    blank = np.zeros(1, GROUP.layout)
    assert set(read(blank, START).values()) == {0.0}
    rows = folded(GROUP, happened(Did(START, 0, Kind.ITEM_VIEWED)))
    assert joined(GROUP, rows, blank).tobytes() == joined(GROUP, blank, rows).tobytes() == rows.tobytes()


def test_fields_fill_words_and_those_of_kinds_begin_with_one() -> None:
    fields = GROUP.layout.fields
    assert fields is not None
    assert GROUP.layout.itemsize == sum(kind.itemsize for kind, *_ in fields.values())
    assert GROUP.layout.itemsize % 8 == 0
    assert all(offset % kind.base.itemsize == 0 for kind, offset, *_ in fields.values())
    assert all(fields[of.field][1] % 8 == 0 for of in window._WHOLE)
    assert all(WIDTHS[of.width].panes * np.dtype(of.type).itemsize % 8 == 0 for of in window._WHOLE)


def test_windows_are_no_longer_than_their_rings_and_marked_by_the_bits_of_one_word() -> None:
    assert all(0 < panes <= WIDTHS[width].panes for width, panes in LENGTHS.values())
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES) <= 64
    assert all(len(of.counted) <= 8 for of in RINGS)  # bits of a kind's mark
    assert all(len({counted.is_money for counted in of.counted}) == 1 for of in RINGS)


def test_features_are_read_in_the_order_of_their_entries() -> None:
    got = read(
        folded(GROUP, happened(Did(START, 0, Kind.SEARCHED), Did(START, 0, Kind.ORDER_COMPLETED, 5.0))), START
    )
    expected = dict.fromkeys(got, 0.0)
    for name in got:
        if name.startswith("events."):
            expected[name] = 2.0
        elif name.startswith(("searches.", "orders.count")):
            expected[name] = 1.0
    expected["orders.value_52w"] = 5.0
    assert got == expected
    assert {entry.name: entry.meaning for entry in ENTRIES}["views.count_52w"] == (
        "pages, lists and items viewed in the last 52 weeks"
    )
