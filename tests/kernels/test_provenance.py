"""Who named a customer, who vouches for a session, what of the cart is of it: rows against a recount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.events import Kind
from engine.kernels import row as layout
from engine.kernels.evaluate import ACTIVATION
from engine.kernels.provenance import ANONYMOUS, NEW_CART, SIGNED
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import HOUR, MINUTE, NOTHING, SECOND, START, Happening, columns, rulebook, run

GAP = layout.SESSION_GAP_MS
CARTS = (Kind.CART_ADDED, Kind.CART_REMOVED)

happenings = st.builds(
    Happening,
    st.sampled_from(
        [1, 40 * SECOND, 29 * MINUTE, GAP, GAP + 1, 7 * HOUR]
    ),  # as gaps; `stream` makes times of them
    st.sampled_from([Kind.PAGE_VIEWED, Kind.CART_ADDED, Kind.CART_ADDED, Kind.CART_REMOVED, Kind.ORDER_COMPLETED]),
    st.integers(1, 2**63),
    quantity=st.integers(0, 3),
    value=st.just(1.0),
    signed=st.sampled_from([0, 1, 1, 1]),
    anonymous=st.sampled_from([0, 1, 1, 1, 1, 1]),
)


def stream(gaps: Sequence[Happening]) -> list[Happening]:
    """`gaps` with times for their gaps, each id once."""
    at, made = START, dict[int, Happening]()
    for event in gaps:
        at += event.at
        made.setdefault(event.id, replace(event, at=at))
    return list(made.values())


def recount(events: Sequence[Happening]) -> int:
    """The flags, from the whole list, by their definitions."""
    start = max(i for i, e in enumerate(events) if i == 0 or e.at - events[i - 1].at > GAP)
    pieces: list[bool] = []  # in the cart, each whether it is of the session
    old = False  # something of before is, or was since the cart was last empty
    for i, event in enumerate(events):
        if event.kind == Kind.CART_ADDED:
            old = old and bool(pieces)
            pieces += [i >= start] * event.quantity
        elif event.kind == Kind.CART_REMOVED:
            del pieces[max(len(pieces) - event.quantity, 0) :]
        elif event.kind == Kind.ORDER_COMPLETED:
            pieces = []
        old = old or not all(pieces)
    flags = ANONYMOUS * all(e.anonymous for e in events)
    flags |= SIGNED * all(e.signed for e in events[start:])
    return flags | NEW_CART * (bool(pieces) and not old)


@settings(deadline=None, max_examples=300)
@given(st.lists(happenings, min_size=1, max_size=40).map(stream))
def test_flags_are_what_a_recount_of_the_events_gives(events: list[Happening]) -> None:
    rows, _ = run(NOTHING, events)
    flags = int(rows["provenance"][0])
    if not rows["cart_items"][0]:
        flags &= ~NEW_CART  # of an empty cart it says nothing
    assert flags == recount(events)


@settings(deadline=None, max_examples=100)
@given(st.lists(happenings, min_size=1, max_size=20).map(stream), st.data())
def test_in_any_order_one_user_and_one_unsigned_event_of_the_session_are_enough(
    events: list[Happening], data: st.DataObject
) -> None:
    rows, _ = run(NOTHING, data.draw(st.permutations(events)))
    flags = int(rows["provenance"][0])
    assert bool(flags & ANONYMOUS) == all(e.anonymous for e in events)
    started = int(rows["session_started"][0])
    if not all(e.signed for e in events if e.at >= started):
        assert not flags & SIGNED


def view(at: int, number: int, **flags: int) -> Happening:
    return Happening(at, Kind.PAGE_VIEWED, number, **flags)


def flags_after(*events: Happening) -> int:
    return int(run(NOTHING, events)[0]["provenance"][0])


def test_an_id_that_was_ever_a_users_is_never_anonymous_again() -> None:
    strangers = [view(START + i, 1 + i, anonymous=1) for i in range(3)]
    assert flags_after(*strangers) & ANONYMOUS
    assert (
        not flags_after(*strangers, view(START + 9, 9), *(replace(e, id=e.id + 50) for e in strangers)) & ANONYMOUS
    )
    assert not flags_after(view(START, 9), *strangers) & ANONYMOUS


def test_a_row_of_before_counts_as_a_users() -> None:
    """Its byte is 0, and it has events."""
    rows = np.zeros(1, layout.ROW)
    rows["events"] = 1
    NOTHING.advance(rows, np.zeros(1, np.int32), columns([view(START, 1, anonymous=1)]))
    assert not rows["provenance"][0] & ANONYMOUS


def test_events_of_before_leave_the_byte_as_it_was() -> None:
    events = [view(START + i * 20 * MINUTE, 1 + i) for i in range(5)]
    assert flags_after(*events) == 0


@pytest.mark.parametrize(("late", "signed"), [(START - 1, 0), (START - 1, 1), (START, 0), (START, 1)])
def test_a_late_unsigned_event_makes_the_session_unsigned(late: int, signed: int) -> None:
    first, second = view(START, 1, signed=1), view(late, 2, signed=signed)
    assert bool(flags_after(first, second) & SIGNED) == bool(signed)


def test_a_session_is_not_signed_again_by_its_second_event() -> None:
    for second in (START, START + 1, START - 1):
        assert not flags_after(view(START, 1), view(second, 2, signed=1)) & SIGNED
    assert flags_after(view(START, 1), view(START + GAP + 1, 2, signed=1)) & SIGNED
    assert not flags_after(view(START, 1), view(START + GAP, 2, signed=1)) & SIGNED


def added(at: int, number: int, pieces: int = 1) -> Happening:
    return Happening(at, Kind.CART_ADDED, number, value=5.0, quantity=pieces)


def test_a_cart_is_of_the_session_in_which_it_was_begun() -> None:
    assert flags_after(added(START, 1)) & NEW_CART
    assert not flags_after(added(START, 1), view(START + GAP + 1, 2)) & NEW_CART
    assert not flags_after(added(START, 1), added(START + GAP + 1, 2)) & NEW_CART
    assert flags_after(added(START, 1), added(START + GAP, 2)) & NEW_CART
    removed = Happening(START + GAP + 1, Kind.CART_REMOVED, 2)
    assert flags_after(added(START, 1), removed, added(START + GAP + 2, 3)) & NEW_CART


def test_what_was_put_into_the_cart_before_the_session_and_comes_late_makes_it_old() -> None:
    late = added(START - 1, 2)
    assert not flags_after(added(START, 1), late) & NEW_CART
    assert not flags_after(view(START, 1), late) & NEW_CART


def test_a_quantity_of_none_begins_no_cart() -> None:
    first = added(START, 1, pieces=2)
    assert not flags_after(first, added(START + GAP + 1, 2, pieces=0)) & NEW_CART


EVERY = IndicatorEvaluator(
    rulebook(
        left="cart.items > 0 and cart.idle_seconds >= 900", gone="idle.seconds >= 3600", more="session.pages > 1"
    )
)

GONE, LEFT, MORE = range(3)


def activated(*events: Happening, until: int = 0) -> list[tuple[int, int, int]]:
    """Indicator, moment and flags of what `events`, and silence up to `until`, activate."""
    rows, slots, batch = np.zeros(1, layout.ROW), np.zeros(len(events), np.int32), columns(events)
    _, found = EVERY.advance(rows, slots, batch)
    quiet = EVERY.fire(rows, slots[:1], until) if until else np.zeros(0, ACTIVATION)
    return [
        tuple(int(one[name]) for name in ("indicator", "at", "provenance"))  # type: ignore[misc]
        for one in [*found, *quiet]
    ]


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("before", [0, 1])
def test_a_moment_is_signed_when_its_event_is(before: int, signed: int) -> None:
    one, two = view(START, 1, signed=before, anonymous=1), view(START + 1, 2, signed=signed, anonymous=1)
    assert activated(one, two) == [(MORE, START + 1, ANONYMOUS | SIGNED * signed)]


@pytest.mark.parametrize(("signed", "flag"), [((1, 1), SIGNED), ((1, 0), 0), ((0, 1), 0), ((0, 0), 0)])
def test_silence_is_signed_when_the_whole_session_was(signed: tuple[int, int], flag: int) -> None:
    cart = replace(added(START, 1), signed=signed[0])
    again = replace(added(START + MINUTE, 2), signed=signed[1])
    due = START + 16 * MINUTE
    assert activated(cart, again, until=due) == [(LEFT, due, flag | NEW_CART)]


def test_in_silence_a_session_that_is_over_is_past() -> None:
    """The cart left is 15 minutes old, the visitor's absence an hour."""
    moments = activated(added(START, 1), until=START + 2 * HOUR)
    assert [(which, flags) for which, _, flags in moments] == [(LEFT, NEW_CART), (GONE, 0)]
