"""Rows after a stream of events against a plain recount from the list of events."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.events import Kind
from engine.kernels import row as layout
from engine.kernels.advance import APPLIED, DUPLICATE
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
    st.integers(1, 2**63),
    st.integers(0, 30),
    st.integers(0, 20),
    st.integers(0, 100).map(float),
    st.integers(0, 3),
    st.sampled_from([0, 0, 7, 8]),
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
            events.append(Happening(at, *list(vars(event).values())[1:]))
    return events


def sessions(events: Sequence[Happening]) -> list[list[Happening]]:
    parts: list[list[Happening]] = []
    for event in events:
        if not parts or event.at - parts[-1][-1].at > layout.SESSION_GAP_MS:
            parts.append([])
        parts[-1].append(event)
    return parts


def recount(events: Sequence[Happening], now: int) -> dict[str, float]:
    """The features, from the whole list, by their definitions."""
    parts = sessions(events)
    current = parts[-1] if now - parts[-1][-1].at <= layout.SESSION_GAP_MS else []
    views = [e for e in current if e.kind in (Kind.PAGE_VIEWED, Kind.ITEM_VIEWED, Kind.LIST_VIEWED)]
    items = [e for e in current if e.kind == Kind.ITEM_VIEWED]
    bursts, length = 0, 0
    for before, view in zip([None, *views], views, strict=False):
        length = length + 1 if before and view.at - before.at <= layout.BURST_GAP_MS else 1
        bursts += length == layout.BURST_VIEWS
    categories = list(dict.fromkeys(e.category for e in items if e.category))[: layout.SESSION_SET]
    top = Counter(e.category for e in items if e.category in categories)
    alone = 0
    for event in current:
        alone = 0 if event.kind == Kind.ITEM_VIEWED else alone + (event.kind == Kind.SEARCHED)
    out = {
        "session.seconds": (current[-1].at - current[0].at) / SECOND if current else 0.0,
        "session.events": len(current),
        "session.pages": len(views),
        "session.items": len(items),
        "session.distinct_items": min(len({e.item for e in items if e.item}), layout.SESSION_SET),
        "session.categories": len(categories),
        "session.top_category_views": max(top.values(), default=0),
        "session.bursts": bursts,
        "session.longest_pause": max((b.at - a.at for a, b in pairwise(current)), default=0) / SECOND,
        "session.reviews": sum(e.kind == Kind.REVIEW_READ for e in current),
        "session.searches": sum(e.kind == Kind.SEARCHED for e in current),
        "session.searches_alone": alone,
        "session.cart_adds": sum(e.kind == Kind.CART_ADDED for e in current),
        "session.max_price": max((e.value for e in items), default=0.0),
        "session.number": len(parts),
        "idle.seconds": (now - events[-1].at) / SECOND,
        "customer.events": len(events),
        "customer.days_known": (now - events[0].at) / DAY,
        "now.hour": now // HOUR % 24,
        "now.weekday": (now // DAY + 3) % 7,
    }
    for name, width, panes in (
        ("5m", 30 * SECOND, 10),
        ("1h", 5 * MINUTE, 12),
        ("24h", HOUR, 24),
        ("7d", DAY, 7),
        ("30d", DAY, 30),
    ):
        out[f"events.count_{name}"] = sum(now // width - e.at // width < panes for e in events)
    return {**out, **cart(events, now), **purchases(events, now), **contacts(events, now)}


def once(events: Sequence[Happening]) -> list[Happening]:
    """Without the orders that were repeated at once."""
    kept: list[Happening] = []
    last = 0
    for e in events:
        if e.kind != Kind.ORDER_COMPLETED or not e.order or e.order != last:
            kept.append(e)
        last = e.order if e.kind == Kind.ORDER_COMPLETED else last
    return kept


def cart(events: Sequence[Happening], now: int) -> dict[str, float]:
    pieces, value, changed = 0, 0.0, 0
    for e in once(events):
        if e.kind == Kind.CART_ADDED:
            pieces, value, changed = pieces + e.quantity, value + e.value * e.quantity, e.at
        elif e.kind == Kind.CART_REMOVED:
            pieces, value, changed = pieces - e.quantity, max(value - e.value * e.quantity, 0), e.at
            if pieces <= 0:
                pieces, value = 0, 0.0
        elif e.kind == Kind.ORDER_COMPLETED:
            pieces, value, changed = 0, 0.0, e.at
    idle = (now - changed) / SECOND if changed else math.nan
    return {"cart.items": pieces, "cart.value": value, "cart.idle_seconds": idle}


def purchases(events: Sequence[Happening], now: int) -> dict[str, float]:
    orders = [e for e in once(events) if e.kind == Kind.ORDER_COMPLETED]
    spans: list[float] = []
    count, last = 0, -math.inf
    for before, order in zip([None, *orders], orders, strict=False):
        line = before and before.order == order.order == 0 and order.at - last <= layout.ORDER_LINES_MS
        if not line:
            count += 1
            if count > 1:
                spans.append((order.at - last) / DAY)
        last = order.at
    value = sum(e.value for e in orders)
    return {
        "purchases.count": count,
        "purchases.value": value,
        "purchases.mean_value": value / count if count else math.nan,
        "purchases.days_since": (now - last) / DAY if orders else math.nan,
        "purchases.gap_mean": float(np.mean(spans)) if spans else math.nan,
        "purchases.gap_spread": float(np.std(spans, ddof=1)) if len(spans) > 1 else math.nan,
    }


def contacts(events: Sequence[Happening], now: int) -> dict[str, float]:
    starts = [e.at for e in events if e.kind == Kind.CONTACT_STARTED]
    calls = [e for e in events if e.kind in (Kind.CONTACT_STARTED, Kind.CONTACT_ENDED, Kind.CONTACT_ABANDONED)]
    return {
        "contact.count": len(starts),
        "contact.open": float(bool(calls) and calls[-1].kind == Kind.CONTACT_STARTED),
        "contact.hours_since": (now - calls[-1].at) / HOUR if calls else math.nan,
        "contact.hours_between": (starts[-1] - starts[-2]) / HOUR if len(starts) > 1 else math.nan,
    }


@settings(deadline=None, max_examples=300)
@given(streams(), st.sampled_from([0, 1, 3 * MINUTE, 29 * MINUTE, 40 * MINUTE, 3 * HOUR, 5 * DAY, 40 * DAY]))
def test_features_are_what_a_recount_of_the_events_gives(events: list[Happening], later: int) -> None:
    rows, _ = run(NOTHING, events)
    now = events[-1].at + later
    got, expected = features(rows, now), recount(events, now)
    assert set(got) == set(expected)
    for name, value in expected.items():
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
        carts = (Kind.CART_ADDED, Kind.CART_REMOVED, Kind.ORDER_COMPLETED)
        changed = [e.at for e in once(events[: i + 1]) if e.kind in carts]
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
    rows, slots = np.zeros(1, layout.ROW), np.zeros(layout.RECENT_IDS, np.int32)
    first = columns([Happening(START + i, Kind.PAGE_VIEWED, 100 + i) for i in range(layout.RECENT_IDS)])
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


def test_a_late_view_neither_extends_nor_breaks_a_burst() -> None:
    views = [Happening(START + at * SECOND, Kind.PAGE_VIEWED, 1 + at) for at in (0, 100, 102)]
    late, last = (
        Happening(START + 50 * SECOND, Kind.PAGE_VIEWED, 90),
        Happening(START + 104 * SECOND, Kind.PAGE_VIEWED, 91),
    )
    rows, _ = run(NOTHING, [*views, late, last])
    got = features(rows, last.at)
    assert (got["session.bursts"], got["session.pages"]) == (1, 5)


def test_a_late_view_does_not_make_the_searches_since_forgotten() -> None:
    events = [Happening(START, Kind.ITEM_VIEWED, 1), Happening(START + 9 * SECOND, Kind.SEARCHED, 2)]
    rows, _ = run(NOTHING, [*events, Happening(START + 5 * SECOND, Kind.ITEM_VIEWED, 3)])
    assert features(rows, START + 9 * SECOND)["session.searches_alone"] == 1


def test_an_order_that_arrives_late_leaves_what_was_put_into_the_cart_since() -> None:
    first, since = (Happening(START + at * MINUTE, Kind.CART_ADDED, 1 + at, value=8.0) for at in (0, 5))
    order = Happening(START + MINUTE, Kind.ORDER_COMPLETED, 90, value=8.0)
    rows, _ = run(NOTHING, [first, since, order])
    assert features(rows, since.at)["cart.items"] == 2  # better one too many than an empty cart
    rows, _ = run(NOTHING, [order, first, since])
    got = features(rows, since.at)
    assert (got["cart.items"], got["cart.value"], got["purchases.count"]) == (1, 8.0, 1)


def test_a_contact_whose_end_came_first_is_over() -> None:
    started = Happening(START, Kind.CONTACT_STARTED, 1)
    ended = Happening(START + MINUTE, Kind.CONTACT_ENDED, 2)
    again = Happening(START, Kind.CONTACT_STARTED, 3)
    for events in ([started, ended, again], [ended, started, again], [ended, again, started]):
        rows, _ = run(NOTHING, events)
        got = features(rows, START + MINUTE)
        assert got["contact.open"] == 0
        assert math.isnan(got["contact.hours_between"])


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
def test_in_any_order_counts_are_the_same_and_nothing_is_evaluated_backwards(
    events: list[Happening], data: st.DataObject
) -> None:
    events = [replace(event, order=0) for event in events]  # of a repeated order the first to come counts
    shuffled = data.draw(st.permutations(events))
    rows, activated = run(EVALUATOR, shuffled)
    got, expected = features(rows, events[-1].at), recount(events, events[-1].at)
    for name in ("customer.events", "purchases.value", "contact.count", "customer.days_known", "idle.seconds"):
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-9, err_msg=name)
    for k in range(len(EVALUATOR.rulebook.indicators)):
        moments = [at for indicator, at in activated if indicator == k]
        assert moments == sorted(moments)


def test_late_events_count_where_they_belong_and_reset_nothing() -> None:
    events = [Happening(START + HOUR, Kind.ITEM_VIEWED, 1, item=1, value=5.0)]
    rows, _ = run(NOTHING, [*events, Happening(START, Kind.ITEM_VIEWED, 2, item=2, value=9.0)])
    got = features(rows, START + HOUR)
    assert got["session.items"] == 1
    assert got["session.number"] == 1
    assert got["customer.events"] == 2
    assert got["events.count_24h"] == 2
    assert got["idle.seconds"] == 0
    assert rows["late"][0] == 1
