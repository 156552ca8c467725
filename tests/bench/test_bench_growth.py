"""The benchmark of growing customers in short, and what it rests on. No figure is asserted."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import BadSettings
from engine.kernels.row import ROW_BYTES
from engine.settings import Stream
from loadtest.backlog import BacklogRead
from loadtest.growth import GrowthPoint, available_bytes, check_memory, joined, turns
from loadtest.visits import BETWEEN_MS, VISIT_MS, split, visits

LEAST_BYTES = 300  # of a row of a few events


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 20), st.integers(0, 9))
def test_everybody_comes_twice_and_has_as_many_events(customers: int, each: int, active: int, seed: int) -> None:
    came = visits(customers, each, active, np.random.default_rng(seed))
    assert np.bincount(came.who, minlength=customers).tolist() == [each] * customers
    assert (np.diff(came.at) >= 0).all()
    assert came.at[-1] == 0
    for one in range(customers):
        of_one = came.at[came.who == one]
        first, second = split(each)
        begins = [0, first] if first and second else [0]
        for start, size in zip(begins, [part for part in (first, second) if part], strict=True):
            visit = of_one[start : start + size]
            assert visit[-1] - visit[0] <= VISIT_MS
        assert len(begins) == 1 or of_one[first] - of_one[first - 1] >= BETWEEN_MS


def test_no_more_are_there_at_a_moment_however_many_there_are() -> None:
    for customers in (2_000, 20_000):
        came = visits(customers, 10, 1_000, np.random.default_rng(1))
        first = came.at < -BETWEEN_MS
        order = np.argsort(came.who[first], kind="stable").reshape(customers, 5)
        begun, ended = came.at[first][order[:, 0]], came.at[first][order[:, -1]]
        middle = (came.at[first][0] + came.at[first][-1]) // 2
        there = np.count_nonzero((begun <= middle) & (middle <= ended))
        # between the first and the last of 5 moments lie four sixths of the visit, on average
        assert there == pytest.approx(1_000 * 4 / 6, rel=0.15)


@pytest.mark.parametrize(("each", "parts"), [(1, [0, 1]), (2, [1, 1]), (5, [2, 3]), (10, [5, 5])])
def test_the_events_are_split_evenly(each: int, parts: list[int]) -> None:
    assert split(each) == parts


@pytest.mark.parametrize(
    ("events", "often"), [(1, 3), (100_000, 3), (249_999, 3), (250_000, 2), (499_999, 2), (500_000, 1)]
)
def test_short_logs_are_read_several_times(events: int, often: int) -> None:
    assert turns(events) == often


def test_the_readings_of_a_point_are_added_up() -> None:
    read = [BacklogRead(100_000, 10, 90_000.0, 0.2, 30_000), BacklogRead(300_000, 10, 110_000.0, 1.2, 10_000)]
    assert joined(10, 40_000, read) == GrowthPoint(10, 40_000, 100_000, 3.5, 2_000)


def test_what_does_not_fit_into_memory_is_refused_before_anything_starts() -> None:
    needed = 6_000_000 + 1_000 * ROW_BYTES
    check_memory(1_000, 10, needed)
    with pytest.raises(BadSettings, match="--customers"):
        check_memory(1_000, 10, needed - 1)


def test_of_more_customers_than_a_worker_holds_only_their_rows_in_the_store_need_memory() -> None:
    held = Stream().rows_in_memory
    check_memory(10 * held, 10, 10 * held * 6_000 + held * ROW_BYTES)


@pytest.mark.skipif(sys.platform != "linux", reason="reads a file of Linux")
def test_free_memory_is_some_and_less_than_all() -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal"))
    assert 0 < available_bytes() < total


@pytest.mark.parametrize("wrong", ["", "0", "ten", "100,", "1e6", "-5", "100000001"])
def test_wrong_numbers_of_customers_are_told(wrong: str) -> None:
    shown = CliRunner().invoke(app, ["bench", "growth", f"--customers={wrong}"])
    assert shown.exit_code == 2
    assert "--customers" in shown.output


@pytest.mark.slow
def test_the_whole_benchmark_in_short() -> None:
    counts = (20_000, 25_000)
    options = ["--customers", ", ".join(map(str, counts)), "--events-per-customer", "25", "--active", "500"]
    shown = CliRunner().invoke(app, ["bench", "growth", *options, "--json"])
    assert shown.exit_code == 0, shown.output
    printed = msgspec.json.decode(shown.stdout)
    assert [(point["customers"], point["eventsPerCustomer"]) for point in printed["points"]] == [
        (count, 25) for count in counts
    ]
    for point in printed["points"]:
        assert point["eventsPerSecond"] > 0
        assert point["cpuSecondsPerMillionEvents"] > 0
        assert point["redisBytesPerCustomer"] > LEAST_BYTES
    first, last = (point["cpuSecondsPerMillionEvents"] for point in printed["points"])
    assert printed["growth"] == pytest.approx(last / first, abs=0.01)
    assert printed["active"] == 500
    assert printed["machine"]["cores"] > 0
