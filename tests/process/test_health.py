"""What an api process makes of the workers' reports."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.ports.health import OK, UNKNOWN, ComponentHealth, WorkerReport
from engine.process.health import KEEPS_CHANGING, WITHIN_S, WorkerWatch, notice
from engine.store.staleness import Loss

NOW = 100.0


def report(
    worker: str = "a", beat: int = 1, lag: int | None = 0, connection: int = 1, **more: str
) -> WorkerReport:
    return WorkerReport(worker, connection, beat, lag, tuple(more.values()))


def health(*reports: WorkerReport | None) -> ComponentHealth:
    watch = WorkerWatch(len(reports))
    watch.look(1, reports, NOW)
    return watch.health()


def test_nothing_is_known_before_the_first_look() -> None:
    assert WorkerWatch(2).health() == UNKNOWN


@pytest.mark.parametrize(
    ("reports", "state", "reason"),
    [
        ([report(), report("b")], "ok", ""),
        ([None, None], "down", "no worker gives a sign of life"),
        ([report(), None, report(), None], "degraded", "no worker has partitions 1, 3"),
        ([None, report()], "degraded", "no worker has partition 0"),
        ([report(why="waits"), report("b", why="waits")], "degraded", "waits"),
    ],
)
def test_a_worker_is_seen_by_what_it_reports(
    reports: Sequence[WorkerReport | None], state: str, reason: str
) -> None:
    found = health(*reports)
    assert (found.state, found.reason) == (state, reason)


def test_workers_that_keep_ending_are_not_well_however_alive_the_newest_is() -> None:
    watch, interval = WorkerWatch(1), WITHIN_S / KEEPS_CHANGING
    for start in range(KEEPS_CHANGING):
        watch.look(1, [report(f"worker-{start}")], NOW + start * interval)
        assert watch.health() == OK
    last = NOW + KEEPS_CHANGING * interval
    watch.look(1, [report(f"worker-{KEEPS_CHANGING}")], last)
    assert watch.health().state == "degraded"
    assert "keep ending" in watch.health().reason
    watch.look(1, [report(f"worker-{KEEPS_CHANGING}")], NOW + interval + WITHIN_S)
    assert watch.health().state == "degraded"
    watch.look(1, [report(f"worker-{KEEPS_CHANGING}")], NOW + interval + WITHIN_S + 0.01)
    assert watch.health() == OK


def test_caught_up_is_who_said_so_twice_since_the_store_came_back() -> None:
    watch = WorkerWatch(1)

    def look(connection: int, *reports: WorkerReport | None) -> bool:
        for seen in reports:
            watch.look(connection, [seen], NOW)
        assert watch.caught_up(connection + 1) == []  # of which nothing is known
        return watch.caught_up(connection)[0]

    assert not look(1, None, report(beat=1))
    assert look(1, report(beat=2))
    # what a store that came back brings along was reported before
    assert not look(2, report(beat=2), report(beat=1), None)
    assert not look(2, report(beat=3, connection=2, lag=None), report(beat=4, connection=2, lag=7))
    assert not look(2, report(beat=5, connection=2), report(beat=5, connection=2))
    assert look(2, report(beat=6, connection=2))
    # a worker that was started since counts its own connections
    assert not look(3, report("b", beat=1, connection=2))
    assert look(3, report("b", beat=2, connection=2))


def test_what_was_reported_before_the_store_was_emptied_is_forgotten() -> None:
    watch = WorkerWatch(1)
    for beat in (1, 2):
        watch.look(1, [report(beat=beat)], NOW)
    assert watch.caught_up(1) == [True]
    watch.forget()
    assert watch.caught_up(1) == [False]
    watch.look(1, [report(beat=3)], NOW)
    assert watch.caught_up(1) == [False]
    watch.look(1, [report(beat=4)], NOW)
    assert watch.caught_up(1) == [True]


def test_a_loss_is_put_into_words() -> None:
    said = notice(Loss(12_345, 678), 1_700_000_000_000)
    assert said.startswith("22:13:20 UTC: Redis came back without 12,345 events")
    assert "678 customers are lost" in said
