"""Whatever customers do, as records of it are read and applied: in any order, in any batches, some of them twice,
and under two ids that are found to be one customer's at any moment, the row and its features are those of the
events in order of time. Exempt are ids of messages, indicators, and up to when silence was evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.events import CartLine, Contact, Event, Kind, More, Traits
from engine.kernels import row as layout
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.groups import cart, message_id, order_state, recent
from engine.kernels.groups.contact_entry import KEPT
from engine.rulebook.directory import load
from engine.state.catalogue import BY_NAME
from engine.state.row_codec import blank
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import DAY, HOUR, MINUTE, SECOND, START, features
from tests.kernels.test_row import BESIDE
from tests.kernels.values import decoded

EVALUATOR = IndicatorEvaluator(load(Path(__file__).parents[2] / "rules"))
MOST = 30  # events; a row keeps 32
CALLS = range(Kind.CONTACT_STARTED, Kind.CONTACT_SURVEYED + 1)
CAME_IN = START + 60 * DAY

Row = NDArray[np.void]

TIMES = st.builds(
    lambda day, within: START + day * DAY + within,
    st.sampled_from([0, 0, 0, 1, 33]),
    st.one_of(
        st.integers(0, 3 * MINUTE),
        st.integers(0, 3).map(lambda number: number * SECOND),  # at one moment
        st.sampled_from([30 * MINUTE - 1, 30 * MINUTE, 30 * MINUTE + 1, HOUR]),
    ),
)
ITEMS, CATEGORIES = (st.sampled_from(["", *(f"{what} {i}" for i in range(4))]) for what in ("item", "category"))
PRICES = st.sampled_from([0.0, 0.005, 9.99, 20.0, 499.5])
BIT = st.integers(0, 1)
LINES = st.lists(
    st.builds(CartLine, ITEMS, st.sampled_from([300, 1_000, 2_500]), st.sampled_from([0, 999, 10_000])), max_size=3
).map(tuple)
WORDS = st.sampled_from(["", "one", "two"])
VALUES = st.sampled_from(["gold", "2.10", True, 7, 0.5, None])

BROWSED = st.sampled_from(
    [kind for kind in Kind if kind <= Kind.SHARED and not Kind.CART_ADDED <= kind <= Kind.CART_VIEWED]
)
BROWSING = st.builds(
    Event,
    st.just(1),
    BROWSED,
    TIMES,
    st.just(""),
    ITEMS,
    CATEGORIES,
    PRICES,
    order=st.just("first"),
    trust=BIT,
    anonymous=BIT,
)
CARTS = st.builds(
    Event,
    st.just(1),
    st.sampled_from(
        [Kind.CART_ADDED, Kind.CART_ADDED, Kind.CART_REMOVED, Kind.CART_VIEWED, Kind.CHECKOUT_STARTED]
    ),
    TIMES,
    st.just(""),
    ITEMS,
    CATEGORIES,
    PRICES,
    st.integers(0, 3),
    more=st.builds(More, thousandths=st.sampled_from([0, 0, 300]), lines=LINES),
)
CORRECTED = st.sampled_from(
    [Kind.ORDER_COMPLETED, Kind.ORDER_COMPLETED, Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED]
)
ORDERS = st.builds(
    Event,
    st.just(1),
    CORRECTED,
    TIMES,
    st.just(""),
    value=PRICES,
    order=st.sampled_from(["", "first", "second", "third"]),
    more=st.sampled_from([None, None, More(kind=int(Kind.ORDER_UPDATED))]),
)
CONTACTS = st.builds(
    Event,
    st.just(1),
    st.sampled_from(CALLS),
    TIMES,
    st.just(""),
    value=PRICES,
    contact=st.none()
    | st.builds(Contact, st.sampled_from(["a", "b", "c"]), st.integers(0, 4), WORDS, WORDS, WORDS),
)
SAID = st.builds(
    Event,
    st.just(1),
    st.just(int(Kind.IDENTIFIED)),
    TIMES,
    st.just(""),
    more=st.builds(
        More,
        kind=st.sampled_from([0, int(Kind.TRAITS_SET)]),
        traits=st.builds(
            Traits, st.integers(0, 2), WORDS, st.dictionaries(st.sampled_from(["plan", "age"]), VALUES)
        ),
    ),
)


def numbered(events: Sequence[Event]) -> list[bytes]:
    """As records, each under an id of its own."""
    named = (msgspec.structs.replace(event, id=f"event {place}") for place, event in enumerate(events))
    return [msgspec.msgpack.encode(event) for event in sorted(named, key=lambda event: event.at)]


def fits(events: Sequence[Event]) -> bool:
    """Whether a row keeps every contact, order and change of the cart."""
    contacts = [event.contact.id if event.contact else None for event in events if event.kind in CALLS]
    nameless, named = contacts.count(None), len({*contacts} - {None})
    orders = sum(event.kind == Kind.ORDER_COMPLETED for event in events)
    changes = [event for event in events if event.kind in (Kind.CART_ADDED, Kind.CART_REMOVED)]
    changed = sum(len(event.more.lines) or 1 for event in changes if event.more)
    return nameless + named <= KEPT and orders <= order_state.ORDERS and changed <= cart.CHANGES


HISTORIES = st.lists(st.one_of(BROWSING, CARTS, ORDERS, CONTACTS, SAID), max_size=MOST).filter(fits).map(numbered)


def folded(values: Sequence[bytes], into: Row | None = None) -> Row:
    """A row after these records, read and applied as one batch."""
    rows = blank(1) if into is None else into
    if values:
        columns = decoded(values, CAME_IN)
        assert not columns["status"].any()
        outcomes, _ = EVALUATOR.advance(rows, np.zeros(len(values), np.int32), columns, b"".join(values))
        assert set(outcomes.tolist()) <= {APPLIED, DUPLICATE}
    return rows


def assert_same(one: Row, other: Row) -> None:
    names = set(layout.ROW.names or ()) - BESIDE
    assert [name for name in names if one[name].tobytes() != other[name].tobytes()] == []
    last = int(one["life_last_at"][0])
    for now in (last, last + 31 * MINUTE, last + DAY):
        found, wanted = features(one, now), features(other, now)
        assert [name for name in BY_NAME if not np.array_equal(found[name], wanted[name], equal_nan=True)] == []


@given(HISTORIES, st.data())
def test_any_order_any_batches_and_repeats_change_nothing(values: list[bytes], data: st.DataObject) -> None:
    arrived = data.draw(st.permutations(values))
    arrived += arrived[: data.draw(st.integers(0, len(values)))]  # within the 32 ids that a row knows
    cut = data.draw(st.integers(0, len(arrived)))
    assert_same(folded(arrived[cut:], folded(arrived[:cut])), folded(values))


@given(HISTORIES, st.data())
def test_two_ids_that_are_linked_at_any_moment_are_one_customer(values: list[bytes], data: st.DataObject) -> None:
    arrived = data.draw(st.permutations(values))
    link = data.draw(st.integers(0, len(arrived)))
    of_one = data.draw(st.lists(st.booleans(), min_size=link, max_size=link))
    one, other = (
        folded([value for value, side in zip(arrived[:link], of_one, strict=True) if side is which])
        for which in (True, False)
    )
    before = other.tobytes()
    layout.join(one[0], other[0])
    assert other.tobytes() == before
    assert_same(folded(arrived[link:], one), folded(values))


def test_a_row_keeps_the_events_of_a_history() -> None:
    assert recent.RECENT >= MOST
    assert message_id.IDS >= MOST
