"""``cueline bench stream --shuffled MINUTES``: what an event costs the worker where they come late.

Both logs have the same customers at the same places, who do the same, at the same moments. They differ in which
of a customer's moments comes at which of their places: in order, or as events come in that are up to some minutes
late, each by chance. So the ratio is of order alone, and not of how many customers a micro-batch happens to hold.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress

from engine.errors import BadSettings
from loadtest.backlog import Backlog
from loadtest.compare import METHOD, in_turns
from loadtest.compare_stream import Spent
from loadtest.decisions import machine
from loadtest.growth import available_bytes, check_memory
from loadtest.interval import interval
from loadtest.process_time import check_platform
from loadtest.visits import Visits, delayed, in_order, late_share, visits

SEED = 1
ACTIVE = 1_000  # customers who are there at a moment
PAIRS = 5
MINUTE_MS = 60_000


class ShuffledResult(msgspec.Struct, frozen=True, rename="camel"):
    """``ratio`` = shuffled / in order, in processor time for an event; ``low`` and ``high`` bound it, ``ratios``
    are those of each pair of turns, ``shuffled`` and ``ordered`` the medians in microseconds. ``late`` is the
    share of events that come in after a later one of their customer."""

    ratio: float
    low: float
    high: float
    ratios: tuple[float, ...]
    shuffled: float
    ordered: float
    unit: str
    method: str
    minutes: float
    late: float
    events: int
    customers: int
    machine: dict[str, str | int | float]


async def bench_shuffled(
    events: int, customers: int, minutes: float, rules: Path, console: Console, pairs: int = PAIRS
) -> ShuffledResult:
    """Measure `pairs` of turns, each on a log of about `events`, as many of each of `customers`.

    Raises `BadSettings` where there are too few events, too little memory or no processor time to be read,
    `Unavailable` when a service does not start, or the worker dies or gets stuck.
    """
    check_platform()
    each = events // customers
    if each < 2:
        raise BadSettings(f"{events:,} events of {customers:,} customers have no order: measure more (--events)")
    check_memory(customers, each, available_bytes())
    facts = machine()  # before the load
    chance = np.random.default_rng(SEED)
    shuffled = delayed(visits(customers, each, ACTIVE, chance), round(minutes * MINUTE_MS), chance)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("in order and shuffled, in turns", total=2 * pairs)
        measure = partial(_turn, customers, rules.absolute())
        turns = await in_turns(measure, (shuffled, in_order(shuffled)), pairs, lambda: bar.advance(task))
    ratios = [late.microseconds / ordered.microseconds for late, ordered in turns]
    found = interval(ratios)
    return ShuffledResult(
        round(found.ratio, 4),
        round(found.low, 4),
        round(found.high, 4),
        tuple(round(ratio, 4) for ratio in ratios),
        round(median(late.microseconds for late, _ in turns), 3),
        round(median(ordered.microseconds for _, ordered in turns), 3),
        "microseconds of processor time for one event",
        METHOD,
        minutes,
        round(late_share(shuffled), 4),
        len(shuffled.who),
        customers,
        facts,
    )


async def _turn(customers: int, rules: Path, came: Visits) -> Spent:
    with TemporaryDirectory(prefix="cueline-bench-") as folder:
        async with Backlog(Path(folder), rules).set(customers, came) as worker:
            await worker.fill(came, lambda done: None)
            read = await worker.read(len(came.who), lambda done: None)
    return Spent(read.cpu_seconds, read.events)
