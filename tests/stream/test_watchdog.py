"""The lag watchdog: lag that does not move ends the process, and nothing else does."""

from __future__ import annotations

import pytest

from engine.errors import Stuck
from engine.meter import PrometheusMeter
from engine.stream.watchdog import LagWatchdog

LIMIT_S = 60.0


@pytest.fixture
def watch() -> LagWatchdog:
    return LagWatchdog(LIMIT_S, PrometheusMeter())


def test_lag_that_stands_for_longer_than_the_limit_is_told(watch: LagWatchdog) -> None:
    for now in (0.0, 30.0, LIMIT_S):
        watch.look({3: (7, 20), 4: (9, 0)}, now)
    with pytest.raises(Stuck, match="partition 3 has been at offset 7, 20 records behind"):
        watch.look({3: (7, 20), 4: (9, 0)}, LIMIT_S + 1)


def test_a_partition_that_is_paused_may_stand_as_long_as_it_is(watch: LagWatchdog) -> None:
    for now in (0.0, 500.0, 1_000.0):
        watch.look({3: (7, 20), 4: (9, 0)}, now, {3})
    watch.look({3: (7, 20)}, 1_000 + LIMIT_S)
    with pytest.raises(Stuck, match="partition 3"):
        watch.look({3: (7, 20)}, 1_001 + LIMIT_S)


def test_lag_that_moves_may_last_and_a_partition_without_lag_may_stand(watch: LagWatchdog) -> None:
    for now in range(0, 600, 50):
        watch.look({3: (now, 5_000), 4: (9, 0)}, now)


def test_the_time_without_lag_does_not_count(watch: LagWatchdog) -> None:
    watch.look({3: (7, 0)}, 0)
    watch.look({3: (7, 0)}, 1_000)
    watch.look({3: (7, 1)}, 1_000 + LIMIT_S)


def test_an_end_that_stays_unknown_is_told_and_keeps_the_worker_unready(watch: LagWatchdog) -> None:
    watch.look({3: (7, None), 4: (9, 0)}, 0.0)
    assert not watch.seen
    watch.look({3: (7, None), 4: (9, 0)}, LIMIT_S)
    with pytest.raises(Stuck, match="partition 3 has been at offset 7, its end unknown"):
        watch.look({3: (7, None), 4: (9, 0)}, LIMIT_S + 1)


def test_ready_is_who_knows_every_end(watch: LagWatchdog) -> None:
    watch.look({3: (7, 2), 4: (9, 0)}, 0.0)
    assert watch.seen


def test_a_new_assignment_begins_anew(watch: LagWatchdog) -> None:
    watch.look({3: (7, 1)}, 0)
    assert watch.seen
    watch.begin()
    assert not watch.seen
    watch.look({3: (7, 1)}, 100)
