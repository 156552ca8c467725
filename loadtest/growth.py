"""``cueline bench growth``: what an event costs the worker, and a customer the store, as customers become more.

Each point has services of its own. Its customers come twice (`loadtest.visits`), equally many of them at any
moment. So the points differ in how many customers there are, and not in how many events of one customer a
micro-batch of the backlog happens to hold, which decides how many rows it reads and writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import fsum
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID

from engine.errors import BadSettings
from engine.kernels.row import ROW_BYTES
from engine.settings import Stream
from loadtest.backlog import Backlog, BacklogRead
from loadtest.decisions import machine
from loadtest.process_time import check_platform
from loadtest.visits import visits

SEED = 1
MOST_CUSTOMERS = 100_000_000
LEAST_EVENTS = 500_000  # of a point; a log of fewer is read several times
MOST_TURNS = 3
#: What an event and a customer need at most, in all processes, but for the rows that the worker holds in memory.
EVENT_BYTES, CUSTOMER_BYTES = 200, 4_000


class Shop(msgspec.Struct, frozen=True):
    """What is the same at all points: events of each customer, customers there at a moment, and the rules."""

    events_per_customer: int
    active: int
    rules: Path


class GrowthPoint(msgspec.Struct, frozen=True, rename="camel"):
    """So many customers: events a second and processor time of the worker alone, and what Valkey grew by for each,
    by its own ``used_memory``. That holds the catalogue's words and the cues too, and grows in steps where Valkey
    doubles a table: of few customers it is imprecise."""

    customers: int
    events_per_customer: int
    events_per_second: int
    cpu_seconds_per_million_events: float
    redis_bytes_per_customer: int


class GrowthResult(msgspec.Struct, frozen=True, rename="camel"):
    """The points in the order asked for; ``growth`` is the last one's processor time over the first one's."""

    points: list[GrowthPoint]
    growth: float
    active: int
    machine: dict[str, str | int | float]


async def bench_growth(customers: Sequence[int], shop: Shop, console: Console) -> GrowthResult:
    """Measure a point for each of `customers`.

    Raises `BadSettings` where there is not memory enough or no processor time to be read, `Unavailable` when a
    service does not start, or the worker dies or gets stuck.
    """
    check_platform()
    check_memory(max(customers), shop.events_per_customer, available_bytes())
    facts = machine()  # before the load
    with Progress(console=console, transient=True) as bar:
        points = [await _point(count, shop, bar) for count in customers]
    costs = [point.cpu_seconds_per_million_events for point in points]
    return GrowthResult(points, round(costs[-1] / costs[0], 2), shop.active, facts)


def check_memory(customers: int, events_per_customer: int, available: int) -> None:
    """Raises `BadSettings` where a point of `customers` may need more than the `available` bytes."""
    held = min(customers, Stream().rows_in_memory) * ROW_BYTES
    needed = customers * (events_per_customer * EVENT_BYTES + CUSTOMER_BYTES) + held
    if needed > available:
        raise BadSettings(
            f"{customers:,} customers with {events_per_customer} events each may need {needed / 1e9:.1f} GB, and "
            f"{available / 1e9:.1f} GB are free: measure fewer (--customers, --events-per-customer)"
        )


def available_bytes() -> int:
    """Memory that can be had without swapping."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(1024 * int(words[1]) for words in lines if words[0] == "MemAvailable:")


def turns(events: int) -> int:
    """How often a point of `events` is measured: a short measurement says little."""
    return min(max(-(-LEAST_EVENTS // events), 1), MOST_TURNS)


async def _point(customers: int, shop: Shop, bar: Progress) -> GrowthPoint:
    came = visits(customers, shop.events_per_customer, shop.active, np.random.default_rng(SEED))
    events, often = len(came.who), turns(len(came.who))
    filling = bar.add_task(f"{customers:,} customers: filling the topic", total=often * events)
    reading = bar.add_task(f"{customers:,} customers: the worker", total=often * events)
    found = []
    for turn in range(often):
        with TemporaryDirectory(prefix="cueline-bench-") as folder:
            async with Backlog(Path(folder), shop.rules).set(customers, came) as worker:
                await worker.fill(came, partial(_show, bar, filling, turn * events))
                found.append(await worker.read(events, partial(_show, bar, reading, turn * events)))
    return joined(customers, shop.events_per_customer, found)


def _show(bar: Progress, task: TaskID, before: int, done: int) -> None:
    bar.update(task, completed=before + done)


def joined(customers: int, events_per_customer: int, read: Sequence[BacklogRead]) -> GrowthPoint:
    """The point of `read`, which are readings of one log."""
    events = sum(reading.events for reading in read)
    return GrowthPoint(
        customers,
        events_per_customer,
        round(fmean(reading.per_second for reading in read)),
        round(fsum(reading.cpu_seconds for reading in read) / events * 1e6, 3),
        round(fmean(reading.stored_bytes / reading.customers for reading in read)),
    )
