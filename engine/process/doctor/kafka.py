"""Kafka: whether it answers, and has the topics as the settings say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from engine.kafka.topics import topics_of
from engine.process.doctor.finding import Finding
from engine.settings import Kafka

PATIENCE_S = 10.0


class Log(msgspec.Struct, frozen=True):
    """Findings about Kafka, and the end offset of each partition of the events topic (empty: unknown)."""

    findings: list[Finding]
    offsets: Mapping[int, int] = {}


async def of_kafka(kafka: Kafka) -> Log:
    """Waits no longer than `PATIENCE_S`, and makes nothing."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await _topics(kafka)
            topics = [_topic(kafka, name, wanted, found) for name, wanted in topics_of(kafka).items()]
            ends = await _ends(kafka, found.get(kafka.events_topic, 0))
    except (KafkaError, OSError, TimeoutError) as error:
        return Log([Finding("kafka", "bad", f"{kafka.brokers} does not answer: {error!r}")])
    except ValueError as error:  # raised by aiokafka for an invalid address
        return Log([Finding("kafka", "bad", f"kafka.brokers: {kafka.brokers} is no host:port: {error}")])
    return Log([Finding("kafka", "good", f"{kafka.brokers} answers"), *topics], ends)


async def _topics(kafka: Kafka) -> dict[str, int]:
    """Topic -> partitions. Lists all, because asking for one by name may create it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.brokers, request_timeout_ms=int(PATIENCE_S * 1000))
    async with _started(admin.start, admin.close):
        return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


async def _ends(kafka: Kafka, partitions: int) -> dict[int, int]:
    if not partitions:
        return {}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.brokers)
    async with _started(consumer.start, consumer.stop):
        asked = [TopicPartition(kafka.events_topic, partition) for partition in range(partitions)]
        return {tp.partition: end for tp, end in (await consumer.end_offsets(asked)).items()}


@contextlib.asynccontextmanager
async def _started(start: Callable[[], Awaitable[Any]], stop: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
    try:
        await start()
        yield
    finally:
        await stop()


def _topic(kafka: Kafka, name: str, wanted: int, found: Mapping[str, int]) -> Finding:
    label, has = f"topic {name}", found.get(name)
    if has is None:
        return Finding(label, "warning", f"is not there yet: a process that starts makes it ({wanted} partitions)")
    if has != wanted:
        cure = f"set CUELINE_KAFKA__PARTITIONS={has}" if name == kafka.events_topic else "make it again"
        return Finding(label, "bad", f"has {has} partitions, the settings say {wanted}: {cure}")
    return Finding(label, "good", f"{has} partitions")
