"""Composition of the HTTP process: events in, decisions and cues out."""

from __future__ import annotations

import time
from functools import partial

from engine.decisions.batcher import DecisionBatcher
from engine.decisions.rehearsal import ReadOnlyStore, rehearse
from engine.kernels.warm import warm_up_decisions
from engine.meter import PrometheusMeter
from engine.placeholder_ids import words
from engine.process.access import follow_keys, require_safe_access
from engine.process.api_report import REPORT_EVERY_S, ApiReporter
from engine.process.contacts import configured_contacts
from engine.process.health import LOOK_EVERY_S, PING_EVERY_S, HealthMonitor, WorkerWatch
from engine.process.identity import identification_of
from engine.process.life_cycle import Process, settle_memory
from engine.process.periodic import every
from engine.process.policy_in_use import PolicyInUse
from engine.process.readiness import api_problems
from engine.rulebook.model import Rulebook
from engine.settings import Settings
from engine.sources.segment.limits import Limits
from engine.sources.segment.payload import SegmentSource
from engine.store.followed_views import FollowedViews
from engine.store.staleness import StalenessGuard
from engine.web.api.known_links import KnownLinks
from engine.web.api.links import LinkAnnouncer
from engine.web.auth.keys import KeyRing, configured_keys
from engine.web.auth.quotas import QUOTA_EVERY_S, Quotas
from engine.web.server.app import build_app, build_metrics_app
from engine.web.server.uvicorn_server import serve
from engine.web.services import Services


async def run_api(settings: Settings) -> None:
    """Run the HTTP process until a signal. Raises a `CuelineError` that says what is wrong."""
    require_safe_access(settings)
    process = Process(settings)
    keys = KeyRing(configured_keys(settings.web))
    warm_up_decisions()
    async with process.open():
        in_use = await process.follow_policy()
        process.follow_clock()
        workers = WorkerWatch(settings.kafka.partitions)
        guard = StalenessGuard(process.store, process.store, time.monotonic, workers.caught_up, workers.forget)
        monitor = HealthMonitor(process.store, workers, guard, process.log, settings.redis.timeout_s)
        await _rehearse(process, in_use, guard)
        keys.follow(await process.store.access_keys())
        services = _services(process, in_use, guard, monitor, keys)
        in_use.on_change = lambda policy: services.batcher.remember(policy.rulebook)
        process.begin(follow_keys(keys, process.store, process.stop))
        process.begin(every(QUOTA_EVERY_S, services.quotas.settle, process.stop))
        process.begin(every(LOOK_EVERY_S, monitor.look, process.stop))
        process.begin(every(PING_EVERY_S, monitor.ping, process.stop, "Kafka"))
        reporter = ApiReporter(process.store, services.links_on)
        process.begin(every(REPORT_EVERY_S, reporter.report, process.stop))
        web = settings.web
        app = build_app(services, settings)
        process.begin(serve(app, web.host, web.port, process.stop))
        if web.metrics_port:
            metrics = build_metrics_app(app, services, settings)
            process.begin(serve(metrics, web.host, web.metrics_port, process.stop))
        settle_memory()
        await process.until_stopped()


async def _rehearse(process: Process, in_use: PolicyInUse, guard: StalenessGuard) -> None:
    """Warm up before requests are accepted; the measurements are discarded."""
    store, meter = ReadOnlyStore(guard), PrometheusMeter()
    await rehearse(DecisionBatcher(store, lambda: in_use.policy, process.clock, meter, process.settings).decide)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.web.max_event_bytes,
        settings.web.max_batch_events,
        placeholders=words(settings.payloads.placeholder_ids),
        identification=identification_of(settings),
    )


def _services(
    process: Process, in_use: PolicyInUse, guard: StalenessGuard, monitor: HealthMonitor, keys: KeyRing
) -> Services:
    settings, store, meter = process.settings, process.store, process.meter
    followed = FollowedViews(guard)

    def rulebook() -> Rulebook:
        return in_use.policy.rulebook

    return Services(
        source=SegmentSource(limits := _limits(settings)),
        contacts=configured_contacts(settings, limits),
        log=process.log,
        decisions=followed,
        consents=store,
        held=store,
        cues=store,
        stats=store,
        sent=store,
        known_links=KnownLinks(guard),
        links=LinkAnnouncer(process.log, store, meter, settings.identity.links_per_month),
        agents=store,
        tickets=store,
        meter=meter,
        clock=process.clock,
        batcher=DecisionBatcher(followed, lambda: in_use.policy, process.clock, meter, settings),
        keys=keys,
        quotas=Quotas(store),
        lessons=store,
        known=in_use.known,
        rulebook=rulebook,
        rule_faults=lambda: in_use.rules.faults,
        metrics=meter.render,
        ready=partial(api_problems, process.log, monitor, settings.web.demo_page),
        links_on=limits.identification is not None,
        placeholders=limits.placeholders,
        health=monitor.health,
        notices=monitor.notices,
    )
