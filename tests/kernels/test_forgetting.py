"""Forgetting: a row idle for more than 400 days, as records have it, is blank at the next event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.events import Kind
from engine.kernels import row as layout
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.timers import CALLED
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import DAY, NOTHING, SECOND, START, Happening, columns, rulebook, run

LIMIT = 400 * DAY


def viewed(number: int, at: int, came_in: int = 0) -> Happening:
    return Happening(at, Kind.ITEM_VIEWED, number, item=number, came_in=came_in)


def lives(events: Sequence[Happening]) -> list[list[Happening]]:
    """The same events, cut where a row is forgotten, by the plain rule."""
    parts: list[list[Happening]] = []
    for event in events:
        moment = event.came_in if 0 <= event.came_in - event.at <= LIMIT else event.at
        if not parts or moment - max(one.at for one in parts[-1]) > LIMIT:
            parts.append([])
        parts[-1].append(event)
    return parts


@pytest.mark.parametrize(("beyond", "events"), [(-1, 2), (0, 2), (1, 1)])
def test_it_is_forgotten_a_millisecond_after_four_hundred_days(beyond: int, events: int) -> None:
    rows, _ = run(NOTHING, [viewed(1, START), viewed(2, START + LIMIT + beyond)])
    assert rows[0]["recent_total"] == events
    assert (rows[0]["life_first_at"] == START) == (events == 2)


@pytest.mark.parametrize(("beyond", "events"), [(-1, 2), (0, 2), (1, 1)])
def test_a_late_event_goes_by_when_it_came_in(beyond: int, events: int) -> None:
    late = viewed(2, START + DAY, came_in=START + LIMIT + beyond)
    rows, _ = run(NOTHING, [viewed(1, START), late])
    assert rows[0]["recent_total"] == events


@pytest.mark.parametrize(("age", "events"), [(LIMIT, 1), (LIMIT + 1, 2), (10**15, 2)])
def test_a_record_with_no_sensible_time_forgets_nobody(age: int, events: int) -> None:
    """Its clock is wrong, or its time is in microseconds."""
    rows, _ = run(NOTHING, [viewed(1, START), viewed(2, START + DAY, came_in=START + DAY + age)])
    assert rows[0]["recent_total"] == events


def test_an_id_of_before_is_new_again() -> None:
    batch = columns([viewed(1, START), viewed(1, START + LIMIT), viewed(1, START + LIMIT + 1)])
    outcomes, _ = NOTHING.advance(np.zeros(1, layout.ROW), np.zeros(3, np.int32), batch)
    assert outcomes.tolist() == [APPLIED, DUPLICATE, APPLIED]


gaps = st.sampled_from([0, SECOND, DAY, 200 * DAY, LIMIT - 1, LIMIT, LIMIT + 1, 500 * DAY])
delays = st.sampled_from([0, 0, 0, DAY, 100 * DAY, LIMIT, LIMIT + DAY])


@st.composite
def logs(draw: st.DrawFn) -> list[Happening]:
    """Events in the order in which they came in, some of them late."""
    came_in, events = START + 1_000 * DAY, []
    for number, gap in enumerate(draw(st.lists(gaps, min_size=1, max_size=12)), 1):
        came_in += gap
        events.append(viewed(number, came_in - draw(delays), came_in))
    return events


@given(logs(), st.lists(st.integers(0, 12), max_size=4))
@example([viewed(1, START), viewed(2, START + LIMIT + 1), viewed(3, START + 2 * LIMIT + 1)], [])
def test_a_row_is_that_of_its_last_life(events: list[Happening], cuts: list[int]) -> None:
    rows, _ = run(NOTHING, events, sorted(min(cut, len(events)) for cut in cuts))
    only_last, _ = run(NOTHING, lives(events)[-1])
    assert rows.tobytes() == only_last.tobytes()


@given(logs(), st.data())
def test_no_event_shows_whether_a_row_was_deleted(events: list[Happening], data: st.DataObject) -> None:
    """A sweep may delete what is idle by the time of records that came in: later rows are the same."""
    rows, _ = run(NOTHING, events)
    swept = np.zeros(1, layout.ROW)
    for event in events:
        idle = event.came_in - int(swept["life_last_at"][0]) > LIMIT
        if swept["life_last_at"][0] and idle and event.came_in - event.at <= LIMIT and data.draw(st.booleans()):
            swept = np.zeros(1, layout.ROW)
        NOTHING.advance(swept, np.zeros(1, np.int32), columns([event]))
    assert swept.tobytes() == rows.tobytes()


BEYOND = IndicatorEvaluator(
    rulebook(
        a_month=f"idle.seconds >= {30 * DAY // SECOND}",
        b_last=f"idle.seconds >= {LIMIT // SECOND}",
        c_never=f"idle.seconds > {LIMIT // SECOND + 1}",
    )
)
SILENT = [(0, START + 30 * DAY), (1, START + LIMIT)]


def test_silence_is_evaluated_until_it_is_forgotten_and_no_further() -> None:
    rows, activated = run(BEYOND, [viewed(1, START)])
    assert activated == []
    slots, scheduled = np.zeros(1, np.int32), np.zeros(1, np.int64)
    found: list[tuple[int, int]] = []
    for due in (*(at for _, at in SILENT), 0):
        assert BEYOND.timers(rows, slots, scheduled).tolist() == [True]
        assert scheduled[0] == due
        activations = BEYOND.fire(rows, slots, due or START + 2 * LIMIT)
        found += [(int(one["indicator"]), int(one["at"])) for one in activations]
        scheduled[0] = CALLED
    assert found == SILENT


@pytest.mark.parametrize("delay", [0, DAY, LIMIT])
def test_the_event_that_finds_it_forgotten_evaluates_its_silence_first(delay: int) -> None:
    came_in = START + LIMIT + 1
    _, activated = run(BEYOND, [viewed(1, START), viewed(2, came_in - delay, came_in)])
    assert activated == SILENT


def test_what_came_before_it_was_forgotten_evaluates_as_ever() -> None:
    rows, activated = run(BEYOND, [viewed(1, START), viewed(2, START + LIMIT)])
    assert (activated, rows[0]["recent_total"]) == (SILENT[:1], 2)
