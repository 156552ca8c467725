"""``cueline bench compare``: this checkout beside another commit, by the processor time of the engine's processes.

The two are measured in turns (A B, B A, A B …), each turn with fresh processes, which cancels drift of the
machine and variation between starts. Wall time depends on noisy neighbours; processor time does less, and a
ratio of two adjacent turns least.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal, Protocol, TypeVar

import msgspec
from rich.console import Console
from rich.progress import Progress

from engine.errors import BadSettings
from loadtest.compare_decisions import DecisionsTrial
from loadtest.compare_stream import Spent, StreamTrial
from loadtest.decisions import machine
from loadtest.interpreters import interpreter_for
from loadtest.interval import interval
from loadtest.layouts import Layout, Layouts
from loadtest.process_time import check_platform
from loadtest.side import Side

Measured = TypeVar("Measured")
Subject = Literal["stream", "decisions"]
METHOD = "geometric mean of the pairs, 95 % interval of Student's t on their logarithms"


class Size(msgspec.Struct, frozen=True):
    """How much is measured in a turn."""

    events: int = 600_000
    customers: int = 20_000
    decisions: int = 20_000
    events_of_rows: int = 150_000


class CompareResult(msgspec.Struct, frozen=True, rename="camel"):
    """``ratio`` = this checkout / the other commit, in processor time for an event or decision: below 1 this one
    is cheaper. ``low`` and ``high`` bound it, ``ratios`` are those of each pair of turns, ``this`` and ``other``
    the medians in microseconds. ``uncommitted``: this checkout had changes; ``same``: both are the same files."""

    ratio: float
    low: float
    high: float
    ratios: tuple[float, ...]
    this: float
    other: float
    unit: str
    method: str
    pairs: int
    failed: int
    revision: str
    commit: str
    this_commit: str
    uncommitted: bool
    same: bool
    own_environment: bool
    machine: dict[str, str | int | float]


class Trial(Protocol):
    """What is measured: `open` it, then `measure` one side after the other."""

    @property
    def unit(self) -> str:
        """What is counted."""

    def open(self, progress: Callable[[float], None]) -> AbstractAsyncContextManager[object]:
        """Set up what both sides share."""

    async def measure(self, side: Side) -> Spent:
        """One turn of one side."""


def bench_compare(
    revision: str, subject: Subject, pairs: int, rules: Path | None, size: Size, console: Console
) -> CompareResult:
    """Compare with `revision` over `pairs` (2 at least) of turns; both get `rules`, by default `revision`'s own.

    Raises `BadSettings` when there is no such commit, no git checkout or nothing to measure with, `Unavailable`
    when a process does not start, dies, gets stuck or answers badly.
    """
    check_platform()
    if pairs < 2:
        raise BadSettings("an interval needs two pairs at least")
    layouts = Layouts()
    commit = layouts.resolve(revision)
    with layouts.held(), TemporaryDirectory(prefix="cueline-bench-") as folder, Progress(console=console) as bar:
        this, other = _laid_out(layouts, commit, bar)
        rules = (rules or other.folder / "rules").absolute()
        sides = _sides(this, other, rules, layouts.home, bar)
        trial = _trial(subject, Path(folder), size)
        turns = asyncio.run(_measured(trial, sides, pairs, bar))
    return _result(revision, this, other, sides, trial.unit, turns)


def _laid_out(layouts: Layouts, commit: str, bar: Progress) -> tuple[Layout, Layout]:
    task = bar.add_task("laying out", total=2)
    other = layouts.commit(commit)
    bar.advance(task)
    this = layouts.working_tree()
    bar.advance(task)
    if this.dirty:
        bar.console.print("this checkout has uncommitted changes: they are measured as they are")
    if this.folder == other.folder:
        bar.console.print("both are the same files: the ratio is 1 but for the machine's noise")
    return this, other


def _sides(this: Layout, other: Layout, rules: Path, home: Path, bar: Progress) -> tuple[Side, Side]:
    task = bar.add_task("environments", total=2)
    made = []
    for name, layout in (("this", this), ("other", other)):
        made.append(Side(name, layout.folder, interpreter_for(layout.folder, home), rules))
        bar.advance(task)
    return made[0], made[1]


def _trial(subject: Subject, folder: Path, size: Size) -> Trial:
    if subject == "stream":
        return StreamTrial(folder, size.events, size.customers)
    return DecisionsTrial(folder, size.decisions, size.customers, size.events_of_rows)


async def _measured(
    trial: Trial, sides: tuple[Side, Side], pairs: int, bar: Progress
) -> list[tuple[Spent, Spent]]:
    filling = bar.add_task("filling the topic", total=1.0)
    async with trial.open(lambda share: bar.update(filling, completed=share)):
        warming = bar.add_task("warming up", total=2)
        for side in sides:  # compiles the kernels, writes the bytecode; its figures are not used
            await trial.measure(side)
            bar.advance(warming)
        measuring = bar.add_task("measuring", total=2 * pairs)
        return await in_turns(trial.measure, sides, pairs, lambda: bar.advance(measuring))


async def in_turns(
    measure: Callable[[Measured], Awaitable[Spent]],
    sides: tuple[Measured, Measured],
    pairs: int,
    tick: Callable[[], None],
) -> list[tuple[Spent, Spent]]:
    """A B, B A, A B …: what each pair measured, A's first."""
    found = []
    for turn in range(pairs):
        spent: dict[int, Spent] = {}
        for place in (0, 1) if turn % 2 == 0 else (1, 0):
            spent[place] = await measure(sides[place])
            tick()
        found.append((spent[0], spent[1]))
    return found


def _result(
    revision: str,
    this: Layout,
    other: Layout,
    sides: tuple[Side, Side],
    unit: str,
    turns: Sequence[tuple[Spent, Spent]],
) -> CompareResult:
    ratios = [ours.microseconds / theirs.microseconds for ours, theirs in turns]
    found = interval(ratios)
    return CompareResult(
        round(found.ratio, 4),
        round(found.low, 4),
        round(found.high, 4),
        tuple(round(ratio, 4) for ratio in ratios),
        round(median(ours.microseconds for ours, _ in turns), 3),
        round(median(theirs.microseconds for _, theirs in turns), 3),
        f"microseconds of processor time for one {unit}",
        METHOD,
        len(turns),
        sum(spent.failed for pair in turns for spent in pair),
        revision,
        other.commit,
        this.commit,
        this.dirty,
        this.folder == other.folder,
        sides[0].python != sides[1].python,
        machine(),
    )
