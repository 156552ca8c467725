"""Rows at the edges of what is counted: exactly there, one below, one above. Expected values are set by hand."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.events import Kind
from engine.kernels import decode
from engine.kernels import row as layout
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.groups.message_id import IDS
from engine.kernels.groups.recent import RECENT
from engine.state.catalogue import BY_NAME
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

GAP = 30 * MINUTE
WINDOWS = [
    ("5m", 30 * SECOND, 10),
    ("1m", 5 * SECOND, 12),
    ("1h", 150 * SECOND, 24),
    ("24h", HOUR, 24),
    ("7d", DAY, 7),
    ("30d", DAY, 30),
    ("52w", 28 * DAY, 13),
]


def after(events: Sequence[Happening], now: int) -> dict[str, float]:
    return features(run(NOTHING, events)[0], now)


def views(*times: int, kind: Kind = Kind.PAGE_VIEWED) -> list[Happening]:
    return [Happening(at, kind, 1 + number) for number, at in enumerate(times)]


@pytest.mark.parametrize(("gap", "number"), [(GAP - 1, 1), (GAP, 1), (GAP + 1, 2)])
def test_a_session_ends_after_half_an_hour_and_a_millisecond(gap: int, number: int) -> None:
    got = after(views(START, START + gap), START + gap)
    assert got["session.number"] == number
    assert got["session.events"] == 3 - number
    assert got["session.longest_pause"] == (gap / SECOND if number == 1 else 0)


@pytest.mark.parametrize(("idle", "events"), [(GAP - 1, 2), (GAP, 2), (GAP + 1, 0)])
def test_and_is_read_as_ended_then_too(idle: int, events: int) -> None:
    got = after(views(START, START + SECOND), START + SECOND + idle)
    assert got["session.events"] == events
    assert got["session.number"] == 1
    assert got["idle.seconds"] == idle / SECOND


def test_pauses_are_between_neighbours_whatever_comes_late() -> None:
    got = after(views(START, START + 50, START + 90, START + 20, START + 91), START + 91)
    assert got["session.longest_pause"] == 0.04
    assert got["session.seconds"] == 0.091


@pytest.mark.parametrize(("name", "width", "panes"), WINDOWS)
def test_a_late_event_counts_in_the_oldest_pane_of_a_window_and_not_before_it(
    name: str, width: int, panes: int
) -> None:
    now = START // width * width  # the first millisecond of the newest pane
    oldest = now - (panes - 1) * width
    counted = {late: after(views(now, late), now)[f"events.count_{name}"] for late in (oldest, oldest - 1)}
    assert counted == {oldest: 2, oldest - 1: 1}


@pytest.mark.parametrize(("name", "width", "panes"), WINDOWS)
def test_an_event_leaves_a_window_with_its_pane(name: str, width: int, panes: int) -> None:
    at = START // width * width
    leaves = at + panes * width
    key = f"events.count_{name}"
    assert [after(views(at), now)[key] for now in (at, leaves - 1, leaves)] == [1, 1, 0]
    # also when other events come meanwhile, or only as it leaves
    assert after(views(at, leaves - 1), leaves - 1)[key] == 2
    assert after(views(at, leaves), leaves)[key] == 1
    assert after(views(at, leaves + 3 * width), leaves + 3 * width)[key] == 1


@pytest.mark.parametrize(("name", "width", "panes"), WINDOWS)
def test_a_window_slides_pane_by_pane(name: str, width: int, panes: int) -> None:
    first = START // width
    times = [(first + pane) * width + pane for pane in range(70)]
    for seen in (1, 2, panes - 1, panes, panes + 1, 2 * panes, 2 * panes + 1, 69, 70):
        now = times[seen - 1]
        assert after(views(*times[:seen]), now)[f"events.count_{name}"] == min(seen, panes)
        assert after(views(*times[:seen]), now + 2 * width)[f"events.count_{name}"] == min(seen, panes - 2)


@pytest.mark.parametrize("width", ["5s", "30s", "150s", "1h", "1d", "4w"])
def test_a_full_pane_stays_full(width: str) -> None:
    rows, _ = run(NOTHING, views(START))
    field = rows[f"window_{width}"][0, 0]
    newest = int(np.flatnonzero(field)[0])
    field[newest] = 0xFFFE
    for event in views(START, START, START)[1:]:
        NOTHING.advance(rows, np.zeros(1, np.int32), columns([event]))
        assert field[newest] == 0xFFFF


COUNTERS = [
    (Kind.SEARCHED, "session_searches"),
    (Kind.SEARCHED, "session_searches_alone"),
    (Kind.REVIEW_READ, "session_reviews"),
    (Kind.CART_ADDED, "session_cart_adds"),
]


@pytest.mark.parametrize(("kind", "field"), COUNTERS)
def test_a_counter_of_two_bytes_ends_at_the_largest_it_can_hold(kind: Kind, field: str) -> None:
    rows, _ = run(NOTHING, views(START))
    rows[field] = 0xFFFE
    for number, event in enumerate(views(START, START, START, kind=kind)[1:]):
        NOTHING.advance(rows, np.zeros(1, np.int32), columns([event]))
        assert rows[field][0] == 0xFFFF, number


@pytest.mark.parametrize(("gap", "bursts"), [(10 * SECOND - 1, 1), (10 * SECOND, 1), (10 * SECOND + 1, 0)])
def test_views_ten_seconds_apart_are_a_burst(gap: int, bursts: int) -> None:
    times = [START, START + gap, START + 2 * gap]
    assert after(views(*times), times[-1])["session.bursts"] == bursts


@pytest.mark.parametrize(("count", "bursts"), [(1, 0), (2, 0), (3, 1), (4, 1), (6, 1)])
def test_a_burst_is_counted_once_at_its_third_view(count: int, bursts: int) -> None:
    times = [START + number * SECOND for number in range(count)]
    assert after(views(*times), times[-1])["session.bursts"] == bursts


def test_after_a_pause_a_second_burst_is_counted() -> None:
    times = [START + at * SECOND for at in (0, 1, 2, 13, 14, 15)]
    got = after(views(*times), times[-1])
    assert (got["session.bursts"], got["session.pages"]) == (2, 6)


@pytest.mark.parametrize(("late", "bursts"), [(11 * SECOND, 1), (11 * SECOND + 1, 0)])
def test_a_view_that_is_late_by_no_more_than_the_gap_belongs_to_the_burst(late: int, bursts: int) -> None:
    last = START + MINUTE
    assert after(views(START, last - SECOND, last, last - late), last)["session.bursts"] == bursts


def test_sixteen_items_and_categories_are_distinguished() -> None:
    def item(number: int, of: int) -> Happening:
        return Happening(START + number, Kind.ITEM_VIEWED, 1 + number, item=of, category=of, value=float(of))

    for distinct in (1, 15, 16, 17, 20):
        events = [item(number, number + 1) for number in range(distinct)]
        events += [item(distinct + number, distinct) for number in range(3)]
        got = after(events, START + MINUTE)
        assert got["session.distinct_items"] == got["session.categories"] == min(distinct, 16)
        assert got["session.top_category_views"] == (4 if distinct <= 16 else 1)
        assert got["session.items"] == distinct + 3
        assert got["session.max_price"] == distinct


def test_an_item_without_a_name_or_category_is_a_view_only() -> None:
    got = after(views(START, START + 1, kind=Kind.ITEM_VIEWED), START + 1)
    assert (got["session.items"], got["session.distinct_items"], got["session.categories"]) == (2, 0, 0)


CART = Happening(START, Kind.CART_ADDED, 1, value=8.0, quantity=3)


@pytest.mark.parametrize(("pieces", "left", "value"), [(2, 1, 14.0), (3, 0, 0.0), (4, 0, 0.0)])
def test_a_cart_is_empty_when_as_many_are_taken_out_as_were_put_in(pieces: int, left: int, value: float) -> None:
    out = Happening(START + MINUTE, Kind.CART_REMOVED, 2, value=5.0, quantity=pieces)
    got = after([CART, out], START + 2 * MINUTE)
    assert (got["cart.items"], got["cart.value"]) == (left, value)
    assert got["cart.idle_seconds"] == 60 if left else math.isnan(got["cart.idle_seconds"])


def test_a_carts_value_does_not_fall_below_nothing() -> None:
    out = Happening(START + 1, Kind.CART_REMOVED, 2, value=20.0, quantity=2)
    got = after([CART, out], START + 1)
    assert (got["cart.items"], got["cart.value"]) == (1, 0.0)


@pytest.mark.parametrize(("later", "items", "idle"), [(-1, 3, 60), (0, 0, math.nan), (1, 0, math.nan)])
def test_an_order_in_the_millisecond_of_the_last_cart_change_has_what_is_in_the_cart(
    later: int, items: int, idle: float
) -> None:
    order = Happening(START + later, Kind.ORDER_COMPLETED, 2, value=24.0)
    got = after([CART, order], START + MINUTE)
    assert (got["cart.items"], got["cart.value"]) == (items, 8.0 * items)
    assert got["cart.idle_seconds"] == pytest.approx(idle, nan_ok=True)
    assert got["purchases.count"] == 1


@pytest.mark.parametrize(("later", "items"), [(-1, 0), (0, 0), (1, 3)])
def test_what_was_put_into_the_cart_before_an_order_is_in_it_to_the_millisecond(later: int, items: int) -> None:
    order = Happening(START - later, Kind.ORDER_COMPLETED, 2)
    assert after([order, CART], START + MINUTE)["cart.items"] == items


@pytest.mark.parametrize(
    ("gap", "count"), [(-MINUTE - 1, 2), (-MINUTE, 1), (MINUTE - 1, 1), (MINUTE, 1), (MINUTE + 1, 2)]
)
def test_orders_without_an_id_a_minute_apart_are_lines_of_one(gap: int, count: int) -> None:
    first, second = (Happening(at, Kind.ORDER_COMPLETED, at % DAY, value=5.0) for at in (START, START + gap))
    got = after([first, second], START + 2 * MINUTE)
    assert (got["purchases.count"], got["purchases.value"]) == (count, 10.0)
    assert got["purchases.days_since"] == (2 * MINUTE - max(gap, 0)) / DAY


@pytest.mark.parametrize(("one", "other", "count"), [(7, 0, 2), (0, 7, 2), (7, 8, 2), (7, 7, 1), (0, 0, 1)])
def test_orders_with_an_id_are_distinguished_by_it(one: int, other: int, count: int) -> None:
    events = [
        Happening(START + i, Kind.ORDER_COMPLETED, 1 + i, value=5.0, order=o) for i, o in enumerate((one, other))
    ]
    got = after(events, START + MINUTE)
    assert got["purchases.count"] == count
    assert got["purchases.value"] == (5.0 if one == other == 7 else 10.0)


def test_gaps_between_orders_are_those_of_their_times() -> None:
    days = [0, 3, 4, 4, 9, 2]  # two at one instant, and one that comes late
    events = [
        Happening(START + day * DAY, Kind.ORDER_COMPLETED, 1 + i, value=1.0 + i, order=1 + i)
        for i, day in enumerate(days)
    ]
    rows, _ = run(NOTHING, events)
    got = features(rows, START + 10 * DAY)
    spans = [2.0, 1.0, 1.0, 0.0, 5.0]
    assert (got["purchases.count"], got["purchases.value"], got["purchases.mean_value"]) == (6, 21.0, 3.5)
    assert got["purchases.gap_mean"] == pytest.approx(statistics.fmean(spans))
    assert got["purchases.gap_spread"] == pytest.approx(statistics.stdev(spans))
    assert got["purchases.days_since"] == 1


def test_one_gap_has_a_mean_and_no_spread() -> None:
    events = [Happening(START + i * DAY, Kind.ORDER_COMPLETED, 1 + i, order=1 + i) for i in range(2)]
    got = after(events, START + DAY)
    assert got["purchases.gap_mean"] == 1
    assert math.isnan(got["purchases.gap_spread"])


def test_the_last_ids_are_remembered_and_no_more() -> None:
    def outcome(others: int) -> int:
        rows = np.zeros(1, layout.ROW)
        events = [Happening(START + number, Kind.PAGE_VIEWED, 100 + number) for number in range(others + 1)]
        outcomes, _ = NOTHING.advance(rows, np.zeros(others + 2, np.int32), columns([*events, events[0]]))
        return int(outcomes[-1])

    most = IDS
    assert [outcome(others) for others in (0, most - 1, most)] == [DUPLICATE, DUPLICATE, APPLIED]


def test_an_event_that_was_not_decoded_changes_nothing() -> None:
    batch = columns(views(START, START + 1, START + 2))
    batch["status"][1] = decode.BAD_TIME
    rows = np.zeros(2, layout.ROW)
    outcomes, _ = NOTHING.advance(rows, np.array([0, 1, 0], np.int32), batch)
    assert outcomes[[0, 2]].tolist() == [APPLIED, APPLIED]
    assert outcomes[1] not in (APPLIED, DUPLICATE)
    assert (rows[0]["recent_total"], rows[1].tobytes()) == (2, bytes(layout.ROW_BYTES))


def test_the_newest_events_are_kept_to_the_millisecond_and_the_cent() -> None:
    events = [
        Happening(START + 1_999 * number, Kind.ITEM_VIEWED, 1 + number, 10 + number, 50 + number, number / 2)
        for number in range(2 * RECENT + 1)
    ]
    for seen in (1, RECENT - 1, RECENT, RECENT + 1, 2 * RECENT + 1):
        row = run(NOTHING, events[:seen])[0][0]
        assert row["recent_total"] == seen
        for number, event in list(enumerate(events[:seen]))[-RECENT:]:
            place = number % RECENT
            at = (int(row["recent_s"][place]) + 946_684_800) * 1_000 + int(row["recent_ms"][place])
            assert (at, row["recent_value"][place]) == (event.at, event.value * 100)
            assert (row["recent_item"][place], row["recent_category"][place]) == (event.item, event.category)
            assert row["recent_kind"][place] == event.kind


@pytest.mark.parametrize("hours", [0, 1, 23, 24, 25, 24 * 3, 24 * 7 - 1, 24 * 7])
def test_hour_and_weekday_are_the_calendars_in_utc(hours: int) -> None:
    for moment in (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours, milliseconds=ms) for ms in (-1, 0)):
        now = round(moment.timestamp() * 1_000)
        got = after(views(now), now)
        assert (got["now.hour"], got["now.weekday"]) == (moment.hour, moment.weekday())


def test_what_lies_ahead_of_now_is_no_negative_time_ago() -> None:
    got = after(views(START + 1), START)
    assert (got["idle.seconds"], got["customer.days_known"]) == (0, 0)
    assert after(views(START + 1), START + 2)["idle.seconds"] == 0.001


@pytest.mark.parametrize("indicators", [23, 24, 25])
def test_at_most_twenty_four_indicators_are_active(indicators: int) -> None:
    first = {"i0": "customer.events <= 1"}
    others = {f"i{number}": "customer.events >= 1" for number in range(1, indicators)}
    rules = rulebook(**first, **others)
    evaluator = IndicatorEvaluator(rules)
    rows, activated = run(evaluator, views(START))
    codes = [int(code) for code in rules.codes]
    assert [indicator for indicator, _ in activated] == list(range(min(indicators, 24)))
    assert rows["active_count"][0] == min(indicators, 24)
    assert rows["active"][0].tolist() == [*codes[:24], *[0] * (24 - indicators)]
    # the first ends: there is room for one more
    _, activations = evaluator.advance(rows, np.zeros(1, np.int32), columns(views(START, START + 1)[1:]))
    assert activations["indicator"].tolist() == ([24] if indicators == 25 else [])
    assert rows["active_count"][0] == indicators - 1
    assert rows["active"][0].tolist() == [*codes[1:], *[0] * (25 - indicators)]


def test_an_event_in_the_same_millisecond_is_evaluated_then() -> None:
    rows, activated = run(IndicatorEvaluator(rulebook(second="customer.events >= 2")), views(START, START))
    assert activated == [(0, START)]
    assert rows["silence_ms"][0] == 0


def test_a_silence_of_less_than_a_unit_is_due_to_the_millisecond() -> None:
    evaluator = IndicatorEvaluator(
        rulebook(
            half="idle.seconds >= 0.5",
            soon="idle.seconds >= 1",
            later="idle.seconds > 1.25",
            twenty="contact.hours_since >= minutes(20)",
        )
    )
    rows, _ = run(evaluator, [Happening(START, Kind.CONTACT_STARTED, 1), Happening(START, Kind.PAGE_VIEWED, 2)])
    expected = {500: 0, 1_000: 2, 1_251: 1, 20 * MINUTE: 3}  # indicators by name
    for after_ms, indicator in expected.items():
        slots = np.zeros(1, np.int32)
        assert len(evaluator.fire(rows, slots, START + after_ms - 1)) == 0
        (found,) = evaluator.fire(rows, slots, START + after_ms)
        assert (int(found["indicator"]), int(found["at"])) == (indicator, START + after_ms)


def test_an_activation_says_what_brought_it_about() -> None:
    evaluator = IndicatorEvaluator(rulebook(many="customer.events >= 2", quiet="idle.seconds >= 60"))
    rows, slots = np.zeros(2, layout.ROW), np.array([1, 0, 1], np.int32)
    batch = columns(views(START, START + 1, START + 2))
    batch["received_at"] = [7, 8, 9]
    _, (by_event,) = evaluator.advance(rows, slots, batch)
    assert [int(by_event[name]) for name in ("event", "slot", "indicator", "at", "received_at")] == [
        2, 1, 0, START + 2, 9,
    ]  # fmt: skip
    _, by_silence = evaluator.fire(rows, np.array([0, 1], np.int32), START + MINUTE + 2)
    assert [int(by_silence[name]) for name in ("event", "slot", "indicator", "at", "received_at")] == [
        -1, 1, 1, START + MINUTE + 2, 0,
    ]  # fmt: skip
    expected = features(rows[1:], START + MINUTE + 2)
    found = {name: float(by_silence["features"][feature.index]) for name, feature in BY_NAME.items()}
    assert found == pytest.approx(expected, nan_ok=True)
