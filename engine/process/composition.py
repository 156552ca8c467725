"""Builds everything from settings: the only place where adapters meet."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from engine.cli.replay import ReplayDestination, ReplayTarget
from engine.clock import EngineClock, wall_ms
from engine.decisions.batcher import DecisionBatcher
from engine.errors import BadSettings, CuelineError, Stuck
from engine.kafka.faust_app import CoreApp, StreamCore, build_app
from engine.kafka.producer import KafkaLog
from engine.kafka.topics import make_topics, topics_of
from engine.kernels.warm import warm_up
from engine.meter import PrometheusMeter
from engine.process.heartbeat import Heartbeat, LoopLiveness
from engine.process.refresh import Knowledge, every, follow_clock
from engine.replay.clock_keeper import ClockKeeper
from engine.replay.http_sender import HttpSender
from engine.replay.sender import LogSender, Sender
from engine.rulebook.model import Rulebook
from engine.settings import Settings
from engine.sources.segment.payload import Limits, SegmentSource, canonical
from engine.store.redis import RedisStore
from engine.store.staleness import BEHIND, StalenessGuard
from engine.stream.watchdog import LagWatchdog
from engine.stream.worker import Worker
from engine.web.api.health import build_health_app
from engine.web.server.app import build_app as build_web
from engine.web.server.uvicorn_server import serve
from engine.web.services import Services
from models.propensity import PropensityTable

log = logging.getLogger("cueline")

PING_EVERY_S = 0.5
STOP_WITHIN_S = 15.0
ALIVE_S = 10.0  # a drain loop that has not turned for this long is not ready


class Process:
    """What both kinds of process have: store, Kafka, clock, meter, and a stop that signals set."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.meter = PrometheusMeter()
        self.clock = EngineClock()
        self.store = RedisStore(settings.redis, settings.kafka.partitions)
        self.log = KafkaLog(settings.kafka, self.meter)
        self.stop = asyncio.Event()
        self.failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect; on leaving, stop what was started and close. Raises `Unavailable`."""
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self.stop.set)
        kafka = self.settings.kafka
        await self.store.open()
        await make_topics(kafka.brokers, topics_of(kafka), kafka.replication)
        await self.log.open()
        try:
            yield
        finally:
            self.stop.set()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.log.close()
            await self.store.close()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside the rest; when it fails the process stops with that failure."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = self.failure or error
            self.stop.set()

    def follow(self, knowledge: Knowledge) -> None:
        """Begin to follow rule files, learned counts and, where settings say so, a replay's clock."""
        self.begin(knowledge.follow(self.stop))
        if self.settings.stream.clock == "replay":
            self.begin(follow_clock(self.clock, self.store, self.stop))

    async def until_stopped(self) -> None:
        """Returns on a signal; raises what made a part of the process fail."""
        await self.stop.wait()
        if self.failure is not None:
            raise self.failure


async def run_api(settings: Settings) -> None:
    """The HTTP process, until a signal. Raises a `CuelineError` that says what is wrong."""
    process = Process(settings)
    async with process.open():
        knowledge = Knowledge(settings.rules.directory, process.store, process.meter)
        await knowledge.learn()
        process.follow(knowledge)
        staleness = StalenessGuard(process.store, process.store, time.monotonic)
        services = _services(process, knowledge, staleness, heartbeat := Heartbeat(staleness.look))
        knowledge.on_change = lambda rulebook, table: services.batcher.remember(rulebook)
        process.begin(every(PING_EVERY_S, heartbeat.beat, process.stop))
        process.begin(
            serve(
                build_web(services, settings),
                settings.web.host,
                settings.web.port,
                process.stop,
            )
        )
        _settle_memory()
        await process.until_stopped()


def _services(process: Process, knowledge: Knowledge, staleness: StalenessGuard, heartbeat: Heartbeat) -> Services:
    settings, store, meter = process.settings, process.store, process.meter

    def rulebook() -> Rulebook:
        return knowledge.rulebook

    def table() -> PropensityTable:
        return knowledge.table

    return Services(
        source=SegmentSource(Limits(settings.web.max_event_bytes, settings.web.max_batch_events)),
        log=process.log,
        decisions=staleness,
        cues=store,
        stats=store,
        meter=meter,
        clock=process.clock,
        batcher=DecisionBatcher(staleness, rulebook, table, process.clock, meter, settings),
        rulebook=rulebook,
        rule_faults=lambda: knowledge.faults,
        metrics=meter.render,
        ready=partial(_api_problems, process.log, heartbeat, staleness, settings.redis.timeout_s),
    )


def _api_problems(
    kafka: KafkaLog, heartbeat: Heartbeat, staleness: StalenessGuard, timeout_s: float
) -> Mapping[str, str]:
    """There is a rulebook always: a process without one does not start, and a bad file changes none."""
    problems = {}
    if heartbeat.seconds_ago > timeout_s + 2 * PING_EVERY_S:
        problems["store"] = f"Redis has not answered for {heartbeat.seconds_ago:.0f} s"
    elif staleness.behind:
        problems["store"] = BEHIND
    if not kafka.is_open:
        problems["kafka"] = "the producer is not open"
    return problems


async def run_worker(settings: Settings, directory: Path) -> None:
    """The stream process, until a signal. Raises a `CuelineError` that says what is wrong."""
    process = Process(settings)
    warm_up()
    async with process.open():
        worker = _worker(process)
        knowledge = Knowledge(settings.rules.directory, process.store, process.meter, worker.use)
        await knowledge.learn()
        process.follow(knowledge)
        loop_liveness = LoopLiveness()
        watch = LagWatchdog(settings.stream.lag_watchdog_s, process.meter)
        core = StreamCore(worker, watch, settings.kafka, loop_liveness)
        app = build_app(core, settings.kafka, process.log, process.store.learn, directory)
        process.begin(_run_faust(app, process.stop))
        process.begin(every(1.0, partial(_look_at, loop_liveness, watch.limit_s), process.stop))
        problems = partial(_worker_problems, worker, watch, loop_liveness)
        health = build_health_app(partial(_scraped, process.meter, problems), problems)
        process.begin(serve(health, settings.web.host, settings.stream.metrics_port, process.stop))
        _settle_memory()
        await process.until_stopped()


def _scraped(meter: PrometheusMeter, problems: Callable[[], Mapping[str, str]]) -> tuple[bytes, str]:
    meter.set("process_ready", 0 if problems() else 1)
    return meter.render()


def _worker(process: Process) -> Worker:
    settings = process.settings
    return Worker(
        settings.stream,
        settings.kafka.events_topic,
        settings.kafka.partitions,
        process.store,
        process.store,
        process.clock,
        process.meter,
        process.log.aside,
        lambda value, key, received_at, origin: canonical(value, key, received_at, fallback_id=origin),
        settings.rules.currency,
    )


async def _run_faust(app: CoreApp, stop: asyncio.Event) -> None:
    """Run the app until `stop`; raises what crashed it."""
    await app.start()
    ended = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(app.wait_until_stopped())]
    await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
    for waiting in ended:
        waiting.cancel()
    crash = app.crash_reason
    with contextlib.suppress(TimeoutError):  # a loop that hangs is left behind: nothing of it can be committed
        async with asyncio.timeout(STOP_WITHIN_S):
            await app.core.worker.owned.drain()
            await app.stop()
    if crash is not None:
        raise crash
    if not stop.is_set():
        raise CuelineError("the stream app stopped by itself")


async def _look_at(loop_liveness: LoopLiveness, limit_s: float) -> None:
    """From outside the drain loop, for one that waits for ever cannot watch itself. Raises `Stuck`."""
    if loop_liveness.seconds_ago > limit_s:
        raise Stuck(f"the drain loop has not turned for {loop_liveness.seconds_ago:.0f} s")


def _worker_problems(worker: Worker, watch: LagWatchdog, loop_liveness: LoopLiveness) -> Mapping[str, str]:
    problems = {}
    if not watch.seen:
        problems["assignment"] = "no partitions have been assigned yet, or their ends are not known"
    if loop_liveness.seconds_ago > ALIVE_S:
        problems["drain"] = f"the drain loop has not turned for {loop_liveness.seconds_ago:.0f} s"
    failed = [
        str(partition_state.partition)
        for partition_state in worker.partition_states.values()
        if partition_state.failed
    ]
    if failed:
        problems["store"] = f"partitions {', '.join(failed)} wait for the store"
    return problems


@asynccontextmanager
async def open_target(where: ReplayDestination, settings: Settings) -> AsyncIterator[ReplayTarget]:
    """Where a replay goes. It sets the engine's clock only where the settings say that engines follow it.

    Raises `BadSettings` when a write key is missing or the topics are not as the settings have them, and
    `Unavailable` when nothing is there.
    """
    async with AsyncExitStack() as stack:
        set_clock = None
        if settings.stream.clock == "replay":
            store = RedisStore(settings.redis, settings.kafka.partitions)
            stack.push_async_callback(store.close)
            await store.open()
            held = ClockKeeper(store.set_clock)
            await stack.enter_async_context(held.kept())
            set_clock = held.set
        opened = _into_kafka(where, settings) if where.to == "kafka" else _through_the_door(where, settings)
        yield ReplayTarget(await stack.enter_async_context(opened), set_clock)


@asynccontextmanager
async def _into_kafka(where: ReplayDestination, settings: Settings) -> AsyncIterator[Sender]:
    kafka = settings.kafka.model_copy(update={"brokers": where.url} if where.url else {})
    await make_topics(kafka.brokers, topics_of(kafka), kafka.replication)
    kafka_log = KafkaLog(kafka)
    await kafka_log.open()
    try:
        yield LogSender(kafka_log, wall_ms, sets_clock=settings.stream.clock == "replay")
    finally:
        await kafka_log.close()


@asynccontextmanager
async def _through_the_door(where: ReplayDestination, settings: Settings) -> AsyncIterator[Sender]:
    keys = [key.get_secret_value() for key in settings.web.write_keys]
    if not (key := where.write_key or next(iter(keys), "")):
        raise BadSettings("the HTTP door needs a write key: --write-key, CUELINE_WRITE_KEY or web.write_keys")
    url = where.url or f"http://127.0.0.1:{settings.web.port}"
    if not url.startswith(("http://", "https://")):
        raise BadSettings(f"--url {url}: the HTTP door's address begins with http:// or https://")
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        sender = HttpSender(client, key, web=settings.web)
        await sender.knock()
        yield sender


def _settle_memory() -> None:
    """What exists now stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
