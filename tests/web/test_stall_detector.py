"""Events that arrive while none is read: from when, and for how long, a stall is reported."""

from __future__ import annotations

from engine.web.pages.stall_detector import STALLED_AFTER_S, StallDetector


def test_an_engine_that_reads_is_not_told() -> None:
    detector = StallDetector()
    assert [detector.look(100 * at, 100 * at, at) for at in range(20)] == [0.0] * 20


def test_one_to_which_nothing_comes_is_not_told() -> None:
    detector = StallDetector()
    assert [detector.look(7, 5, at) for at in range(0, 100, 10)] == [0.0] * 10


def test_events_that_nobody_reads_are_told_from_the_first_on() -> None:
    detector = StallDetector()
    detector.look(10, 10, 0.0)
    detector.look(10, 10, 60.0)  # no events until here
    assert detector.look(11, 10, 61.0) == 0.0
    assert detector.look(12, 10, 60.0 + STALLED_AFTER_S) == 0.0
    assert detector.look(12, 10, 67.0) == 7.0
    assert detector.look(99, 10, 90.0) == 30.0


def test_a_single_event_read_ends_it() -> None:
    detector = StallDetector()
    detector.look(10, 10, 0.0)
    assert detector.look(50, 10, 20.0) == 20.0
    assert detector.look(50, 11, 21.0) == 0.0
    assert detector.look(50, 11, 40.0) == 0.0  # no more came in
    assert detector.look(51, 11, 50.0) == 10.0


def test_a_reader_who_comes_late_is_told_nothing_of_before() -> None:
    detector = StallDetector()
    assert detector.look(1_000, 3, 500.0) == 0.0
    assert detector.look(1_001, 3, 503.0) == 0.0
    assert detector.look(1_002, 3, 506.0) == 6.0


def test_counters_that_began_anew_are_a_change() -> None:
    detector = StallDetector()
    detector.look(10, 10, 0.0)
    assert detector.look(20, 0, 30.0) == 0.0
