"""``cueline bench decisions``: what a decision costs beside the least a state lookup can cost.

Two servers run side by side: Cueline's HTTP process as it is deployed (``cueline api``), and an ASGI function
that does one Redis GET and answers a constant (`loadtest.bare_server`), both on one server configuration and one
Valkey. One generator loads them in turns of a second (A B B A …), so that other load on the machine
affects both alike.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import redis.asyncio
import uvloop
from rich.console import Console
from rich.progress import Progress

from engine.clock import wall_ms
from engine.errors import Unavailable
from engine.local.loopback import HOST, free_port
from engine.local.services import LocalServices
from engine.rulebook.directory import load
from engine.rulebook.model import Rulebook
from engine.settings import Settings
from engine.state.row_codec import as_words, write
from engine.store.keys import RedisKeys
from loadtest import people
from loadtest.http_load import Load, closed_loop, connect, joined, post

API_KEY = "bench-of-decisions-per-second"
SIDES = {"engine": ("engine", "api"), "bare": ("loadtest.bare_server",)}
FALLBACK = b'"fallback":true}'  # how an answer ends that was not decided on the customer's state
TURN_S = 1.0
WARM_UP_S = 2.0
MSET_ROWS = 1_000


class EndpointLatency(msgspec.Struct, frozen=True, rename="camel"):
    """One server's figures: good answers a second over its turns, quantiles of the time to them, and how many
    requests failed: an answer that is not 200, or a fallback."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


class DecisionResult(msgspec.Struct, frozen=True, rename="camel"):
    """Both sides and ``ratio`` = engine / bare in answers a second. ``ratios`` are those of each pair of
    turns: their spread shows the noise of the machine."""

    engine: EndpointLatency
    bare: EndpointLatency
    ratio: float
    ratios: tuple[float, ...]
    connections: int
    customers: int
    seconds: float
    offers: int
    revision: str
    machine: dict[str, str | int | float]


def bench_decisions(
    seconds: float = 20.0,
    connections: int = 16,
    customers: int = 50_000,
    rules: Path = Path("rules"),
    console: Console | None = None,
) -> DecisionResult:
    """Run it for about `seconds` of load over `connections`, on `customers` rows, with the files in `rules`.

    Raises `BadRule` when those do not compile, `BadSettings` when there is no Valkey or broker for the
    platform, `Unavailable` when a server does not start or answers nothing well.
    """
    rules = rules.absolute()
    rulebook = load(rules)
    loads = uvloop.run(_measure(seconds, connections, customers, rules, rulebook, console or Console(stderr=True)))
    engine, bare = side(loads["engine"]), side(loads["bare"])
    pairs = zip(loads["engine"], loads["bare"], strict=True)
    return DecisionResult(
        engine,
        bare,
        engine.per_second / bare.per_second,
        tuple(round(ours.per_second / theirs.per_second, 3) for ours, theirs in pairs if theirs.per_second),
        connections,
        customers,
        seconds,
        len(rulebook.offers),
        rulebook.revision,
        machine(),
    )


def side(loads: Sequence[Load]) -> EndpointLatency:
    """One server's figures over all its turns. Raises `Unavailable` when it answered nothing well."""
    load = joined(loads)
    if not len(load.latencies):
        raise Unavailable(f"none of {load.failed} requests was answered well")
    return EndpointLatency(load.per_second, load.quantile_ms(0.5), load.quantile_ms(0.99), load.failed)


def machine() -> dict[str, str | int | float]:
    """What the figures were taken on: generator, servers and Valkey share it."""
    return {
        "cores": os.cpu_count() or 0,
        "load1m": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def turns(seconds: float) -> int:
    """How many pairs of turns fit into `seconds`, at least one."""
    return max(1, round(seconds / (2 * TURN_S)))


def requests_for(side: str, customers: Sequence[str], channels: Sequence[str]) -> list[bytes]:
    """What is asked of a side: the same customers in the same order, each on the next channel."""
    if side == "bare":
        keys = RedisKeys(Settings().kafka.partitions)
        return [post("/" + row_key(keys, name).decode(), b"{}") for name in customers]
    authorised = [("authorization", f"Bearer {API_KEY}")]
    asked = zip(customers, itertools.cycle(channels), strict=False)
    return [
        post("/v1/decisions", msgspec.json.encode({"customerId": name, "channel": channel}), authorised)
        for name, channel in asked
    ]


def row_key(keys: RedisKeys, customer: str) -> bytes:
    """The key of a customer's row."""
    key = customer.encode()
    return keys.row_prefix[keys.of_customer(key)] + key


def channels_of(rulebook: Rulebook) -> list[str]:
    """The channels of its offers."""
    return sorted({channel for offer in rulebook.offers for channel in offer.channels})


@asynccontextmanager
async def servers(
    folder: Path, customers: Sequence[str], rules: Path, tick: Callable[[], None]
) -> AsyncIterator[dict[str, int]]:
    """Both servers on one Valkey that holds the rows of `customers`: their ports. `tick` is called 2 + 2 times."""
    async with LocalServices(folder) as services:
        tick()
        await fill(services.redis_url, customers)
        tick()
        ports = {side: free_port() for side in SIDES}
        for side in SIDES:
            await start(services, side, ports[side], rules)
            tick()
        yield ports


async def _measure(
    seconds: float, connections: int, customers: int, rules: Path, rulebook: Rulebook, console: Console
) -> dict[str, list[Load]]:
    named = people.names(customers)
    asked = {side: itertools.cycle(requests_for(side, named, channels_of(rulebook))) for side in SIDES}
    with tempfile.TemporaryDirectory(prefix="cueline-bench-") as directory, Progress(console=console) as progress:
        starting = progress.add_task("services", total=2 + len(SIDES))
        async with servers(Path(directory), named, rules, lambda: progress.advance(starting)) as ports:
            loading = progress.add_task("load", total=2 * turns(seconds))
            return await _by_turns(ports, asked, seconds, connections, lambda: progress.advance(loading))


async def fill(url: str, customers: Sequence[str]) -> None:
    """Write the rows to the store's keys."""
    keys, made = RedisKeys(Settings().kafka.partitions), people.rows(len(customers), wall_ms())
    rows = write(as_words(made), np.arange(len(made), dtype=np.int32))
    client = redis.asyncio.Redis.from_url(url)
    for start in range(0, len(customers), MSET_ROWS):
        some = zip(customers[start : start + MSET_ROWS], rows[start : start + MSET_ROWS], strict=True)
        await client.mset({row_key(keys, name): bytes(row) for name, row in some})
    await client.aclose()


async def start(services: LocalServices, side: str, port: int, rules: Path) -> None:
    """Run the server of a side on `port`, with the files in `rules`."""
    env = {
        "CUELINE_WEB__HOST": HOST,
        "CUELINE_WEB__PORT": str(port),
        "CUELINE_WEB__API_KEYS": msgspec.json.encode([API_KEY]).decode(),
        "CUELINE_REDIS__URL": services.redis_url,
        "CUELINE_KAFKA__BROKERS": services.brokers,
        "CUELINE_KAFKA__IDEMPOTENT": "false",
        "CUELINE_RULES__DIRECTORY": str(rules),
    }
    command = [sys.executable, "-m", *SIDES[side]]
    await services.supervisor.run(side, command, env=env, ready=lambda: _listens(port))


async def _listens(port: int) -> bool:
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    return True


async def _by_turns(
    ports: Mapping[str, int],
    asked: Mapping[str, Iterator[bytes]],
    seconds: float,
    connections: int,
    tick: Callable[[], None],
) -> dict[str, list[Load]]:
    """Load both sides by turns; the first of each only warms up."""
    lines = {side: await connect(HOST, ports[side], connections, FALLBACK) for side in SIDES}
    loads: dict[str, list[Load]] = {side: [] for side in SIDES}
    for side in SIDES:
        await closed_loop(lines[side], asked[side], WARM_UP_S)
    for turn in range(turns(seconds)):
        for side in list(SIDES)[:: 1 if turn % 2 else -1]:
            loads[side].append(await closed_loop(lines[side], asked[side], TURN_S))
            tick()
    for line in itertools.chain.from_iterable(lines.values()):
        line.close()
    return loads
