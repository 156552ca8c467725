"""``cueline bench stream``: the worker against a stock Faust agent, on one topic that is filled once.

Both read the same records from the same broker and write to the same Redis, one after the other; each is
timed from its first visible progress to its last, so joining the group and compiling do not count.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import redis.asyncio
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.progress import Progress

from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Event, Kind
from engine.local.services import LocalServices
from engine.local.supervisor import Change, State, Supervisor
from loadtest.process_time import cpu_seconds
from loadtest.visits import Visits

POLL_S = 0.02
STUCK_S = 60.0
LOG_TAIL = 1_500  # characters of a stuck reader's log
SHOP = (Kind.ITEM_VIEWED, Kind.PAGE_VIEWED, Kind.LIST_VIEWED, Kind.SEARCHED, Kind.CART_ADDED, Kind.ORDER_COMPLETED)
SHARES = (0.70, 0.12, 0.07, 0.05, 0.045, 0.015)


class Contender(msgspec.Struct, frozen=True, rename="camel"):
    """What one reader did: events a second, and its own processor time for a million events."""

    events_per_second: float
    cpu_seconds_per_million_events: float
    events: int
    seconds: float


class StreamResult(msgspec.Struct, frozen=True, rename="camel"):
    """The figures of one run; ``ratio`` is engine over stock Faust, events a second."""

    engine: Contender
    stock_faust: Contender
    ratio: float
    events: int
    customers: int
    partitions: int
    indicators: int
    cores: int


async def bench_stream(
    events: int, customers: int, partitions: int, rules: Path, stock_seconds: float, seed: int, console: Console
) -> StreamResult:
    """Run both readers on `events` records of `customers` shoppers. Raises `Unavailable` when one gets stuck."""
    with TemporaryDirectory(prefix="cueline-bench-") as folder, Progress(console=console, transient=True) as bar:
        async with LocalServices(Path(folder), partitions) as services:
            filling = bar.add_task("filling the topic", total=events)
            await fill(services.brokers, events, customers, seed, lambda n: bar.update(filling, completed=n))
            client = redis.asyncio.Redis.from_url(services.redis_url)
            environment = {
                "CUELINE_KAFKA__BROKERS": services.brokers,
                "CUELINE_KAFKA__PARTITIONS": str(partitions),
                "CUELINE_KAFKA__IDEMPOTENT": "false",
                "CUELINE_REDIS__URL": services.redis_socket_url,
                "CUELINE_RULES__DIRECTORY": str(rules.absolute()),
                "CUELINE_STREAM__METRICS_PORT": "0",
            }
            task = bar.add_task("cueline worker", total=events)
            engine = await _time(
                [sys.executable, "-m", "engine", "work", "--directory", f"{folder}/worker"],
                environment,
                Path(folder) / "engine",
                lambda: tally(client, partitions, "applied"),
                events,
                600,
                lambda n: bar.update(task, completed=n),
            )
            task = bar.add_task("stock Faust agent", total=events)
            stock = await _time(
                [sys.executable, "-m", "loadtest.stock_faust", f"{folder}/peer"],
                environment,
                Path(folder) / "stock",
                lambda: _done(client),
                events,
                stock_seconds,
                lambda n: bar.update(task, completed=n),
            )
            await client.aclose()
    indicators = _indicators(rules)
    ratio = engine.events_per_second / stock.events_per_second
    return StreamResult(
        engine, stock, round(ratio, 2), events, customers, partitions, indicators, os.cpu_count() or 0
    )


def _indicators(rules: Path) -> int:
    from engine.rulebook.directory import load

    return len(load(rules).indicators)


def customer(number: int) -> str:
    """A customer of `fill`."""
    return f"customer-{number}"


async def fill(
    brokers: str,
    events: int,
    customers: int,
    seed: int,
    progress: Callable[[int], None],
    batch: int = 10_000,
    visits: Visits | None = None,
) -> None:
    """Write what shoppers do: in the order of `visits`, or each event by any of them and a millisecond after the
    last, up to now."""
    rng = np.random.default_rng(seed)
    producer = AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=5, max_batch_size=512 * 1024)
    await producer.start()
    encode = msgspec.msgpack.Encoder().encode
    times = time.time_ns() // 1_000_000 + (visits.at if visits else np.arange(-events, 0))
    try:
        for start in range(0, events, batch):
            size = min(batch, events - start)
            who = visits.who[start : start + size] if visits else rng.integers(0, customers, size)
            kinds = rng.choice([int(kind) for kind in SHOP], size, p=SHARES)
            items = rng.integers(0, 20_000, size)
            prices = np.round(rng.lognormal(4.0, 1.0, size), 2)
            acks = []
            for i in range(size):
                item, at = int(items[i]), int(times[start + i])
                event = Event(
                    WIRE_VERSION,
                    int(kinds[i]),
                    at,
                    f"{seed:08x}-{start + i:012x}",
                    f"item-{item}",
                    f"category-{item % 120}",
                    float(prices[i]),
                    1,
                    at,
                )
                key = customer(int(who[i])).encode()
                acks.append(await producer.send("cueline.events", encode(event), key=key))
            await asyncio.gather(*acks)
            progress(start + size)
    finally:
        await producer.stop()


async def _time(
    command: list[str],
    environment: dict[str, str],
    logs: Path,
    count: Callable[[], Awaitable[int]],
    events: int,
    seconds: float,
    progress: Callable[[int], None],
) -> Contender:
    """Run one reader until it has done `events`, or for `seconds` from its first progress on.

    Raises `Unavailable` when it dies or makes no progress for `STUCK_S`.
    """
    changes: list[Change] = []
    async with Supervisor(logs, changes.append) as supervisor:
        await supervisor.run("reader", command, environment)
        moved = time.monotonic()
        while (done := await count()) == 0:
            _check(supervisor, changes, moved)
            await asyncio.sleep(POLL_S)
        first = last = done
        start = now = time.perf_counter()
        cpu = cpu_seconds(supervisor.pid("reader"))
        while done < events and now - start < seconds:
            await asyncio.sleep(POLL_S)
            done, now = await count(), time.perf_counter()
            progress(done)
            if done != last:
                last, moved = done, time.monotonic()
            _check(supervisor, changes, moved)
        spent = cpu_seconds(supervisor.pid("reader")) - cpu
    counted = done - first
    return Contender(
        round(counted / (now - start)), round(spent / counted * 1e6, 2), counted, round(now - start, 3)
    )


def _check(supervisor: Supervisor, changes: Sequence[Change], moved: float) -> None:
    """Raise `Unavailable` when the reader died, or has not progressed since `moved` (monotonic s) for too long."""
    died = any(change.state is State.DIED for change in changes)
    if died or time.monotonic() - moved > STUCK_S:
        why = "the reader died" if died else f"no progress for {STUCK_S:.0f} s"
        end = supervisor.log("reader").read_text()[-LOG_TAIL:]
        raise Unavailable(f"{why}; its log ends:\n{end}")


async def tally(client: redis.asyncio.Redis, partitions: int, name: str) -> int:
    """The tally `name` (`engine.store.keys`) of all partitions."""
    pipe = client.pipeline(transaction=False)
    for partition in range(partitions):
        pipe.hget(f"{{p{partition}}}:n", name)
    return sum(int(count or 0) for count in await pipe.execute())


async def _done(client: redis.asyncio.Redis) -> int:
    return int(await client.get("peer:done") or 0)
