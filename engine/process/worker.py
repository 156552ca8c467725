"""Composition of the stream process: events to rows, indicators and cues."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from engine.errors import CuelineError
from engine.kafka.faust_app import CoreApp, StreamCore, build_app
from engine.kernels.warm import warm_up
from engine.placeholder_ids import words
from engine.post.seal import Seal
from engine.process.contacts import configured_contacts
from engine.process.freed_memory import keep_freed_memory
from engine.process.heartbeat import LoopLiveness
from engine.process.life_cycle import Process, settle_memory
from engine.process.periodic import every
from engine.process.post import seal_of
from engine.process.readiness import exposition, watch_liveness, worker_problems
from engine.process.worker_report import REPORT_EVERY_S, Reporter
from engine.settings import Settings
from engine.sources.registry import sources
from engine.sources.segment.limits import Limits
from engine.stream.post_office import PostOffice
from engine.stream.watchdog import LagWatchdog
from engine.stream.worker import Worker
from engine.web.api.health import build_health_app
from engine.web.server.uvicorn_server import serve

STOP_WITHIN_S = 15.0


async def run_worker(settings: Settings) -> None:
    """Run the stream process until a signal. Raises a `CuelineError` that says what is wrong."""
    process = Process(settings)
    keep_freed_memory()
    seal = seal_of(settings.post)
    warm_up()
    async with process.open():
        for partition in range(
            settings.kafka.partitions
        ):  # before anything is claimed: `BadState` is said at once
            await process.store.position(partition)
        worker = _worker(process, seal)
        await process.follow_policy(worker.use)
        process.follow_clock()
        loop_liveness = LoopLiveness()
        watch = LagWatchdog(settings.stream.lag_watchdog_s, process.meter)
        core = StreamCore(worker, watch, settings.kafka, loop_liveness)
        app = build_app(core, settings.kafka, process.log, process.store.learn)
        process.begin(_run_faust(app, process.stop))
        process.begin(every(1.0, partial(watch_liveness, loop_liveness, watch.limit_s), process.stop))
        problems = partial(worker_problems, worker, watch, loop_liveness)
        store = process.store
        reporter = Reporter(store, lambda: store.connections, lambda: worker.states, problems, seal.ids)
        process.begin(every(REPORT_EVERY_S, partial(_check_and_report, worker, reporter), process.stop))
        health = build_health_app(partial(exposition, process.meter, problems), problems)
        process.begin(serve(health, settings.web.host, settings.stream.metrics_port, process.stop))
        settle_memory()
        await process.until_stopped()


def _worker(process: Process, seal: Seal) -> Worker:
    settings, store, meter = process.settings, process.store, process.meter
    log = process.log
    limits = Limits(placeholders=words(settings.payloads.placeholder_ids))
    office = PostOffice(
        store,
        meter,
        settings.kafka.partitions,
        seal,
        settings.post.on,
        log.mail,
        log.publish_audit,
        settings.post.send,
    )
    return Worker(
        settings.stream,
        settings.kafka.events_topic,
        settings.kafka.partitions,
        process.store,
        process.store,
        process.clock,
        process.meter,
        process.log.side_output,
        sources(limits, configured_contacts(settings, limits)),
        settings.rules.currency,
        office,
        process.erased_ids,
    )


async def _check_and_report(worker: Worker, reporter: Reporter) -> None:
    """In this order: no report claims more than the store then held. Raises `Unavailable`."""
    await worker.follow_store()
    await reporter.report()


async def _run_faust(app: CoreApp, stop: asyncio.Event) -> None:
    """Run the app until `stop`; raises what crashed it."""
    await app.start()
    ended = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(app.wait_until_stopped())]
    await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
    for waiting in ended:
        waiting.cancel()
    crash = app.crash_reason
    with contextlib.suppress(TimeoutError):  # a loop that hangs is abandoned: it cannot commit any more
        async with asyncio.timeout(STOP_WITHIN_S):
            await app.core.worker.owned.drain()
            await app.stop()
    if crash is not None:
        raise crash
    if not stop.is_set():
        raise CuelineError("the stream app stopped by itself")
