"""What no rule names is not read, and nobody can tell: not by rows, activations or timers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.events import Kind
from engine.kernels import row as layout
from engine.kernels.catalogue import FEATURES, FIRST_WINDOW, INDEX
from engine.kernels.features import read_many, read_wanted, wanted_of
from engine.kernels.groups import window
from engine.state.catalogue import CATALOGUE
from engine.stream.evaluator import IndicatorEvaluator, named_features
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
from tests.kernels.test_advance import streams

WINDOWS = list(range(FIRST_WINDOW, FIRST_WINDOW + len(window.ENTRIES)))
MINUTELY = INDEX.events_count_1m
EVENTS = [feature.index for feature in CATALOGUE if feature.name.startswith("events.count_")]

RULES: Mapping[str, tuple[str, Callable[[dict[str, float]], bool]]] = {
    "fast": ("events.count_5m >= 4", lambda of: of["events.count_5m"] >= 4),
    "only_now": (
        "events.count_1h == events.count_30d and cart.items > 0",
        lambda of: of["events.count_1h"] == of["events.count_30d"] and of["cart.items"] > 0,
    ),
}
EVALUATOR = IndicatorEvaluator(rulebook(**{name: when for name, (when, _) in RULES.items()}))


@settings(deadline=None, max_examples=200)
@given(streams(), st.sampled_from([0, MINUTE, HOUR, 5 * DAY, 40 * DAY]), st.sets(st.integers(0, FEATURES - 1)))
def test_what_is_wanted_is_read_as_without_a_choice(events: list[Happening], later: int, chosen: set[int]) -> None:
    rows, _ = run(NOTHING, events)
    now, wanted = events[-1].at + later, np.zeros(FEATURES, np.bool_)
    wanted[list(chosen)] = True
    whole, part = np.full((1, FEATURES), -1.0), np.full(FEATURES, -2.0)
    read_many(rows, np.full(1, now), whole)
    read_wanted(rows[0], now, wanted_of(wanted), part)
    assert part[list(chosen)].tobytes() == whole[0, list(chosen)].tobytes()
    assert {*part[[place for place in WINDOWS if place not in chosen]].tolist()} <= {-2.0}


def test_each_window_is_read_by_its_own_mark() -> None:
    rows, _ = run(NOTHING, [Happening(START, Kind.PAGE_VIEWED, 1)])
    viewed = [place for place in WINDOWS if CATALOGUE[place].name.startswith(("events.", "views."))]
    for place in WINDOWS:
        wanted, got = np.zeros(FEATURES, np.bool_), np.zeros(FEATURES)
        wanted[place] = True
        read_wanted(rows[0], START, wanted_of(wanted), got)
        assert np.flatnonzero(got).tolist() == [place] * (place in viewed)


@settings(deadline=None, max_examples=200)
@given(streams())
def test_activations_follow_from_all_features_and_tell_them(events: list[Happening]) -> None:
    rows, slots = np.zeros(1, layout.ROW), np.zeros(1, np.int32)
    for event in events:
        before = rows.copy()
        EVALUATOR.fire(before, slots, event.at - 1)  # what began in silence has begun
        stood = [one.code in before["active"][0] for one in EVALUATOR.rulebook.indicators]
        _, activations = EVALUATOR.advance(rows, slots, columns([event]))
        values = features(rows, event.at)
        holds = [RULES[indicator.name][1](values) for indicator in EVALUATOR.rulebook.indicators]
        began = [now and not earlier for now, earlier in zip(holds, stood, strict=True)]
        at_event = activations[activations["event"] >= 0]
        assert at_event["indicator"].tolist() == [i for i, new in enumerate(began) if new]
        for activation in at_event:
            assert activation["features"].tobytes() == np.array(list(values.values())).tobytes()


@pytest.mark.parametrize(("seconds", "found"), [(120, 1), (100_000, 0)])
def test_a_look_ahead_reads_the_windows_that_its_rules_name(seconds: int, found: int) -> None:
    """A day on, the hour of the event is over and the rule cannot hold any more."""
    evaluator = IndicatorEvaluator(rulebook(quiet=f"idle.seconds >= {seconds} and events.count_1h >= 1"))
    rows, slots, scheduled = np.zeros(1, layout.ROW), np.zeros(1, np.int32), np.zeros(1, np.int64)
    evaluator.advance(rows, slots, columns([Happening(START, Kind.PAGE_VIEWED, 7)]))
    assert evaluator.timers(rows, slots, scheduled).tolist() == [bool(found)]
    assert scheduled[0] == (START + seconds * SECOND) * found
    activations = evaluator.fire(rows, slots, START + seconds * SECOND)
    assert len(activations) == found
    if found:
        assert activations["features"][0][EVENTS].tolist() == [float(place != MINUTELY) for place in EVENTS]


def test_what_rules_and_timers_name_is_marked() -> None:
    rules = rulebook(
        one="events.count_1h >= 3", two="events.count_5m > events.count_24h", three="session.bursts >= 1"
    )
    named = named_features(rules.program, rules.moments)
    assert set(named.nonzero()[0].tolist()) == {
        INDEX.events_count_1h,
        INDEX.events_count_5m,
        INDEX.events_count_24h,
        INDEX.session_bursts,
        INDEX.idle_seconds,  # the session's end is waited for
    }
    quiet = rulebook(quiet="cart.idle_seconds >= 60")
    assert named_features(quiet.program, quiet.moments).nonzero()[0].tolist() == [INDEX.cart_idle_seconds]
    session = rulebook(over="session.events == 0")
    assert named_features(session.program, session.moments)[INDEX.idle_seconds]
