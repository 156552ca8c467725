"""Silence evaluated in both directions: at any moment exactly those indicators are active that hold then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.events import Kind
from engine.kernels import row as layout
from engine.kernels.advance import DUPLICATE
from engine.kernels.catalogue import FEATURES
from engine.kernels.features import read_many
from engine.kernels.moments import CLOCK_MS
from engine.kernels.predicates import match_many
from engine.kernels.timers import CALLED
from engine.rulebook.directory import load
from engine.rulebook.model import Rulebook
from engine.state.row_parts import own_part
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import DAY, HOUR, MINUTE, NOTHING, SECOND, START, Happening, columns, rulebook, run
from tests.kernels.test_advance import streams

ROOT = Path(__file__).parents[2]
GAP = 30 * MINUTE
SLOT = np.zeros(1, np.int32)

SHORT = {
    "fast": "events.count_1m >= 3",
    "few": "1 <= events.count_5m < 3",
    "exactly": "events.count_5m == 2",
    "other": "events.count_5m != 2 and idle.seconds < 200",
    "steady": "events.count_1m == events.count_5m and idle.seconds > 20",
    "slower": "events.count_1m < events.count_5m",
    "by_name": "not fast and idle.seconds >= 30",
}
LONG = {
    "browsing": "session.events >= 2",
    "gone": "session.events == 0 and idle.seconds < hours(2)",
    "viewed": "views.count_1h > 1 or views.count_7d >= 4",
    "spent": "orders.value_52w >= 100.5",
    "calm": "events.count_24h <= 2 and events.count_30d > 2",
    "left": "cart.items > 0 and minutes(15) <= cart.idle_seconds < hours(1)",
    "called": "contact.count_24h >= 1",
    "talking": "contact.open >= 1",
    "waits": "contact.waiting_seconds > 90",
    "troubled": "troubles.count_7d >= 1 and events.count_24h == 0",
}
CLOCKS = {
    "office": "9 <= now.hour < 17 and now.weekday < 5",
    "night": "now.hour > 21 or now.hour <= 5",
    "sunday": "now.weekday == 6 and events.count_7d >= 2",
    "hourly": "now.hour == session.number",
}
#: Clocks that change nothing for weeks, beside times that are far.
FAR = {
    "never": "now.hour == 12 and cart.items > 99",
    "often": "now.weekday == 2 and idle.seconds < days(10)",
    "late": "idle.seconds >= days(20)",
    "later": "idle.seconds >= days(45) and now.weekday != 3",
    "latest": "idle.seconds >= 100d",
}


def holding(rules: Rulebook, row: NDArray[np.void], moments: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which indicators (I) hold for the row, by its features, at each of `moments` (N): N x I."""
    vectors = np.zeros((len(moments), FEATURES))
    read_many(np.repeat(row, len(moments)), moments, vectors)
    program = rules.program
    holds = np.zeros((len(moments), len(rules.indicators)), np.bool_)
    match_many(vectors, np.zeros(program.required.shape[1], np.uint64), holds, *program)
    return holds


def active(rules: Rulebook, row: NDArray[np.void]) -> list[bool]:
    codes = set(row["active"][0][: row["active_count"][0]].tolist())
    return [one.code in codes for one in rules.indicators]


def evaluated(rules: dict[str, str]) -> tuple[Rulebook, IndicatorEvaluator]:
    book = rulebook(**rules)
    return book, IndicatorEvaluator(book)


def probes(last: int) -> st.SearchStrategy[int]:
    """Moments after the `last` event: any, and those beside the borders of panes, hours, sessions and days."""
    borders = [
        (last // width + panes) * width
        for width, most in ((5 * SECOND, 13), (30 * SECOND, 11), (150 * SECOND, 25), (HOUR, 25), (DAY, 31))
        for panes in (1, 2, most - 1, most)
    ]
    near = st.sampled_from([*borders, last + GAP + 1, last + 15 * MINUTE, last + HOUR, last + DAY, last + 7 * DAY])
    edges = st.builds(lambda at, by: max(at + by, last), near, st.integers(-1, 1))
    spans = st.sampled_from([2 * MINUTE, HOUR, DAY, CLOCK_MS - HOUR])
    return st.one_of(edges, spans.flatmap(lambda span: st.integers(last, last + span)))


@pytest.mark.parametrize(
    "rules", [SHORT, LONG, CLOCKS, SHORT | LONG | CLOCKS], ids=["short", "long", "clocks", "all"]
)
@settings(deadline=None, max_examples=150)
@given(streams(), st.data())
def test_whatever_holds_at_a_moment_of_silence_is_active_then(
    rules: dict[str, str], events: list[Happening], data: st.DataObject
) -> None:
    book, evaluator = evaluated(rules)
    row, _ = run(evaluator, events)
    last = int(row["life_last_at"][0])
    until = last + (CLOCK_MS if rules.keys() & CLOCKS.keys() else 100 * DAY)
    for moment in sorted(data.draw(st.lists(probes(last), min_size=1, max_size=4))):
        if moment > until:
            continue
        evaluator.fire(row, SLOT, moment)
        assert active(book, row) == holding(book, row, np.array([moment])).tolist()[0]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 90 * SECOND), min_size=1, max_size=8), st.integers(0, 7 * MINUTE))
def test_activations_are_those_of_a_look_in_every_millisecond(pauses: list[int], after: int) -> None:
    book, evaluator = evaluated(SHORT)
    events = [
        Happening(START + sum(pauses[: number + 1]), Kind.PAGE_VIEWED, 1 + number) for number in range(len(pauses))
    ]
    got = run(evaluator, events)
    row, found = got[0], [*got[1]]
    end = events[-1].at + after
    found += [(int(one["indicator"]), int(one["at"])) for one in evaluator.fire(row, SLOT, end)]
    assert sorted(found) == sorted(risen_in_every_millisecond(book, evaluator, events, end))


def risen_in_every_millisecond(
    book: Rulebook, evaluator: IndicatorEvaluator, events: Sequence[Happening], end: int
) -> list[tuple[int, int]]:
    """(indicator, at) of all that begin to hold, at an event or in a millisecond between."""
    before, found = np.zeros(len(book.indicators), np.bool_), []
    ends = [*(one.at for one in events[1:]), end + 1]
    for number, until in enumerate(ends):
        row, _ = run(evaluator, events[: number + 1])
        moments = np.arange(events[number].at, max(until, events[number].at + 1))
        holds = holding(book, row, moments)
        rises = holds & ~np.vstack([before, holds[:-1]])
        found += [(int(i), int(moments[place])) for place, i in zip(*rises.nonzero(), strict=True)]
        before = holds[-1]
    return found


@pytest.mark.parametrize("rules", [SHORT | LONG, CLOCKS, FAR], ids=["windows", "clocks", "far"])
@settings(deadline=None, max_examples=100)
@given(streams(), st.data())
def test_a_timer_is_set_for_the_next_activation_and_for_none_that_does_not_come(
    rules: dict[str, str], events: list[Happening], data: st.DataObject
) -> None:
    _, evaluator = evaluated(rules)
    row, _ = run(evaluator, events)
    evaluator.fire(
        row, SLOT, int(row["life_last_at"][0]) + data.draw(st.sampled_from([0, HOUR, 3 * DAY, 25 * DAY]))
    )
    quiet, scheduled = row.copy(), np.full(1, CALLED, np.int64)
    evaluator.timers(row, SLOT, scheduled)
    activations = evaluator.fire(quiet, SLOT, int(row["life_last_at"][0]) + 120 * DAY)
    assert scheduled[0] == min((int(one["at"]) for one in activations), default=0)


def activated(rules: Rulebook, events: Sequence[Happening]) -> dict[str, list[int]]:
    """When each indicator was activated."""
    found: dict[str, list[int]] = {}
    for indicator, at in run(IndicatorEvaluator(rules), events)[1]:
        found.setdefault(rules.indicators[indicator].name, []).append(at)
    return found


def test_each_visit_of_somebody_who_watches_a_price_is_an_activation() -> None:
    watcher = rulebook(price_watcher="session.number >= 3 and session.max_price >= 200 and purchases.count == 0")
    events = [Happening(START + day * DAY, Kind.ITEM_VIEWED, 1 + day, item=7, value=450.0) for day in range(5)]
    assert activated(watcher, events) == {"price_watcher": [one.at for one in events[2:]]}


def test_so_is_each_visit_of_a_good_customer() -> None:
    orders = [
        Happening(START - (100 - 20 * n) * DAY, Kind.ORDER_COMPLETED, 1 + n, value=450.0, order=1 + n)
        for n in range(5)
    ]
    visits = [Happening(START + day * DAY, Kind.PAGE_VIEWED, 10 + day) for day in range(2)]
    assert activated(load(ROOT / "rules"), [*orders, *visits])["returning_vip"] == [one.at for one in visits]


@pytest.mark.parametrize(("idle", "standing"), [(GAP - 1, True), (GAP, True), (GAP + 1, False)])
def test_a_sessions_indicator_ends_with_it(idle: int, standing: bool) -> None:
    book, evaluator = evaluated({"dear": "session.max_price >= 200"})
    row, _ = run(evaluator, [Happening(START, Kind.ITEM_VIEWED, 1, item=7, value=450.0)])
    evaluator.fire(row, SLOT, START + idle)
    assert active(book, row) == [standing]


@pytest.mark.parametrize(("days", "looked_at"), [(29, True), (30, True), (31, False)])
def test_clocks_are_looked_at_for_thirty_days(days: int, looked_at: bool) -> None:
    _, evaluator = evaluated({"noon": "now.hour == 12"})
    midnight = START // DAY * DAY
    row, _ = run(evaluator, [Happening(midnight + 13 * HOUR, Kind.PAGE_VIEWED, 1)])
    evaluator.fire(row, SLOT, midnight + days * DAY + 12 * HOUR - 1)
    activations = evaluator.fire(row, SLOT, midnight + days * DAY + 12 * HOUR)
    assert [int(one["at"]) for one in activations] == ([midnight + days * DAY + 12 * HOUR] if looked_at else [])


def test_more_moments_than_there_is_room_for_activations_are_all_evaluated() -> None:
    names = {f"n{number}": f"now.hour >= {1 + number % 23}" for number in range(20)}
    _, evaluator = evaluated(names)
    row, first = run(evaluator, [Happening(START // DAY * DAY, Kind.PAGE_VIEWED, 1)])
    late = columns([Happening(START // DAY * DAY + 40 * DAY, Kind.PAGE_VIEWED, 2)])
    _, activations = evaluator.advance(row, SLOT, late)
    days = np.bincount([(int(one["at"]) - START // DAY * DAY) // DAY for one in activations])
    assert (first, days[:30].tolist()) == ([], [20] * 30)
    assert np.diff(activations["at"]).min() >= 0
    assert activations["event"].tolist() == [-1] * 600


def test_a_repeat_ends_no_silence() -> None:
    _, evaluator = evaluated({"quiet": "idle.seconds >= 60"})
    row, _ = run(evaluator, [Happening(START, Kind.PAGE_VIEWED, 1)])
    before = row.tobytes()
    outcomes, activations = evaluator.advance(row, SLOT, columns([Happening(START + HOUR, Kind.PAGE_VIEWED, 1)]))
    assert (outcomes.tolist(), len(activations), row.tobytes()) == ([DUPLICATE], 0, before)


def test_orders_that_join_without_their_events_are_evaluated_at_their_time() -> None:
    _, evaluator = evaluated({"bought": "orders.count_7d >= 1"})
    row, _ = run(evaluator, [Happening(START, Kind.PAGE_VIEWED, 1)])
    other, _ = run(NOTHING, [Happening(START + 10 * DAY, Kind.ORDER_COMPLETED, 2, value=5.0, order=9)])
    link = columns([Happening(START + 11 * DAY, Kind.PAGE_VIEWED, 3)])
    activations = evaluator.merge(row, SLOT, link, own_part(other))
    assert [int(one["at"]) for one in activations] == [START + 10 * DAY]
    evaluator.fire(row, SLOT, START + 30 * DAY)
    assert row["active_count"][0] == 0


def test_a_blank_row_waits_for_nothing() -> None:
    _, evaluator = evaluated(SHORT | LONG | CLOCKS)
    assert len(evaluator.fire(np.zeros(1, layout.ROW), SLOT, START)) == 0
