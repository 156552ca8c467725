"""All checks of a deployment."""

from __future__ import annotations

from engine.process.doctor.agreement import of_agreement
from engine.process.doctor.contacts import of_contacts
from engine.process.doctor.finding import Finding
from engine.process.doctor.kafka import of_kafka
from engine.process.doctor.links import of_links
from engine.process.doctor.post import of_post
from engine.process.doctor.redis import of_redis
from engine.process.doctor.rules import of_rules
from engine.process.doctor.settings import of_settings
from engine.process.doctor.workers import of_workers
from engine.settings import Settings


async def examine(settings: Settings) -> list[Finding]:
    """Run all checks; none waits for longer than the patience with its part."""
    redis, held = await of_redis(settings)  # first: what it has applied by now, Kafka has
    log = await of_kafka(settings.kafka, held)
    return [
        *of_settings(settings),
        of_rules(settings),
        of_contacts(settings),
        *log.findings,
        *redis,
        *(await _of_processes(settings) if all(finding.good for finding in redis) else []),
        *of_agreement(settings.kafka, log.offsets, held),
    ]


async def _of_processes(settings: Settings) -> list[Finding]:
    """Of what they report in Redis, which was found to answer."""
    return [*await of_workers(settings), *await of_post(settings), *await of_links(settings)]
