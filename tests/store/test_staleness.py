"""When a store that was away holds again what it can hold, and what it lost for good: from counts alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ports.health import CommitPoint
from engine.store.staleness import AT_MOST_S, STALLED_S, Loss, StalenessDetector

Look = tuple[int, Sequence[int], float]


def points(offsets: Sequence[int], before: int = 0) -> list[CommitPoint]:
    """Partitions at `offsets`, with `before` records each settled before the log began; a customer a record."""
    return [CommitPoint(before + offset, before + offset, offset) for offset in offsets]


def behind(*looks: Look) -> list[bool]:
    """What each look (connection, offsets, seconds) found, while no worker says that it has caught up."""
    detector, found = StalenessDetector(), []
    for connection, offsets, now in looks:
        detector.look(connection, points(offsets), [], now)
        found.append(detector.behind)
    assert detector.losses == []
    return found


def test_the_first_connection_is_believed() -> None:
    assert behind((1, [5, 7], 0.0), (1, [6, 7], 0.5)) == [False, False]


def test_a_new_connection_to_a_store_that_lost_nothing_is_believed_at_once() -> None:
    assert behind((1, [5, 7], 0.0), (2, [5, 7], 0.5), (3, [9, 9], 0.9)) == [False] * 3


def test_one_that_came_back_older_is_behind_until_every_partition_is_where_it_was() -> None:
    looks = [(1, [50, 70], 0.0), (2, [0, 0], 1.0), (2, [50, 69], 2.0), (2, [50, 70], 3.0), (2, [51, 70], 4.0)]
    assert behind(*looks) == [False, True, True, False, False]


def test_a_second_loss_on_the_way_is_measured_by_what_was_held_first() -> None:
    looks = [(1, [50], 0.0), (2, [0], 1.0), (2, [30], 2.0), (3, [10], 3.0), (3, [49], 4.0), (3, [50], 5.0)]
    assert behind(*looks) == [False, True, True, True, True, False]


def test_a_later_loss_is_measured_by_what_was_held_last() -> None:
    looks = [(1, [50], 0.0), (2, [0], 1.0), (2, [60], 2.0), (2, [80], 3.0), (3, [79], 4.0)]
    assert behind(*looks) == [False, True, False, False, True]


def test_a_store_that_is_emptied_and_keeps_its_connections_is_behind() -> None:
    looks = [(1, [50, 70], 0.0), (1, [0, 0], 1.0), (1, [50, 69], 2.0), (1, [50, 70], 3.0), (1, [51, 70], 4.0)]
    assert behind(*looks) == [False, True, True, False, False]


def test_one_that_is_emptied_again_on_the_way_is_measured_by_what_was_held_first() -> None:
    looks = [(1, [50], 0.0), (1, [0], 1.0), (1, [40], 2.0), (1, [0], 3.0), (1, [49], 4.0), (1, [50], 5.0)]
    assert behind(*looks) == [False, True, True, True, True, False]


def test_who_had_caught_up_before_it_was_emptied_has_not_since() -> None:
    detector = StalenessDetector()
    assert not detector.look(1, points([50]), [True], 0.0)
    assert detector.look(1, points([0]), [True], 1.0)  # reported before
    assert (detector.behind, detector.losses) == (True, [])
    assert not detector.look(1, points([0]), [False], 2.0)
    assert (detector.behind, detector.losses) == (True, [])
    assert not detector.look(1, points([30]), [True], 3.0)
    assert (detector.behind, detector.losses) == (False, [Loss(20, 20)])


def test_a_tally_that_is_deleted_or_a_log_that_begins_anew_is_no_loss() -> None:
    for after in (CommitPoint(0, 0, 50), CommitPoint(50, 50, 0)):
        detector = StalenessDetector()
        detector.look(1, points([50]), [True], 0.0)
        assert not detector.look(1, [after], [True], 1.0)
        assert (detector.behind, detector.losses) == (False, [])


@pytest.mark.parametrize("step", [0, 1])
def test_who_waits_for_what_never_comes_is_not_kept_for_ever(step: int) -> None:
    looks = [(1, [10**9], 0.0), *((2, [step * at], float(at)) for at in range(1, int(AT_MOST_S) + 3))]
    found = behind(*looks)
    limit = AT_MOST_S if step else STALLED_S
    assert found.count(True) == limit
    assert not found[-1]


def test_a_worker_that_comes_late_is_noticed_again() -> None:
    late = 2.0 + STALLED_S
    looks = [(1, [50], 0.0), (2, [0], 1.0), (2, [0], late), (2, [20], late + 1), (2, [50], late + 2)]
    assert behind(*looks) == [False, True, False, True, False]


def test_the_wait_ends_when_all_that_kafka_holds_is_applied_and_what_it_holds_no_more_is_lost() -> None:
    detector = StalenessDetector()
    detector.look(1, points([50, 20], before=900), [True, True], 0.0)
    for offsets, caught_up in (([0, 0], [False, False]), ([30, 20], [False, True]), ([49, 20], [False, True])):
        detector.look(2, points(offsets), caught_up, 1.0)
        assert (detector.behind, detector.losses) == (True, [])
    detector.look(2, points([50, 20]), [False, True], 2.0)
    assert (detector.behind, detector.losses) == (False, [Loss(1_800, 1_800)])
    detector.look(2, points([60, 25]), [True, True], 3.0)
    assert detector.losses == [Loss(1_800, 1_800)]  # once


def test_the_wait_ends_too_when_the_log_itself_began_anew_while_redis_was_away() -> None:
    detector = StalenessDetector()
    detector.look(1, points([6_000], before=300), [True], 0.0)
    detector.look(2, points([10]), [False], 1.0)
    assert detector.behind
    detector.look(2, points([12]), [True], 2.0)
    assert (detector.behind, detector.losses) == (False, [Loss(6_288, 6_288)])


def test_a_log_that_begins_anew_beside_a_redis_that_lost_nothing_is_no_loss() -> None:
    detector = StalenessDetector()
    detector.look(1, points([6_000]), [True], 0.0)
    detector.look(2, points([0], before=6_000), [False], 1.0)
    detector.look(2, points([9], before=6_000), [True], 2.0)
    assert (detector.behind, detector.losses) == (False, [])


def test_offsets_that_hold_no_record_are_no_loss() -> None:
    detector = StalenessDetector()
    detector.look(1, [CommitPoint(40, 9, 50)], [True], 0.0)
    detector.look(2, [CommitPoint(41, 9, 60)], [True], 1.0)  # a transaction's markers
    assert (detector.behind, detector.losses) == (False, [])


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_exactly_what_lay_before_the_log_is_lost(before: int, held: int, kept: int, more: int) -> None:
    """A Redis that kept the first `kept` of all records; its log begins after the first `before`."""
    kept = min(kept, before + held - 1)
    offset = max(kept - before, 0)  # what it kept of the log goes on there, what lies before was in no log of ours
    restored = CommitPoint(kept, 0, offset if kept >= before else 0)
    detector = StalenessDetector()
    detector.look(1, [CommitPoint(before + held, 0, held)], [True], 0.0)
    detector.look(2, [restored], [False], 1.0)
    applied = held + more - restored.offset
    detector.look(2, [CommitPoint(kept + applied, 0, held + more)], [True], 2.0)
    assert not detector.behind
    assert [loss.records for loss in detector.losses] == ([before - kept] if kept < before else [])
