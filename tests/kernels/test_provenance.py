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
from engine.kernels.provenance import ANONYMOUS, NEW_CART, SIGNED, is_signed, provenance_at
from engine.kernels.row_limits import SESSION_GAP_MS as GAP
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import HOUR, MINUTE, NOTHING, SECOND, START, Happening, columns, rulebook, run

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
    """The flags at the last activity, from the whole list, by their definitions."""
    active = [e for e in events if e.kind != Kind.ORDER_COMPLETED]
    flags = ANONYMOUS * all(e.anonymous for e in events)
    if not active:
        return flags
    start = max(i for i, e in enumerate(active) if i == 0 or e.at - active[i - 1].at > GAP)
    began = active[start].at
    flags |= SIGNED * all(e.signed for e in events if e.at >= began)
    held, changed, ordered, new = 0, 0, 0, False
    for event in events:
        new |= event.at >= began and held == 0
        held += event.quantity * (event.kind == Kind.CART_ADDED)
        held -= min(held, event.quantity * (event.kind == Kind.CART_REMOVED))
        if event.kind == Kind.ORDER_COMPLETED:
            held, ordered = 0, event.at
        changed = event.at if event.kind in (*CARTS, Kind.ORDER_COMPLETED) else changed
    return flags | NEW_CART * ((new or held == 0 or ordered >= began) and changed >= began)


def flags_of(rows: np.ndarray) -> int:
    row = rows[0]
    return int(provenance_at(row, max(int(row["session_last"]), 1), is_signed(row)))


def known(events: Sequence[Happening]) -> bool:
    """Whether all changes of the cart are kept each for itself."""
    return sum(e.kind in CARTS for e in events) <= 8


@settings(deadline=None, max_examples=300)
@given(st.lists(happenings, min_size=1, max_size=40).map(stream).filter(known), st.data())
def test_flags_are_what_a_recount_of_the_events_gives(events: list[Happening], data: st.DataObject) -> None:
    right = recount(events)
    assert flags_of(run(NOTHING, events)[0]) == right
    assert flags_of(run(NOTHING, data.draw(st.permutations(events)))[0]) == right


@settings(deadline=None, max_examples=100)
@given(st.lists(happenings, min_size=1, max_size=40).map(stream))
def test_of_more_changes_than_are_kept_the_answer_is_the_careful_one(events: list[Happening]) -> None:
    right, got = recount(events), flags_of(run(NOTHING, events)[0])
    assert got | NEW_CART == right | NEW_CART
    assert got & NEW_CART <= right & NEW_CART


def test_a_newcomers_cart_is_new_however_often_it_changed() -> None:
    assert flags_after(*(added(START + i, 1 + i) for i in range(20))) & NEW_CART


def view(at: int, number: int, **flags: int) -> Happening:
    return Happening(at, Kind.PAGE_VIEWED, number, **flags)


def flags_after(*events: Happening) -> int:
    return flags_of(run(NOTHING, events)[0])


def test_an_id_that_was_ever_a_users_is_never_anonymous_again() -> None:
    strangers = [view(START + i, 1 + i, anonymous=1) for i in range(3)]
    assert flags_after(*strangers) & ANONYMOUS
    assert (
        not flags_after(*strangers, view(START + 9, 9), *(replace(e, id=e.id + 50) for e in strangers)) & ANONYMOUS
    )
    assert not flags_after(view(START, 9), *strangers) & ANONYMOUS


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
    late = added(START - GAP - 1, 2)
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
