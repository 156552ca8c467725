"""``cueline bench links``: from a link to the merged row, and what decisions of linked ids cost.

A worker follows the links of visitors, one after the other, on services of its own. Each is timed from before its
event is written, as the API writes it, until the customer's row in Redis lists the visitor: two hops in Kafka.
Then decisions are made in this process, as an api process makes them, in turns of visitors who were linked and of
visitors who never were.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress

from engine.clock import EngineClock, wall_ms
from engine.customer_id import CustomerId, customer_id
from engine.decisions.batcher import DecisionBatcher
from engine.decisions.policy import make_policy
from engine.decisions.request import DecisionRequest
from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Event, Kind, Message, Rank
from engine.identity.link import Cause, Link, event_of
from engine.identity.ties import ties_in
from engine.kafka.producer import KafkaLog
from engine.meter import PrometheusMeter
from engine.ports.decision_store import DecisionStore, Reservation, Taking
from engine.ports.offer_history import View
from engine.rulebook.directory import load
from engine.settings import Kafka, Redis, Settings, Web
from engine.state.tied_rows import ties_before
from engine.store.followed_views import FollowedViews
from engine.store.redis import RedisStore
from loadtest.decisions import FALLBACK, machine
from loadtest.faults import post_on
from loadtest.stage import Stage

PARTITIONS = 16
EVENTS = 10  # of each visitor, and of each customer before
AT_ONCE = 16  # decisions
WITHIN_S = 10.0
READY_S = 300.0  # the worker may compile every kernel first
LOOK_S = 0.0005
DEADLINE_MS = 1_000


class LinkLatency(msgspec.Struct, frozen=True):
    """Milliseconds from before a link is written until the row is merged."""

    p50: float
    p99: float


class LinkedDecisions(msgspec.Struct, frozen=True, rename="camel"):
    """Of ids that are linked: round trips of reading for a micro-batch, and the time of one over that of ids that
    were never linked (medians)."""

    round_trips: float
    ratio_to_unlinked: float


class LinksResult(msgspec.Struct, frozen=True, rename="camel"):
    """The figures of one run."""

    link_to_merged_ms: LinkLatency
    decisions_for_linked_id: LinkedDecisions
    links: int
    decisions: int
    broker: str
    machine: dict[str, str | int | float]


def visitor(number: int) -> CustomerId:
    """Who becomes a customer."""
    return customer_id(f"visitor-{number}")


def customer(number: int) -> CustomerId:
    """Whom the visitor becomes."""
    return customer_id(f"customer-{number}")


def stranger(number: int) -> CustomerId:
    """Who is never linked, and has as many events as the two."""
    return customer_id(f"stranger-{number}")


class CountedViews:
    """A `DecisionStore` that counts how often it is read."""

    def __init__(self, store: DecisionStore) -> None:
        self._store = store
        self.trips = 0

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        """As the store's."""
        self.trips += 1
        return await self._store.views(customers)

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        """As the store's."""
        return await self._store.reserve(reservations)

    async def decision(self, decision_id: str) -> bytes | None:
        """As the store's."""
        return await self._store.decision(decision_id)


async def bench_links(links: int, decisions: int, broker: str, rules: Path, console: Console) -> LinksResult:
    """Time `links` links, and `decisions` of ids that were linked and as many of others. Raises `Unavailable` when
    a service does not start, or a link is not followed in time, and `BadSettings` where none are followed."""
    facts = machine()  # before the load
    with TemporaryDirectory(prefix="cueline-links-") as folder, Progress(console=console, transient=True) as bar:
        async with Stage(Path(folder), broker, PARTITIONS, rules, environment=_as_in_production()).set() as stage:
            linking, deciding = (
                bar.add_task(name, total=n) for name, n in (("links", links), ("decisions", decisions))
            )
            async with _connected(stage) as (log, store):
                await stage.work("worker", "cueline", 0)
                await _filled(stage, log, links)
                waits = []
                for number in range(links):
                    waits.append(await _linked(log, store, number))
                    bar.update(linking, completed=number + 1)
                decided = await _decided(
                    store, links, decisions, rules, lambda n: bar.update(deciding, completed=n)
                )
    p50, p99 = np.quantile(np.array(waits) * 1_000, (0.5, 0.99)).round(1).tolist()
    return LinksResult(LinkLatency(p50, p99), decided, links, decisions, broker, facts)


def _as_in_production() -> dict[str, str]:
    usual = Kafka()
    return {**post_on(), "CUELINE_STREAM__CLOCK": "wall", "CUELINE_KAFKA__FETCH_WAIT_MS": str(usual.fetch_wait_ms)}


@asynccontextmanager
async def _connected(stage: Stage) -> AsyncIterator[tuple[KafkaLog, RedisStore]]:
    log, store = KafkaLog(stage.kafka), RedisStore(Redis(url=stage.url(0)), PARTITIONS)
    await log.open()
    try:
        yield log, store
    finally:
        await log.close()
        await store.close()


async def _filled(stage: Stage, log: KafkaLog, links: int) -> None:
    """Write what everybody did, and wait until it has been applied."""
    whose = [visitor, customer, stranger, stranger]
    now, number = wall_ms() - 60_000, count()
    messages = [
        Message(
            name(one), Event(WIRE_VERSION, Kind.ITEM_VIEWED, now + 1_000 * i, f"e-{next(number)}", f"item-{i}")
        )
        for one in range(links)
        for name in whose
        for i in range(EVENTS)
    ]
    for start in range(0, len(messages), 1_000):
        await log.publish(messages[start : start + 1_000])
    try:
        async with asyncio.timeout(READY_S):
            while sum(await stage.ask(0, "n", "applied")) < len(messages):
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise Unavailable(f"the worker has not applied {len(messages)} events after {READY_S:.0f} s") from error


async def _linked(log: KafkaLog, store: RedisStore, number: int) -> float:
    """Link a visitor to a customer; the seconds until that is merged. Raises `Unavailable`."""
    lower, upper, at = visitor(number), customer(number), wall_ms()
    link = Link(lower, Rank.DEVICE, upper, Rank.USER, at, Cause.IDENTIFIED, True)
    began = time.perf_counter()
    await log.publish([Message(lower, event_of(link, at))])
    while time.perf_counter() - began < WITHIN_S:
        [view] = await store.views([upper])
        if lower in ties_in(ties_before(view.row)).merged:
            return time.perf_counter() - began
        await asyncio.sleep(LOOK_S)
    raise Unavailable(f"a link was not followed within {WITHIN_S:.0f} s")


async def _decided(
    store: RedisStore, links: int, decisions: int, rules: Path, progress: Callable[[int], None]
) -> LinkedDecisions:
    """Decide in turns for those who were linked, and those who were not. Raises `Unavailable` for a fallback."""
    counted, policy = CountedViews(store), make_policy(load(rules), {})
    settings = Settings(kafka=Kafka(partitions=PARTITIONS), web=Web(deadline_ms=DEADLINE_MS))
    batcher = DecisionBatcher(FollowedViews(counted), lambda: policy, EngineClock(), PrometheusMeter(), settings)
    linked, others = [visitor(n) for n in range(links)], [stranger(n) for n in range(links)]
    for start in range(0, links, AT_ONCE):  # the first time of each takes two round trips, and finds whose it is
        await _ask(batcher, linked[start : start + AT_ONCE])
    times: dict[bool, list[float]] = {True: [], False: []}
    trips = turns = 0
    for done in range(0, decisions, AT_ONCE):
        for is_linked, ids in ((True, linked), (False, others)):
            before, began = counted.trips, time.perf_counter()
            await _ask(batcher, [ids[(done + i) % links] for i in range(AT_ONCE)])
            times[is_linked].append(time.perf_counter() - began)
            if is_linked:
                trips, turns = trips + counted.trips - before, turns + 1
        progress(done + AT_ONCE)
    ratio = float(np.median(times[True]) / np.median(times[False]))
    return LinkedDecisions(round(trips / turns, 3), round(ratio, 2))


async def _ask(batcher: DecisionBatcher, ids: Sequence[CustomerId]) -> None:
    answers = await asyncio.gather(*(batcher.decide(DecisionRequest("web", customer_id=one)) for one in ids))
    if any(answer.endswith(FALLBACK) for answer in answers):
        raise Unavailable("a decision was the fallback")
