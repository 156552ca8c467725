"""Kafka: whether it answers, and has the topics as the settings say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from engine.errors import BadSettings, Unavailable
from engine.kafka.producer import NOT_IDEMPOTENT, KafkaLog
from engine.kafka.reach import ANSWER_S, unreachable
from engine.kafka.security import client_options
from engine.kafka.topics import CLEANUP, DAY_MS, RETENTION, configs_of, topics_of, unkeyed
from engine.process.doctor.finding import Finding
from engine.settings import Kafka

PATIENCE_S = 10.0
FETCH_MS = 100


class Log(msgspec.Struct, frozen=True):
    """Findings about Kafka, and the end offset of each partition of the events topic (empty: unknown)."""

    findings: list[Finding]
    offsets: Mapping[int, int] = {}


async def of_kafka(kafka: Kafka, held: Mapping[int, int]) -> Log:
    """Waits no longer than `PATIENCE_S`, and makes nothing. `held`: the offsets at which Redis was before."""
    try:
        if reason := await unreachable(kafka):
            return Log([Finding("kafka", "bad", reason)])
        async with asyncio.timeout(PATIENCE_S):
            found, configs = await _topics(kafka)
            topics = [
                _topic(kafka, name, wanted, found, configs.get(name, {}))
                for name, wanted in topics_of(kafka).items()
            ]
            producer = await _producer(kafka)
            ends = await _ends(kafka, found.get(kafka.events_topic, 0), held)
    except BadSettings as wrong:
        return Log([Finding("kafka", "bad", str(wrong))])
    except (KafkaError, OSError, TimeoutError) as error:
        return Log([Finding("kafka", "bad", f"kafka.brokers: {kafka.brokers}: no answer: {error!r}")])
    return Log([Finding("kafka", "good", f"{kafka.brokers} answers"), *producer, *topics], ends)


async def _producer(kafka: Kafka) -> list[Finding]:
    """Opens one as api and worker do, where that asks for more than an answer."""
    if not kafka.idempotent:
        return []
    log, name = KafkaLog(kafka), "kafka.idempotent"
    try:
        async with asyncio.timeout(ANSWER_S):
            await log.open()
    except TimeoutError:
        return [Finding(name, "bad", f"no producer id within {ANSWER_S:.0f} s: {NOT_IDEMPOTENT}")]
    except Unavailable as error:
        return [Finding(name, "bad", str(error))]
    finally:
        await log.close()
    return [Finding(name, "good", "a producer is taken")]


Configs = Mapping[str, str]


async def _topics(kafka: Kafka) -> tuple[dict[str, int], dict[str, Configs]]:
    """Topic -> partitions, and how those of ours are configured. Lists all, because asking for one by name may
    create it."""
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=int(PATIENCE_S * 1000))
    async with _started(admin.start, admin.close):
        found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
        return found, await _configs(admin, [name for name in topics_of(kafka) if name in found])


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Configs]:
    """Topic -> its configuration, as far as we may see it."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers = await admin.describe_configs(asked) if asked else []
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4] if entry[1]}
        for answer in answers
        for resource in answer.resources
        if resource[0] == 0
    }


async def _ends(kafka: Kafka, partitions: int, held: Mapping[int, int]) -> dict[int, int]:
    """End of each partition. tansu names the one before its last batch's second record, so an end below what Redis
    has applied is read off a fetch instead."""
    if not partitions:
        return {}
    consumer = AIOKafkaConsumer(**client_options(kafka), auto_offset_reset="none", enable_auto_commit=False)
    async with _started(consumer.start, consumer.stop):
        asked = [TopicPartition(kafka.events_topic, partition) for partition in range(partitions)]
        ends: dict[TopicPartition, int] = await consumer.end_offsets(asked)
        begins: dict[TopicPartition, int] = await consumer.beginning_offsets(asked)
        for tp in asked:
            if ends[tp] < held.get(tp.partition, 0):
                ends[tp] = max(ends[tp], await _fetched_end(consumer, tp, max(begins[tp], ends[tp] - 1)))
        return {tp.partition: end for tp, end in ends.items()}


async def _fetched_end(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> int:
    """The end that the answer to a fetch from `offset` names."""
    consumer.assign([tp])
    consumer.seek(tp, offset)
    while (end := consumer.highwater(tp)) is None:
        await consumer.getmany(tp, timeout_ms=FETCH_MS, max_records=1)
    return int(end)


@contextlib.asynccontextmanager
async def _started(start: Callable[[], Awaitable[Any]], stop: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
    try:
        await start()
        yield
    finally:
        await stop()


def _topic(kafka: Kafka, name: str, wanted: int, found: Mapping[str, int], configs: Configs) -> Finding:
    label, has = f"topic {name}", found.get(name)
    if has is None:
        return Finding(label, "warning", f"is not there yet: a process that starts makes it ({wanted} partitions)")
    if fault := _of_partitions(kafka, name, wanted, has, found.get(kafka.events_topic)):
        return Finding(label, "bad", f"has {has} partitions, {fault}")
    if "compact" in configs.get(CLEANUP, ""):
        return Finding(label, "bad", f"{CLEANUP} is {configs[CLEANUP]}, which loses records: set it to delete")
    kept, meant = configs.get(RETENTION), configs_of(kafka).get(name, {}).get(RETENTION)
    if kept and meant and 0 <= int(kept) < int(meant):
        days = f"is kept for {int(kept) / DAY_MS:.3g} days, the settings say {kafka.audit_days}"
        return Finding(label, "warning", f"{days}: set its {RETENTION} to {meant}")
    return Finding(label, "good", f"{has} partitions{f', {_kept(int(kept))}' if kept else ''}")


def _of_partitions(kafka: Kafka, name: str, wanted: int, has: int, events: int | None) -> str:
    """What is wrong with the number `has`, where the topic of events has `events`; empty: nothing. The setting
    follows that topic, which cannot be made again without loss, and so do outcomes."""
    if name == kafka.outcomes_topic and events and has != events:
        return f"{kafka.events_topic} has {events}: make it again, with {events}"
    if has == wanted or name in unkeyed(kafka):
        return ""
    if name == kafka.outcomes_topic and events:
        return f"as {kafka.events_topic} has"
    cure = f"set CUELINE_KAFKA__PARTITIONS={has}" if name == kafka.events_topic else "make it again"
    return f"the settings say {wanted}: {cure}"


def _kept(ms: int) -> str:
    return "kept for good" if ms < 0 else f"kept for {ms / DAY_MS:.3g} days"
