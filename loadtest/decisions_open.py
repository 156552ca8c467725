"""``cueline bench decisions --open-loop``: latencies at half of what the bare endpoint can do at most.

The bare endpoint's peak is taken first, in a closed loop; then both sides get the same planned load in turns.
Quantiles come from an HdrHistogram, three digits exact.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvloop
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from engine.errors import BadSettings, Unavailable
from engine.local.loopback import HOST
from engine.rulebook.directory import load as load_rules
from loadtest.decisions import FALLBACK, SIDES, WARM_UP_S, channels_of, machine, requests_for, servers
from loadtest.http_load import closed_loop, connect
from loadtest.open_loop import OpenLoad, OpenLoop, poisson, precise_loop
from loadtest.people import names

SHARE = 0.5  # of the bare endpoint's peak
TURN_S = 2.0
PEAK_CONNECTIONS = 16
PEAK_TURNS = 3  # of a second each: the best is the peak
POOL = 64  # connections of the open loop: more than are ever in flight while the server keeps up
SEED = 1
LONGEST_US = 60_000_000
DIGITS = 3


class Latency(msgspec.Struct, frozen=True, rename="camel"):
    """Of one side: quantiles from the planned departure to the answer, requests planned, those that failed (no
    200, a fallback, or no answer) and those that left more than a millisecond late."""

    p50_ms: float
    p99_ms: float
    p999_ms: float
    requests: int
    failed: int
    late_starts: int


class OpenLoopResult(msgspec.Struct, frozen=True, rename="camel"):
    """Both sides at ``perSecond`` planned requests a second, half of ``barePeakPerSecond``; ``p99Ratio`` is
    engine / bare. ``seconds`` of load, over both sides."""

    engine: Latency
    bare: Latency
    p99_ratio: float
    per_second: float
    bare_peak_per_second: float
    arrivals: str
    seconds: float
    connections: int
    customers: int
    offers: int
    revision: str
    machine: dict[str, str | int | float]


def bench_open_loop(
    seconds: float = 20.0,
    customers: int = 50_000,
    rules: Path = Path("rules"),
    console: Console | None = None,
) -> OpenLoopResult:
    """Run it for about `seconds` of load on `customers` rows, with the files in `rules`.

    Raises `BadRule` when those do not compile, `BadSettings` when something to measure with is missing,
    `Unavailable` when a server does not start or answers nothing well.
    """
    histogram()  # before anything is started
    rulebook, named = load_rules(rules), names(customers)
    asked = {side: itertools.cycle(requests_for(side, named, channels_of(rulebook))) for side in SIDES}
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        peak, loads = runner.run(
            _measure(asked, named, rules.absolute(), seconds, console or Console(stderr=True))
        )
    engine, bare = latency(loads["engine"]), latency(loads["bare"])
    return OpenLoopResult(
        engine,
        bare,
        round(engine.p99_ms / bare.p99_ms, 3),
        round(SHARE * peak, 1),
        round(peak, 1),
        "Poisson",
        2 * turns(seconds) * TURN_S,
        POOL,
        customers,
        len(rulebook.offers),
        rulebook.revision,
        machine(),
    )


def turns(seconds: float) -> int:
    """How many pairs of turns fit into `seconds`, at least one."""
    return max(1, round(seconds / (2 * TURN_S)))


def histogram() -> Any:
    """An empty HdrHistogram of microseconds. Raises `BadSettings` when the library is not installed."""
    try:
        made = importlib.import_module("hdrh.histogram")
    except ModuleNotFoundError as error:
        raise BadSettings("the open loop needs hdrhistogram: make .venv/dev") from error
    return made.HdrHistogram(1, LONGEST_US, DIGITS)


def latency(loads: Sequence[OpenLoad]) -> Latency:
    """The figures of several turns together. Raises `Unavailable` when nothing was answered well."""
    recorded, failed = histogram(), sum(turn.failed for turn in loads)
    seen = np.concatenate([turn.latencies for turn in loads]) * 1e6
    for microseconds in np.clip(seen, 1, LONGEST_US).round().astype(int).tolist():
        recorded.record_value(microseconds)
    good = recorded.get_total_count()
    if not good:
        raise Unavailable(f"none of {failed} requests was answered well")
    p50, p99, p999 = (recorded.get_value_at_percentile(percentile) / 1_000 for percentile in (50, 99, 99.9))
    return Latency(p50, p99, p999, good + failed, failed, sum(turn.late for turn in loads))


async def _measure(
    asked: Mapping[str, Iterator[bytes]], named: Sequence[str], rules: Path, seconds: float, console: Console
) -> tuple[float, dict[str, list[OpenLoad]]]:
    """The bare endpoint's peak, and the turns of both sides."""
    with tempfile.TemporaryDirectory(prefix="cueline-bench-") as folder, Progress(console=console) as progress:
        starting = progress.add_task("services", total=2 + len(SIDES))
        async with servers(Path(folder), named, rules, lambda: progress.advance(starting)) as ports:
            finding = progress.add_task("warm-up and peak", total=len(SIDES))
            rates = {}
            for side in SIDES:
                # in a thread of its own, on the faster loop, as the closed loop's benchmark has it
                rates[side] = await asyncio.to_thread(uvloop.run, _peak(ports[side], asked[side]))
                progress.advance(finding)
            loading = progress.add_task("load", total=2 * turns(seconds))
            loads = await _by_turns(
                ports, asked, SHARE * rates["bare"], seconds, lambda: progress.advance(loading)
            )
            return rates["bare"], loads


async def _peak(port: int, requests: Iterator[bytes]) -> float:
    """The most good answers a second of one server, after a warm-up over as many connections as the open loop
    has: a server opens its own to Redis when it first needs them."""
    lines = await connect(HOST, port, POOL, FALLBACK)
    await closed_loop(lines, requests, WARM_UP_S)
    few = lines[:PEAK_CONNECTIONS]
    rates = [(await closed_loop(few, requests, 1.0)).per_second for _ in range(PEAK_TURNS)]
    for line in lines:
        line.close()
    return max(rates)


async def _by_turns(
    ports: Mapping[str, int],
    asked: Mapping[str, Iterator[bytes]],
    per_second: float,
    seconds: float,
    tick: Callable[[], None],
) -> dict[str, list[OpenLoad]]:
    """Load both sides in turns (A B B A …), each pair with the same plan."""
    loads: dict[str, list[OpenLoad]] = {side: [] for side in SIDES}
    chance = np.random.default_rng(SEED)
    for turn in range(turns(seconds)):
        planned = poisson(per_second, TURN_S, chance)
        for side in list(SIDES)[:: 1 if turn % 2 else -1]:
            loads[side].append(await _turn(ports[side], asked[side], planned))
            tick()
    return loads


async def _turn(port: int, requests: Iterator[bytes], planned: NDArray[np.float64]) -> OpenLoad:
    """Over its own connections: the server closes one that was idle during the other side's turn."""
    lines = await connect(HOST, port, POOL, FALLBACK)
    load = await OpenLoop(lines, requests, planned).run()
    for line in lines:
        line.close()
    return load
