"""Rows after a stream of events against a plain recount from the list of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.events import Kind
from engine.kernels import row as layout
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.groups.message_id import IDS
from engine.kernels.timers import CALLED
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOTHING,
    SECOND,
    START,
    Happening,
    columns,
    features,
    rulebook,
    run,
)
from tests.kernels.oracle import ABOUT_CARTS, bounded, recount

happenings = st.builds(
    Happening,
    st.just(0),
    st.sampled_from(
        [
            Kind.PAGE_VIEWED,
            Kind.ITEM_VIEWED,
            Kind.ITEM_VIEWED,
            Kind.SEARCHED,
            Kind.REVIEW_READ,
            Kind.CART_ADDED,
            Kind.CART_REMOVED,
            Kind.ORDER_COMPLETED,
            Kind.CONTACT_STARTED,
            Kind.CONTACT_ENDED,
            Kind.CONTACT_QUEUED,
            Kind.CONTACT_ABANDONED,
            Kind.OTHER,
        ]
    ),
    st.integers(1, 2**20 - 1).map(
        lambda number: number << 44 | number
    ),  # as hashes: no two alike in their upper bits
    st.integers(0, 6),
    st.integers(0, 20),
    st.integers(0, 100).map(float),
    st.integers(0, 3),
    st.sampled_from([0, 0, 7, 8]),
    contact=st.sampled_from([0, 0, 5 << 44, 6 << 44]),
)
gaps = st.sampled_from(
    [1, 900, 5 * SECOND, 9 * SECOND, 40 * SECOND, 4 * MINUTE, 29 * MINUTE, 31 * MINUTE, 7 * HOUR, DAY]
)


@st.composite
def streams(draw: st.DrawFn) -> list[Happening]:
    events, at, seen = [], START, set()
    for event in draw(st.lists(happenings, min_size=1, max_size=60)):
        at += draw(gaps)
        if event.id not in seen:
            seen.add(event.id)
            events.append(replace(event, at=at))
    return events


@settings(deadline=None, max_examples=300)
@given(streams(), st.sampled_from([0, 1, 3 * MINUTE, 29 * MINUTE, 40 * MINUTE, 3 * HOUR, 5 * DAY, 40 * DAY]))
def test_features_are_what_a_recount_of_the_events_gives(events: list[Happening], later: int) -> None:
    rows, _ = run(NOTHING, events)
    now = events[-1].at + later
    got, expected = features(rows, now), recount(events, now)
    assert set(got) == set(expected)
    forgotten = tuple(bounded(events))
    for name, value in expected.items():
        if name.startswith(forgotten):
            continue
        np.testing.assert_allclose(got[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


EVALUATOR = IndicatorEvaluator(
    rulebook(
        busy="session.bursts >= 1",
        left="cart.items > 0 and cart.idle_seconds >= 900",
        quiet="idle.seconds > 120 and customer.events >= 3",
        twice="contact.hours_between < 24",
    )
)


@settings(deadline=None, max_examples=200)
@given(streams(), st.data())
def test_how_events_are_batched_changes_nothing(events: list[Happening], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(events) - 1, 1)), max_size=6)) - {len(events)})
    once, activated = run(EVALUATOR, events)
    parts, activated_in_parts = run(EVALUATOR, events, cuts)
    assert once.tobytes() == parts.tobytes()
    assert activated == activated_in_parts


def what(activations: NDArray[np.void]) -> list[list[object]]:
    """All fields of each; bytes between them mean nothing."""
    return [[record[name].tobytes() for name in activations.dtype.names or ()] for record in activations]


@settings(deadline=None, max_examples=200)
@given(streams(), st.data())
def test_customers_mixed_in_a_batch_are_as_if_each_event_came_alone(
    events: list[Happening], data: st.DataObject
) -> None:
    """And what becomes active does so in the order of the events, whosever they are."""
    slots = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(events), max_size=len(events))), np.int32)
    together, apart, batch = np.zeros(4, layout.ROW), np.zeros(4, layout.ROW), columns(events)
    outcomes, activations = EVALUATOR.advance(together, slots, batch)
    one_by_one: list[list[object]] = []
    for place in range(len(events)):
        _, found = EVALUATOR.advance(apart, slots[place : place + 1], batch[place : place + 1])
        found["event"][found["event"] >= 0] += place
        one_by_one += what(found)
    assert together.tobytes() == apart.tobytes()
    assert what(activations) == one_by_one
    assert outcomes.tolist() == [APPLIED] * len(events)


def test_more_activations_than_fit_at_once_are_in_the_order_of_their_events() -> None:
    evaluator = IndicatorEvaluator(rulebook(**{f"i{number}": "customer.events >= 2" for number in range(20)}))
    customers = 200
    slots = np.tile(np.arange(customers, dtype=np.int32)[::-1], 2)
    events = [Happening(START + place, Kind.PAGE_VIEWED, place + 1) for place in range(2 * customers)]
    _, activations = evaluator.advance(np.zeros(customers, layout.ROW), slots, columns(events))
    assert activations["event"].tolist() == [place for place in range(customers, 2 * customers) for _ in range(20)]
    assert activations["indicator"].tolist() == [*range(20)] * customers
    assert activations["slot"].tolist() == slots[activations["event"]].tolist()


@settings(deadline=None, max_examples=200)
@given(streams(), st.data())
def test_timers_that_fire_on_time_change_nothing(events: list[Happening], data: st.DataObject) -> None:
    """Looking at the row between events, as the worker's timers do, activates the same at the same times."""
    together, activated = run(EVALUATOR, events)
    rows, slots = np.zeros(1, layout.ROW), np.zeros(1, np.int32)
    apart: list[tuple[int, int]] = []
    for event, after in zip(events, [*events[1:], None], strict=True):
        _, activations = EVALUATOR.advance(rows, slots, columns([event]))
        apart += [(int(r["indicator"]), int(r["at"])) for r in activations]
        until = data.draw(st.integers(event.at, after.at - 1)) if after else event.at
        activations = EVALUATOR.fire(rows, slots, until)
        apart += [(int(r["indicator"]), int(r["at"])) for r in activations]
    assert apart == activated
    assert rows.tobytes() == together.tobytes()


A_REPEATED_ORDER = [
    Happening(START + 1, Kind.ORDER_COMPLETED, 1, order=7),
    Happening(START + 2, Kind.CART_ADDED, 2),
    Happening(START + 3, Kind.ORDER_COMPLETED, 3, order=7),
    Happening(START + HOUR, Kind.PAGE_VIEWED, 4),
]


@settings(deadline=None, max_examples=200)
@given(streams())
@example(A_REPEATED_ORDER)
def test_an_indicator_is_activated_when_it_holds_and_did_not_before(events: list[Happening]) -> None:
    """Oracle: evaluate the recounted features after every event, and at every second of silence in between."""
    evaluator = IndicatorEvaluator(
        rulebook(busy="session.bursts >= 1", left="cart.items > 0 and cart.idle_seconds >= 900")
    )
    _, activated = run(evaluator, events)
    expected, stood = [], [False, False]
    for i, event in enumerate(events):
        moments = [event.at]
        changed = [e.at for e in events[: i + 1] if e.kind in ABOUT_CARTS]
        if changed and event.at < changed[-1] + 900 * SECOND and i + 1 < len(events):
            moments += [changed[-1] + 900 * SECOND] if changed[-1] + 900 * SECOND < events[i + 1].at else []
        for now in moments:
            f = recount(events[: i + 1], now)
            holds = [f["session.bursts"] >= 1, f["cart.items"] > 0 and f["cart.idle_seconds"] >= 900]
            expected += [(k, now) for k in range(2) if holds[k] and not stood[k]]
            stood = holds
    assert activated == expected


def test_a_silence_is_due_at_the_millisecond_its_threshold_is_met() -> None:
    rows, slots, scheduled = np.zeros(1, layout.ROW), np.zeros(1, np.int32), np.zeros(1, np.int64)
    EVALUATOR.advance(rows, slots, columns([Happening(START, Kind.CART_ADDED, 7, value=10.0)]))
    assert EVALUATOR.timers(rows, slots, scheduled).tolist() == [True]
    assert scheduled[0] == START + 900 * SECOND
    assert len(EVALUATOR.fire(rows, slots, START + 900 * SECOND - 1)) == 0
    activations = EVALUATOR.fire(rows, slots, START + 900 * SECOND)
    assert [(int(r["indicator"]), int(r["at"])) for r in activations] == [(1, START + 900 * SECOND)]
    scheduled[0] = CALLED
    assert EVALUATOR.timers(rows, slots, scheduled).tolist() == [True]
    assert scheduled[0] == 0


def test_a_timer_that_is_set_early_is_moved_only_when_it_fires() -> None:
    rows, slots, scheduled = np.zeros(1, layout.ROW), np.zeros(1, np.int32), np.zeros(1, np.int64)
    EVALUATOR.advance(rows, slots, columns([Happening(START, Kind.CART_ADDED, 7, value=10.0)]))
    EVALUATOR.timers(rows, slots, scheduled)
    EVALUATOR.advance(rows, slots, columns([Happening(START + 60 * SECOND, Kind.CART_ADDED, 8, value=10.0)]))
    assert EVALUATOR.timers(rows, slots, scheduled).tolist() == [False]
    assert scheduled[0] == START + 900 * SECOND
    assert len(EVALUATOR.fire(rows, slots, START + 900 * SECOND)) == 0
    scheduled[0] = CALLED
    assert EVALUATOR.timers(rows, slots, scheduled).tolist() == [True]
    assert scheduled[0] == START + 960 * SECOND


def test_a_repeat_among_the_last_ids_is_dropped_and_changes_nothing() -> None:
    rows, slots = np.zeros(1, layout.ROW), np.zeros(IDS, np.int32)
    first = columns([Happening(START + i, Kind.PAGE_VIEWED, 100 + i) for i in range(IDS)])
    outcomes, _ = EVALUATOR.advance(rows, slots, first)
    assert set(outcomes) == {APPLIED}
    before = rows.tobytes()
    outcomes, _ = EVALUATOR.advance(rows, slots, first)
    assert set(outcomes) == {DUPLICATE}
    assert rows.tobytes() == before


def test_more_activations_than_the_buffer_holds_are_all_returned() -> None:
    names = {f"n{i}": "customer.events >= 1" for i in range(20)}
    evaluator = IndicatorEvaluator(rulebook(**names))
    customers = 400
    rows = np.zeros(customers, layout.ROW)
    events = columns([Happening(START, Kind.PAGE_VIEWED, 1 + i) for i in range(customers)])
    outcomes, activations = evaluator.advance(rows, np.arange(customers, dtype=np.int32), events)
    assert set(outcomes) == {APPLIED}
    assert [(int(r["slot"]), int(r["indicator"])) for r in activations] == [
        (c, i) for c in range(customers) for i in range(20)
    ]


def test_a_late_event_activates_nothing_again() -> None:
    """`left` was activated in silence; an event of before that, which ends no silence, must not repeat it."""
    rows, slots = np.zeros(1, layout.ROW), np.zeros(1, np.int32)
    cart = Happening(START, Kind.CART_ADDED, 7, value=10.0)
    EVALUATOR.advance(rows, slots, columns([cart]))
    assert len(EVALUATOR.fire(rows, slots, START + 1_000 * SECOND)) == 1
    _, activations = EVALUATOR.advance(rows, slots, columns([Happening(START - 1, Kind.PAGE_VIEWED, 8)]))
    assert len(activations) == 0
    assert len(EVALUATOR.fire(rows, slots, START + 2_000 * SECOND)) == 0
    _, activations = EVALUATOR.advance(rows, slots, columns([Happening(START + HOUR, Kind.PAGE_VIEWED, 9)]))
    assert len(activations) == 0
    assert features(rows, START + HOUR)["cart.items"] == 1


@settings(deadline=None, max_examples=100)
@given(streams(), st.data())
def test_in_any_order_a_row_is_a_recount_and_nothing_is_evaluated_backwards(
    events: list[Happening], data: st.DataObject
) -> None:
    events = events[:32]
    rows, activated = run(EVALUATOR, data.draw(st.permutations(events)))
    got, expected = features(rows, events[-1].at), recount(events, events[-1].at)
    forgotten = (*bounded(events), *(["cart."] if changes(events) > 8 else []))
    for name, value in expected.items():
        if not name.startswith(forgotten):
            np.testing.assert_allclose(got[name], value, rtol=1e-9, atol=1e-9, err_msg=name)
    for k in range(len(EVALUATOR.rulebook.indicators)):
        moments = [at for indicator, at in activated if indicator == k]
        assert moments == sorted(moments)


def changes(events: Sequence[Happening]) -> int:
    return sum(event.kind in (Kind.CART_ADDED, Kind.CART_REMOVED) for event in events)


def test_late_events_count_where_they_belong_and_reset_nothing() -> None:
    events = [Happening(START + HOUR, Kind.ITEM_VIEWED, 1, item=1, value=5.0)]
    rows, _ = run(NOTHING, [*events, Happening(START, Kind.ITEM_VIEWED, 2, item=2, value=9.0)])
    got = features(rows, START + HOUR)
    assert got["session.items"] == 1
    assert got["session.number"] == 2
    assert got["customer.events"] == 2
    assert got["events.count_24h"] == 2
    assert got["idle.seconds"] == 0
