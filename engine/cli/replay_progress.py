"""How far a replay is: a progress bar in a terminal, a line at intervals in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from engine.replay.run import OnProgress, ReplayProgress
from engine.replay.segment_payload import rfc3339

EVERY_S = 5.0  # between two lines
LEAST_SHARE = 0.001  # below, an estimate is a guess


@contextmanager
def showing(name: str, console: Console, clock: Callable[[], float]) -> Iterator[OnProgress]:
    """What is to be called with the progress of the log `name`. `clock` is in seconds, from anywhere on."""
    if not console.is_terminal:
        yield ProgressLines(
            name, clock, lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)
        )
        return
    with _bar(console) as bar:
        task = bar.add_task(name, total=1.0, state="")

        def show(progress: ReplayProgress) -> None:
            bar.update(task, completed=progress.share, state=_state(progress))

        yield show


class ProgressLines:
    """Called with each progress, writes a line every `EVERY_S`."""

    def __init__(self, name: str, clock: Callable[[], float], write: Callable[[str], None]) -> None:
        self._name, self._clock, self._write = name, clock, write
        self._began = self._last = clock()
        self._reading = False

    def __call__(self, progress: ReplayProgress) -> None:
        """Write when it is time."""
        now = self._clock()
        if progress.reading != self._reading:
            self._reading, self._began = progress.reading, now
        if now - self._last < EVERY_S:
            return
        self._last = now
        left = remaining_s(progress.share, now - self._began)
        estimate = "" if left is None else f", about {duration(left)} left"
        self._write(f"{self._name}: {progress.share:.0%}{estimate}, {_state(progress)}")


def remaining_s(share: float, elapsed_s: float) -> float | None:
    """Seconds left if it goes on as until now; None while too little is done to say."""
    return elapsed_s * (1 - share) / share if share >= LEAST_SHARE else None


def duration(seconds: float) -> str:
    """As a rounded-up text.

    >>> duration(0.2), duration(59.2), duration(61), duration(3_601), duration(172_800)
    ('1 s', '1 min', '2 min', '1 h 1 min', '48 h')
    """
    whole = max(int(-(-seconds // 1)), 1)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(-(-whole // 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def _state(progress: ReplayProgress) -> str:
    if progress.reading:
        return "looking for the last event"
    behind = f", {progress.behind_ms / 1_000:.1f} s behind" if progress.behind_ms > 1_000 else ""
    return f"{progress.sent:,} events, at {rfc3339(progress.at)}{behind}"


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:.0f} %"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
