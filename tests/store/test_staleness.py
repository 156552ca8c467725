"""When a store that was away holds again what it held, told from counts alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.store.staleness import AT_MOST_S, STALLED_S, StalenessDetector


def behind(*looks: tuple[int, Sequence[int], float]) -> list[bool]:
    """What each look (connection, counts, seconds) found."""
    recovery, found = StalenessDetector(), []
    for look in looks:
        recovery.look(*look)
        found.append(recovery.behind)
    return found


def test_the_first_connection_is_believed() -> None:
    assert behind((1, [5, 7], 0.0), (1, [6, 7], 0.5)) == [False, False]


def test_a_new_connection_to_a_store_that_lost_nothing_is_believed_at_once() -> None:
    assert behind((1, [5, 7], 0.0), (2, [5, 7], 0.5), (3, [9, 9], 0.9)) == [False] * 3


def test_one_that_came_back_older_is_behind_until_every_partition_has_caught_up() -> None:
    looks = [(1, [50, 70], 0.0), (2, [0, 0], 1.0), (2, [50, 69], 2.0), (2, [50, 70], 3.0), (2, [51, 70], 4.0)]
    assert behind(*looks) == [False, True, True, False, False]


def test_a_second_loss_on_the_way_is_measured_by_what_was_held_first() -> None:
    looks = [(1, [50], 0.0), (2, [0], 1.0), (2, [30], 2.0), (3, [10], 3.0), (3, [49], 4.0), (3, [50], 5.0)]
    assert behind(*looks) == [False, True, True, True, True, False]


def test_a_later_loss_is_measured_by_what_was_held_last() -> None:
    looks = [(1, [50], 0.0), (2, [0], 1.0), (2, [60], 2.0), (2, [80], 3.0), (3, [79], 4.0)]
    assert behind(*looks) == [False, True, False, False, True]


def test_a_loss_is_told_by_a_new_connection_alone() -> None:
    assert behind((1, [50], 0.0), (1, [0], 1.0), (2, [3], 2.0)) == [False] * 3


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
