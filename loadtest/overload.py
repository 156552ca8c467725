"""``cueline bench overload``: what an api process does with five times the decisions that it can make.

The HTTP process, Valkey and the broker have one processor, the generator another (where there are two): it could
not send at such a rate from a share of the same one, and would take more of it the more it sends. Arrivals are
planned beforehand (open loop, Poisson), so that the load does not ease when the server stalls.

A closed loop, some rates around what that is answered, and five times of it come in turns, so that a noisy machine
does the same to all of them. The *peak* is the most that is answered well and in time of one of those rates, over
all turns: a fallback is not goodput, and an answer after twice the deadline is late. (The luckiest of single tries
was a tenth more than what the same rate gave again.) During the overload somebody probes ``/health/live`` and
``/health/ready`` over a new connection each time. At the end a rulebook of thousands of rules is swapped in, and
what that holds up is seen by a client that asks every two milliseconds.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console
from rich.progress import Progress

from engine.errors import Unavailable
from engine.local.loopback import HOST, free_port
from engine.local.services import LocalServices
from engine.local.supervisor import Change
from engine.rulebook.directory import load as load_rules
from engine.settings import Settings
from loadtest import decisions, people
from loadtest.flood import Flood, Tally, flooded
from loadtest.http_load import closed_loop, connect
from loadtest.processors import pinned, processors, stay_on
from loadtest.swap_stalls import swap_stalls

TIMES = 5
SHARES = (0.9, 1.0, 1.1, 1.2)  # of what a closed loop is answered, tried for the peak
TRIED_S = 1.0  # each, in each turn
TURNS = 5
CLOSED_CONNECTIONS = 64
PROBE_EVERY_S = 0.05
SEED = 1


class OverloadResult(msgspec.Struct, frozen=True, rename="camel"):
    """Good answers a second at the peak and at five times it (``ratio``: the second / the first), or more: at five
    times what a closed loop is answered at most. Of the requests of the overload how many were refused in time,
    answered or refused too late, answered by a fallback, found no connection free and were not sent, or failed.
    ``probeMaxMs`` is the longest probe, ``rssGrowthMb`` how much the HTTP process grew.

    ``swapStallMaxMs`` is the longest wait of a client while ``swappedRules`` indicators and as many offers are
    swapped in, ``quietStallMaxMs`` that of as long a time before. ``pinned``: server and generator had a
    processor each.
    """

    seconds: float
    peak_per_second: float
    goodput_at_five_times: float
    ratio: float
    offered_per_second: float
    refused: int
    late: int
    fallbacks: int
    unsent: int
    failed: int
    probe_max_ms: float
    rss_growth_mb: float
    swap_stall_max_ms: float
    quiet_stall_max_ms: float
    swapped_rules: int
    connections: int
    customers: int
    pinned: bool
    machine: dict[str, str | int | float]


class _Measured(msgspec.Struct):
    """What was seen, as it was seen."""

    peak: float = 0.0
    tally: Tally = msgspec.field(default_factory=Tally)
    probe_s: float = 0.0
    grown_mb: float = 0.0
    quiet_s: float = 0.0
    swap_s: float = 0.0


def bench_overload(
    seconds: float = 10.0,
    connections: int = 1_000,
    customers: int = 20_000,
    swapped_rules: int = 3_000,
    rules: Path = Path("rules"),
    console: Console | None = None,
) -> OverloadResult:
    """Run it: `seconds` of overload over `connections`, on `customers` rows, with the files in `rules`.

    Raises `BadRule` when those do not compile, `BadSettings` when there is no Valkey or broker for the platform,
    `Unavailable` when a server does not start or answers nothing well.
    """
    channels = decisions.channels_of(load_rules(rules))
    named = people.names(customers)
    requests = decisions.requests_for("engine", named, channels)
    shown = console or Console(stderr=True)
    cores = processors()
    with pinned(cores):
        seen = uvloop.run(_measure(seconds, connections, named, requests, swapped_rules, rules, cores, shown))
    goodput = seen.tally.good / seconds
    return OverloadResult(
        seconds,
        round(seen.peak, 1),
        round(goodput, 1),
        round(goodput / seen.peak, 3),
        round(seen.tally.planned / seconds, 1),
        seen.tally.refused,
        seen.tally.late,
        seen.tally.fallbacks,
        seen.tally.unsent,
        seen.tally.failed,
        round(seen.probe_s * 1_000, 1),
        round(seen.grown_mb, 1),
        round(seen.swap_s * 1_000, 1),
        round(seen.quiet_s * 1_000, 1),
        swapped_rules,
        connections,
        customers,
        len(cores) > 1,
        decisions.machine(),
    )


async def _measure(
    seconds: float,
    connections: int,
    named: Sequence[str],
    requests: list[bytes],
    swapped_rules: int,
    rules: Path,
    cores: Sequence[int],
    console: Console,
) -> _Measured:
    pids: dict[str, int] = {}

    def note(change: Change) -> None:
        pids[change.name] = change.pid

    with tempfile.TemporaryDirectory(prefix="cueline-bench-") as directory, Progress(console=console) as progress:
        folder = Path(directory)
        shutil.copytree(rules, folder / "rules")
        starting = progress.add_task("services", total=3)
        stay_on(cores, 0)
        async with LocalServices(folder, on_change=note) as services:
            progress.advance(starting)
            await decisions.fill(services.redis_url, named)
            progress.advance(starting)
            await decisions.start(services, "engine", port := free_port(), folder / "rules")
            progress.advance(starting)
            stay_on(cores, -1)
            core = cores[-1] if len(cores) > 1 else -1
            late_s = 2 * Settings().web.deadline_ms / 1_000
            flood = Flood(HOST, port, requests, connections, 0.0, 0.0, late_s, decisions.FALLBACK, core, SEED)
            seen = _Measured()
            loading = progress.add_task(f"the peak and {TIMES} times it", total=TURNS * (len(SHARES) + 2))
            await _in_turns(flood, seconds, pids["engine"], seen, lambda: progress.advance(loading))
            swapping = progress.add_task("swap of rules", total=2)
            seen.swap_s, seen.quiet_s = await swap_stalls(
                port, folder, services, swapped_rules, lambda: progress.advance(swapping)
            )
            return seen


async def _in_turns(flood: Flood, seconds: float, pid: int, seen: _Measured, tick: Callable[[], None]) -> None:
    """`TURNS` of the rates tried for the peak, each followed by its part of `seconds` of overload."""
    asked = itertools.cycle(flood.requests)
    await _closed_loop(flood, asked, decisions.WARM_UP_S)
    before, most, tried = 0.0, 0.0, [Tally() for _ in SHARES]
    for turn in range(TURNS):
        most = max(most, await _closed_loop(flood, asked, TRIED_S))
        tick()
        for number, share in enumerate(SHARES):
            one = msgspec.structs.replace(flood, per_second=share * most, seconds=TRIED_S, seed=SEED + turn)
            tried[number] = sum_of(tried[number], await flooded(one))
            tick()
        before = before or resident_mb(pid)
        rate = TIMES * max(most, peak_of(tried, (turn + 1) * TRIED_S))
        part = msgspec.structs.replace(flood, per_second=rate, seconds=seconds / TURNS, seed=SEED + turn)
        await _overload(part, seen)
        tick()
    seen.grown_mb = max(resident_mb(pid) - before, 0.0)
    seen.peak = peak_of(tried, TURNS * TRIED_S)


async def _closed_loop(flood: Flood, asked: Iterator[bytes], seconds: float) -> float:
    """Answers a second. Raises `Unavailable` when nothing is answered well."""
    lines = await connect(HOST, flood.port, CLOSED_CONNECTIONS, flood.fallback)
    most = (await closed_loop(lines, asked, seconds)).per_second
    for line in lines:
        line.close()
    if not most:
        raise Unavailable("no request was answered well")
    return most


def peak_of(tried: Sequence[Tally], seconds: float) -> float:
    """The most good answers a second of those `tried` for `seconds` each. Raises `Unavailable` for none."""
    best = max(tally.good for tally in tried)
    if not best:
        raise Unavailable("no request was answered well")
    return best / seconds


async def _overload(flood: Flood, seen: _Measured) -> None:
    probing = asyncio.ensure_future(_probe(flood.port, seen))
    try:
        tally = await flooded(flood)
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
    seen.tally = sum_of(seen.tally, tally)


def sum_of(one: Tally, other: Tally) -> Tally:
    """What became of the requests of both."""
    return Tally(*map(operator.add, msgspec.structs.astuple(one), msgspec.structs.astuple(other)))


async def _probe(port: int, seen: _Measured) -> None:
    """Probe until cancelled; one that is under way then counts as well."""
    for path in itertools.cycle(("/health/live", "/health/ready")):
        began = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
            await reader.read()
            writer.close()
        finally:
            seen.probe_s = max(seen.probe_s, time.perf_counter() - began)
        await asyncio.sleep(PROBE_EVERY_S)


def resident_mb(pid: int) -> float:
    """Memory of a process; NaN elsewhere than on Linux."""
    if sys.platform != "linux":
        return float("nan")
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
