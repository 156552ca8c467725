"""Which topics still hold records of before an erasure, and when their retention has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndTimestamp

from engine.errors import Unavailable
from engine.kafka.security import client_options
from engine.kafka.topics import CLEANUP, DAY_MS, RETENTION
from engine.ports.kafka import LogPlace
from engine.settings import Kafka

PATIENCE_S = 30.0
SEGMENT = "segment.ms"
SEGMENT_MS = 7 * DAY_MS  # Kafka's own default


class KeptTopic(msgspec.Struct, frozen=True, rename="camel"):
    """Whether a topic still holds records of before the erasure, of the customer or of others. ``retention_ends``
    (epoch ms) is when the newest of them has been kept long enough, ``gone_by`` when the broker has deleted it at
    the latest, since it deletes whole segments; None: never, or nobody knows, and ``detail`` says why."""

    topic: str
    holds: bool
    retention_ends: int | None
    gone_by: int | None
    detail: str = ""


async def kept_before(kafka: Kafka, place: LogPlace, at: int, partitions: Iterable[int] = ()) -> list[KeptTopic]:
    """What of each of the deployment's topics is from before the record at `place`, written `at` (wall, epoch ms);
    of events and outcomes those in its partition, and in others of the customer's ids (`partitions`). Raises
    `Unavailable`."""
    names = [kafka.events_topic, kafka.outcomes_topic, kafka.deadletters_topic, kafka.audit_topic]
    try:
        async with asyncio.timeout(PATIENCE_S):
            found, configs = await _topics(kafka, names)
            holds = await _holding(kafka, found, place, at, {place.partition, *partitions})
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka does not say what it keeps: {error!r}") from error
    return [kept(name, holds[name], configs.get(name, {}), at) for name in names if name in holds]


def kept(topic: str, holds: bool, configs: Mapping[str, str], at: int) -> KeptTopic:
    """What `configs` of a topic say of records that were written until `at`.

    >>> kept("t", True, {"retention.ms": "5", "segment.ms": "2"}, 100)
    KeptTopic(topic='t', holds=True, retention_ends=105, gone_by=107, detail='')
    """
    policy, retention = configs.get(CLEANUP, "delete"), configs.get(RETENTION, "")
    if "delete" not in policy:
        return KeptTopic(topic, holds, None, None, f"{CLEANUP} is {policy}: records are kept for good")
    if not retention.lstrip("-").isdigit():
        return KeptTopic(topic, holds, None, None, f"the broker does not say its {RETENTION}")
    if int(retention) < 0:
        return KeptTopic(topic, holds, None, None, f"{RETENTION} is {retention}: records are kept for good")
    segment = configs.get(SEGMENT, "")
    ends = at + int(retention)
    return KeptTopic(topic, holds, ends, ends + (int(segment) if segment.isdigit() else SEGMENT_MS))


async def _holding(
    kafka: Kafka, found: Mapping[str, Sequence[int]], place: LogPlace, at: int, ours: Collection[int]
) -> dict[str, bool]:
    """Of the topics (and their partitions) that are there: whether their log begins before the erasure."""
    consumer = AIOKafkaConsumer(**client_options(kafka), enable_auto_commit=False)
    holds: dict[str, bool] = {}
    try:
        await consumer.start()
        for name, partitions in found.items():
            by_customer = name in (kafka.events_topic, kafka.outcomes_topic) and place.partition in partitions
            asked = [TopicPartition(name, one) for one in partitions if one in ours or not by_customer]
            begins = await consumer.beginning_offsets(asked)
            ends = await consumer.end_offsets(asked)
            later = await consumer.offsets_for_times(dict.fromkeys(asked, at))
            borders = {tp: _border(later.get(tp), ends[tp], at) for tp in asked}
            if name == place.topic:
                borders[TopicPartition(name, place.partition)] = place.offset
            holds[name] = any(begins[tp] < borders[tp] for tp in asked)
    finally:
        await consumer.stop()
    return holds


def _border(later: OffsetAndTimestamp | None, end: int, at: int) -> int:
    """The first offset whose record is not from before `at`. tansu names the last one where there is none."""
    return end if later is None or later.timestamp < at else int(later.offset)


async def _topics(kafka: Kafka, names: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, dict[str, str]]]:
    """Of those that are there, topic -> partitions, and its configuration, as far as we may see it. Lists all,
    because asking for one by name may create it."""
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=int(PATIENCE_S * 1_000))
    try:
        await admin.start()
        listed = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
        found = {name: [one["partition"] for one in listed[name]] for name in names if name in listed}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
        answers = await admin.describe_configs(asked) if asked else []
    finally:
        await admin.close()
    configs = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4] if entry[1]}
        for answer in answers
        for resource in answer.resources
        if resource[0] == 0
    }
    return found, configs
