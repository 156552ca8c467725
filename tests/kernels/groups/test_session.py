"""The newest events and the session: in any order and any split, against sessions in plain Python."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.kernels.groups import recent, session
from engine.kernels.groups.activity import is_activity
from engine.kernels.wire import EARLIEST_MS, LATEST_MS, Kind
from tests.kernels.groups.sessions import (
    BURST,
    CLIENT,
    GAP,
    KEPT,
    MOMENT,
    Did,
    activities,
    columns,
    is_rebuilt,
    left_at,
    newest,
    sessions,
    state,
)

LAYOUT = np.dtype(recent.FIELDS + session.FIELDS)
START = 1_700_000_000_000
ENTRIES = [*recent.ENTRIES, *session.ENTRIES]
INDEX: Any = namedtuple("Index", [entry.name.replace(".", "_") for entry in ENTRIES])(*range(len(ENTRIES)))

Row = NDArray[np.void]

#: Steps in time at which something changes, and one below and above, that do not end a session.
STEPS = (0, 1, 300, MOMENT, MOMENT + 1, BURST - 1, BURST, BURST + 1, 60_000, GAP - 1, GAP)
KINDS = (
    Kind.PAGE_VIEWED,
    Kind.ITEM_VIEWED,
    Kind.LIST_VIEWED,
    Kind.SEARCHED,
    Kind.REVIEW_READ,
    Kind.CART_ADDED,
    Kind.ORDER_REFUNDED,
    Kind.CONTACT_STARTED,
)


VALUES = (0, 1, 9_999, 2**32 - 1, 2**32, 10**14)
ITEMS = (0, 1, 2**63, 2**63 + 1)
CATEGORIES = (0, 5, 2**40)

DID = st.builds(
    Did,
    st.sampled_from((*STEPS, GAP + 1)),
    st.sampled_from(KINDS),
    st.sampled_from(VALUES),
    st.sampled_from(ITEMS),
    st.sampled_from(CATEGORIES),
)


def dated(steps: Sequence[Did]) -> list[Did]:
    """Events in order, the first at `START`, each of the others `at` ms after the one before."""
    times = accumulate((step.at for step in steps), initial=START)
    return sorted(step._replace(at=at) for step, at in zip(steps, times, strict=False))


#: Of events that a row keeps all.
FEW = st.lists(DID, max_size=KEPT).map(dated)


def many(chance: Random, ends: float, least: int = 1, most: int = 100) -> list[Did]:
    """More events than hypothesis makes in a list, with that share of steps that end a session."""
    steps = []
    for _ in range(chance.randint(least, most)):
        step = GAP + 1 if chance.random() < ends else chance.choice(STEPS[:-2])
        kind = chance.choice(KINDS)
        steps.append(Did(step, kind, chance.choice(VALUES), chance.choice(ITEMS), chance.choice(CATEGORIES)))
    return dated(steps)


CHANCE = st.integers(0, 2**32).map(Random)
ENDS = st.sampled_from((0.0, 0.03, 0.2))


def folded(events: Sequence[Did], into: Row | None = None) -> Row:
    """A row of `events` as they come, an array of one."""
    rows = np.zeros(1, LAYOUT) if into is None else into.copy()
    other = np.full(LAYOUT.itemsize, 0xA5, np.uint8).view(LAYOUT)  # what it holds means nothing
    other["session_category_count"] = other["session_item_count"] = 16
    for event in columns(events):
        session.apply_session(rows[0], event, other[0])
    return rows


def joined(one: Row, other: Row) -> Row:
    into, before = one.copy(), other.tobytes()
    session.join_session(into[0], other[0])
    assert other.tobytes() == before
    return into


def fields(row: Row) -> dict[str, Any]:
    """The session's fields in plain Python, the sets as long as they are."""
    got: dict[str, Any] = {str(name): row[0][name].tolist() for name, *_ in session.FIELDS}
    for name, count in (
        ("session_category", "session_category_count"),
        ("session_category_views", "session_category_count"),
        ("session_item", "session_item_count"),
    ):
        assert not any(got[name][got[count] :])
        got[name] = got[name][: got[count]]
    return got


def kept(row: Row) -> list[Did]:
    """The recent events, oldest first."""
    one, found = row[0], []
    for rank in range(min(int(one["recent_total"]), KEPT)):
        place = recent.place_of(one, rank)
        kind = Kind(one["recent_kind"][place])
        item, category = int(one["recent_item"][place]), int(one["recent_category"][place])
        at, value = recent.at_of(one, place), recent.value_of(one, place)
        found.append(Did(at, kind, value, item, category))
    return found


def assert_is(row: Row, events: Sequence[Did]) -> None:
    """Whether a row says of `events` what is so."""
    assert kept(row) == newest(events)
    assert row["recent_total"][0] == len(events)
    assert row["recent_left_at"][0] == left_at(events)
    got, right = fields(row), state(events)
    assert {name: got[name] for name in right} == right


def read(row: Row, now: int) -> dict[str, float]:
    out = np.full(len(ENTRIES), -77.0)
    recent.read_recent(row[0], now, out, INDEX)
    session.read_session(row[0], now, out, INDEX)
    return {entry.name: float(value) for entry, value in zip(ENTRIES, out, strict=True)}


def sides(chance: Random, events: Sequence[Did]) -> tuple[list[Did], list[Did]]:
    """The events of two names of one customer."""
    share = chance.random()
    which = [chance.random() < share for _ in events]
    pairs = list(zip(which, events, strict=True))
    return [event for side, event in pairs if side], [event for side, event in pairs if not side]


def disordered(chance: Random, events: Sequence[Did]) -> list[Did]:
    """Each up to some places from its own."""
    by = chance.choice((0, 3, 40))
    return [
        event for _, event in sorted((place + chance.uniform(0, by), event) for place, event in enumerate(events))
    ]


def test_no_byte_is_padding_and_the_groups_are_whole_words() -> None:
    for group in (recent.FIELDS, session.FIELDS):
        layout = np.dtype(group)
        assert layout.itemsize % 8 == 0
        assert np.dtype(group, align=True) == layout
        widths = [layout[name].base.itemsize for name in layout.names or ()]
        assert widths == sorted(widths, reverse=True)


def test_activity_is_what_is_done_on_a_client() -> None:
    assert {kind.name for kind in Kind if is_activity(kind)} == CLIENT


def test_a_page_call_beside_a_product_is_one_view() -> None:
    """Two pairs of products, each with its page call: no three views in a row."""
    events = []
    for at in (0, 8_000, 60_000, 68_000):
        events += [Did(START + at, Kind.PAGE_VIEWED), Did(START + at + 300, Kind.ITEM_VIEWED)]
    got = read(folded(events), events[-1].at)
    assert (got["session.pages"], got["session.items"], got["session.bursts"]) == (4, 4, 0)
    assert got["session.events"] == got["customer.events"] == 8


@pytest.mark.parametrize(
    ("steps", "pages"),
    [
        ([(0, "PAGE"), (1_000, "ITEM")], 1),
        ([(0, "PAGE"), (1_001, "ITEM")], 2),
        ([(0, "ITEM"), (1_000, "PAGE")], 1),
        ([(0, "LIST"), (0, "PAGE")], 1),
        ([(0, "PAGE"), (1, "PAGE")], 2),
        ([(0, "ITEM"), (1, "LIST")], 2),
        ([(0, "PAGE"), (1, "ITEM"), (2, "PAGE")], 2),
        ([(0, "PAGE"), (1, "ITEM"), (2, "ITEM")], 2),
        ([(0, "PAGE"), (1, "PAGE"), (2, "ITEM")], 2),
        ([(0, "PAGE"), (900, "ITEM"), (1_800, "PAGE"), (2_700, "ITEM")], 2),
    ],
)
def test_a_view_is_in_one_pair_at_most(steps: list[tuple[int, str]], pages: int) -> None:
    events = [Did(START + at, Kind[f"{kind}_VIEWED"]) for at, kind in steps]
    assert read(folded(events), START)["session.pages"] == pages


def test_what_servers_write_makes_no_session() -> None:
    """A cart, and e-mails delivered hours and days later; then a refund."""
    day = 86_400_000
    events = [
        Did(START, Kind.CART_ADDED),
        Did(START + 2 * 3_600_000, Kind.OTHER),
        Did(START + day, Kind.OTHER),
        Did(START + 2 * day, Kind.ORDER_REFUNDED),
        Did(START + 2 * day, Kind.IDENTIFIED),
        Did(START + 2 * day, Kind.CONTACT_STARTED),
        Did(START + 2 * day, Kind.ORDER_COMPLETED),
    ]
    got = read(folded(events), START + 2 * day)
    assert (got["session.number"], got["session.events"], got["customer.events"]) == (1, 0, 7)
    assert got["idle.seconds"] == 2 * day / 1_000


def test_the_first_two_swapped_are_both_in_the_session() -> None:
    events = [Did(START + 1_000, Kind.ITEM_VIEWED, value=50_000), Did(START, Kind.ITEM_VIEWED, value=90_000)]
    got = read(folded(events), START + 1_000)
    assert (got["session.events"], got["session.max_price"], got["session.seconds"]) == (2, 900, 1)


def test_items_that_differ_in_one_half_of_their_hashes_are_two() -> None:
    events = [
        Did(START, Kind.ITEM_VIEWED, item=7 << 32 | 1, category=7 << 32 | 1),
        Did(START, Kind.ITEM_VIEWED, item=7 << 32 | 2, category=7 << 32 | 2),
        Did(START, Kind.ITEM_VIEWED, item=8 << 32 | 1, category=8 << 32 | 1),
    ]
    got = read(folded(events), START)
    assert (got["session.distinct_items"], got["session.categories"], got["session.top_category_views"]) == (
        3,
        3,
        1,
    )


@pytest.mark.parametrize("late", [False, True])
def test_different_items_and_categories_are_counted_up_to_16(late: bool) -> None:
    events = [Did(START + n, Kind.ITEM_VIEWED, item=n, category=n) for n in range(1, 18)]
    row = folded([*events[1:], events[0]] if late else events)
    got = read(row, START + 17)
    assert (got["session.distinct_items"], got["session.categories"], got["session.items"]) == (16, 16, 17)
    assert row["session_item"][0].tolist() == list(range(1, 17))


@pytest.mark.parametrize(("silence", "events"), [(GAP, 1), (GAP + 1, 0)])
def test_a_session_is_over_after_half_an_hour_and_a_millisecond(silence: int, events: int) -> None:
    row = folded([Did(START, Kind.ITEM_VIEWED, item=1, category=1, value=100)])
    got = read(row, START + silence)
    assert got["session.events"] == events
    assert got["session.number"] == 1
    over = {entry.name for entry in session.ENTRIES} - {"session.number", "idle.seconds"}
    assert events or not any(got[name] for name in over)


def test_of_a_customer_never_seen_there_is_nothing() -> None:
    got = read(np.zeros(1, LAYOUT), START)
    assert math.isnan(got.pop("idle.seconds"))
    assert set(got.values()) == {0.0}


def test_times_from_the_first_to_the_last_that_are_taken_are_exact() -> None:
    events = [Did(at, Kind.PAGE_VIEWED) for at in (EARLIEST_MS, EARLIEST_MS + 999, LATEST_MS - 1, LATEST_MS)]
    assert kept(folded(events)) == events


def test_counters_stay_at_the_largest_that_they_hold() -> None:
    """A session too long to be rebuilt goes on in order, late, and joined with another."""
    searches = [Did(START + n, Kind.SEARCHED) for n in range(KEPT + 1)]
    row = folded(searches)
    for name in ("session_searches", "session_searches_alone"):
        row[name] = 2**16 - 1
    row["session_events"] = 2**32 - 2
    late = folded([Did(START + 1, Kind.SEARCHED)], row)
    assert (
        late["session_searches"] == folded([Did(START + 99, Kind.SEARCHED)], row)["session_searches"] == 2**16 - 1
    )
    assert late["session_events"] == 2**32 - 1
    assert joined(row, row)["session_events"] == 2**32 - 1


@given(CHANCE, ENDS)
def test_events_in_order_are_counted_whatever_their_number(chance: Random, ends: float) -> None:
    events = many(chance, ends)
    assert_is(folded(events), events)


@given(FEW, CHANCE)
def test_any_order_gives_the_same_bytes(events: list[Did], chance: Random) -> None:
    row = folded(chance.sample(events, len(events)))
    assert_is(row, events)
    assert row.tobytes() == folded(events).tobytes()


@given(FEW, CHANCE)
def test_any_split_gives_the_same_bytes_with_the_join_anywhere(events: list[Did], chance: Random) -> None:
    order = chance.sample(events, len(events))
    until = chance.randint(0, len(events))
    one, other = sides(chance, order[:until])
    whole = folded(events).tobytes()
    assert folded(order[until:], joined(folded(one), folded(other))).tobytes() == whole
    assert folded(order[until:], joined(folded(other), folded(one))).tobytes() == whole


def parts(chance: Random, events: Sequence[Did], depth: int = 3) -> tuple[Row, bool]:
    """A row of `events` by folds and joins; and whether an activity came in that was older than one that was no
    longer kept."""
    if depth == 0 or chance.random() < 0.3:
        return folded(events), any(
            event.at < left_at(events[:place]) for place, event in enumerate(events) if event.kind.name in CLIENT
        )
    one, other = sides(chance, events)
    left, reaches_back = parts(chance, one, depth - 1)
    right, other_reaches_back = parts(chance, other, depth - 1)
    for side, by in ((one, other), (other, one)):
        reaches_back |= any(event.at < left_at(by) for event in activities(side))
    return joined(left, right), reaches_back or other_reaches_back


@given(CHANCE, ENDS)
@settings(max_examples=200)
def test_the_recent_events_are_exact_always_and_a_session_among_them_is(chance: Random, ends: float) -> None:
    events = many(chance, ends)
    row, reaches_back = parts(chance, disordered(chance, events))

    assert kept(row) == newest(events)
    assert (row["recent_total"][0], row["recent_left_at"][0]) == (len(events), left_at(events))
    whole = folded(events)
    for name, *_ in recent.FIELDS:
        assert row[name].tobytes() == whole[name].tobytes(), name
    if is_rebuilt(events):
        for name in {name for name, *_ in session.FIELDS} - {"session_number"}:
            assert row[name].tobytes() == whole[name].tobytes(), name
    if not reaches_back:
        assert row["session_number"] == whole["session_number"]


@given(CHANCE)
@settings(max_examples=200)
def test_a_session_from_before_them_keeps_to_the_bounds(chance: Random) -> None:
    """Two rows of one long session."""
    events = activities(many(chance, 0.0, least=KEPT + 1))
    one, other = sides(chance, events)
    if len(sessions(one)) != 1 or len(sessions(other)) != 1:
        return
    row, right = fields(joined(folded(one), folded(other))), state(events)

    for name in ("events", "items", "reviews", "searches", "cart_adds", "max_price", "started", "last"):
        assert row[f"session_{name}"] == right[f"session_{name}"], name
    assert row["session_pause_ms"] >= right["session_pause_ms"]
    assert row["session_searches_alone"] <= right["session_searches"]
    assert set(row["session_item"]) == set(right["session_item"])
    assert dict(zip(row["session_category"], row["session_category_views"], strict=True)) == dict(
        zip(right["session_category"], right["session_category_views"], strict=True)
    )


@given(CHANCE, ENDS)
@settings(max_examples=200)
def test_the_number_of_sessions_keeps_to_its_bounds(chance: Random, ends: float) -> None:
    events = many(chance, ends)
    one, other = sides(chance, events)
    left, right = folded(one), folded(other)
    number = fields(joined(left, right))["session_number"]
    most = fields(left)["session_number"] + fields(right)["session_number"]

    assert (1 if min(len(one), len(other)) == 1 else len(sessions(events))) <= number <= most or not sessions(
        events
    )
