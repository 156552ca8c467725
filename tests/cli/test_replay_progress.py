"""How far a replay is, in lines and in a bar."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from engine.cli.replay_progress import EVERY_S, ProgressLines, remaining_s, showing
from engine.replay.run import ReplayProgress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def progress(share: float, sent: int = 0, reading: bool = False) -> ReplayProgress:
    return ReplayProgress(sent, 1_570_000_000_000, 0, share, reading)


def test_a_line_now_and_then_with_share_and_estimate() -> None:
    clock, lines = Clock(), list[str]()
    show = ProgressLines("log.csv", clock, lines.append)
    show(progress(0.1, 10))
    clock.now += EVERY_S - 0.1
    show(progress(0.2, 20))
    assert lines == []
    clock.now += 0.1
    show(progress(0.25, 2_500))
    show(progress(0.3, 3_000))
    assert lines == ["log.csv: 25%, about 15 s left, 2,500 events, at 2019-10-02T07:06:40.000Z"]
    clock.now += EVERY_S
    show(progress(0.5, 5_000))
    assert lines[1:] == ["log.csv: 50%, about 10 s left, 5,000 events, at 2019-10-02T07:06:40.000Z"]


def test_reading_ahead_is_estimated_by_itself() -> None:
    clock, lines = Clock(), list[str]()
    show = ProgressLines("log.csv", clock, lines.append)
    show(progress(0.0, reading=True))
    clock.now += 60
    show(progress(0.5, reading=True))
    show(progress(0.0))
    clock.now += 10
    show(progress(0.5, 100))
    assert lines[0] == "log.csv: 50%, about 1 min left, looking for the last event"
    assert lines[1].startswith("log.csv: 50%, about 10 s left, 100 events")


@pytest.mark.parametrize(
    ("share", "left"), [(0.0, None), (0.000_9, None), (0.001, 9_990.0), (0.5, 10.0), (1.0, 0.0)]
)
def test_an_estimate_needs_something_to_go_by(share: float, left: float | None) -> None:
    assert remaining_s(share, 10.0) == (left if left is None else pytest.approx(left))


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_on_a_terminal_only(terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    with showing("log [1].csv", console, Clock()) as show:
        show(progress(0.5, 12_345))
    assert ("\x1b[" in out.getvalue()) is terminal
    assert ("12,345 events" in out.getvalue()) is terminal
    assert ("log [1].csv" in out.getvalue()) is terminal
