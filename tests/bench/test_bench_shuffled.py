"""The benchmark of events out of order in short, and the logs that it rests on. No figure is asserted."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from engine.cli.app import app
from loadtest.shuffled import bench_shuffled
from loadtest.visits import Visits, delayed, in_order, late_share

RULES = Path(__file__).parents[2] / "rules"
EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(-50, 0)), min_size=1, max_size=40)


def log(events: list[tuple[int, int]]) -> Visits:
    who, at = np.array(events, np.int64).T
    return Visits(who, at)


def pairs(came: Visits) -> list[tuple[int, int]]:
    return list(zip(came.who.tolist(), came.at.tolist(), strict=True))


def moments(came: Visits) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for who, at in pairs(came):
        found[who].append(at)
    return found


@given(EVENTS, st.integers(0, 30), st.integers(0, 9))
def test_delayed_events_are_the_same_and_no_later_than_that(
    events: list[tuple[int, int]], most: int, seed: int
) -> None:
    came = delayed(log(sorted(events, key=lambda event: event[1])), most, np.random.default_rng(seed))
    assert Counter(pairs(came)) == Counter(events)
    at = came.at.tolist()
    assert all(at[i] <= at[j] + most for i in range(len(at)) for j in range(i, len(at)))


def test_some_are_as_late_as_that_and_without_a_delay_none_is() -> None:
    ordered = Visits(np.zeros(2_000, np.int64), np.arange(-1_999, 1))
    at = delayed(ordered, 3, np.random.default_rng(1)).at
    assert max(np.maximum.accumulate(at) - at) == 2  # at one moment they come in order
    assert pairs(delayed(ordered, 0, np.random.default_rng(1))) == pairs(ordered)


@given(EVENTS)
def test_in_order_each_customer_keeps_their_places_and_moments(events: list[tuple[int, int]]) -> None:
    came = in_order(log(events))
    assert came.who.tolist() == [who for who, _ in events]
    assert moments(came) == {who: sorted(at) for who, at in moments(log(events)).items()}


@given(EVENTS)
def test_late_are_those_before_which_a_later_one_of_the_same_customer_came(events: list[tuple[int, int]]) -> None:
    late = sum(any(w == who and a > at for w, a in events[:place]) for place, (who, at) in enumerate(events))
    assert late_share(log(events)) == pytest.approx(late / len(events))
    assert late_share(in_order(log(events))) == 0


@pytest.mark.parametrize(
    ("options", "told"), [(["--shuffled=-1"], "--shuffled"), (["--shuffled=5", "--customers=600"], "--events")]
)
def test_what_has_no_order_is_refused_before_anything_starts(options: list[str], told: str) -> None:
    shown = CliRunner().invoke(app, ["bench", "stream", "--events=1000", *options])
    assert shown.exit_code != 0
    assert told in shown.output


@pytest.mark.slow
async def test_the_whole_benchmark_in_short() -> None:
    result = await bench_shuffled(20_000, 2_000, 5, RULES, Console(quiet=True), pairs=2)
    assert (result.events, result.customers, result.minutes) == (20_000, 2_000, 5)
    assert 0.1 < result.late < 0.9
    assert result.low <= result.ratio <= result.high
    assert min(result.ratios) <= result.ratio <= max(result.ratios)
    assert len(result.ratios) == 2
    assert min(result.shuffled, result.ordered) > 0
