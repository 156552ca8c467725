"""Checks of a deployment: whether its parts are there, work, and agree."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec
import redis.asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from engine.customer_id import customer_id
from engine.errors import BadRule, BadSettings, Unavailable
from engine.events import Outcome, OutcomeName
from engine.kafka.topics import topics_of
from engine.rulebook.directory import load
from engine.settings import Kafka, Settings
from engine.store.keys import RedisKeys
from engine.store.redis import RedisStore

State = Literal["good", "warning", "bad"]

PATIENCE_S = 10.0  # for Kafka; Redis has the settings' own
MOST_PARTITIONS = 4_096
LEAST_REDIS = 7  # the first with functions
SKEW_WARNED_MS, SKEW_BAD_MS = 250, 2_000


class Finding(msgspec.Struct, frozen=True):
    """The result of one check. A ``warning`` may be intended; ``bad`` is not."""

    name: str
    state: State
    detail: str

    @property
    def good(self) -> bool:
        """Whether the deployment can work with it."""
        return self.state != "bad"


async def examine(settings: Settings) -> list[Finding]:
    """Run all checks; nothing is waited for longer than `PATIENCE_S`."""
    ends, (functions, held) = await asyncio.gather(_kafka(settings.kafka), _redis(settings))
    return [
        *_settings(settings),
        _rules(settings),
        *ends.findings,
        *functions,
        *_agreement(settings.kafka, ends.offsets, held),
    ]


def _settings(settings: Settings) -> Iterable[Finding]:
    if settings.stream.clock == "replay":
        yield Finding("clock", "warning", "stream.clock is replay: the time is what the last replay set")
    for name, keys, lost in (
        ("web.write_keys", settings.web.write_keys, "no website can send events"),
        ("web.api_keys", settings.web.api_keys, "nobody can ask for decisions"),
    ):
        yield Finding(name, "good", f"{len(keys)} set") if keys else Finding(name, "warning", f"none set: {lost}")


def _rules(settings: Settings) -> Finding:
    try:
        rulebook = load(settings.rules.directory)
    except BadRule as bad:
        return Finding("rules", "bad", "\n".join(bad.faults))
    counts = f"{len(rulebook.indicators)} indicators, {len(rulebook.offers)} offers"
    return Finding("rules", "good", f"revision {rulebook.revision}: {counts}")


class _Log(msgspec.Struct, frozen=True):
    """Findings about Kafka, and the end offset of each partition of the events topic (empty: unknown)."""

    findings: list[Finding]
    offsets: Mapping[int, int] = {}


async def _kafka(kafka: Kafka) -> _Log:
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await _topics(kafka)
            topics = [_topic(kafka, name, wanted, found) for name, wanted in topics_of(kafka).items()]
            ends = await _ends(kafka, found.get(kafka.events_topic, 0))
    except (KafkaError, OSError, TimeoutError) as error:
        return _Log([Finding("kafka", "bad", f"{kafka.brokers} does not answer: {error!r}")])
    except ValueError as error:  # raised by aiokafka for an invalid address
        return _Log([Finding("kafka", "bad", f"kafka.brokers: {kafka.brokers} is no host:port: {error}")])
    return _Log([Finding("kafka", "good", f"{kafka.brokers} answers"), *topics], ends)


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


async def _redis(settings: Settings) -> tuple[list[Finding], dict[int, int]]:
    """Findings, and the offset at which Redis holds each partition (of all there may be)."""
    timeout = settings.redis.timeout_s
    try:
        client = redis.asyncio.Redis.from_url(
            settings.redis.url, protocol=2, socket_timeout=timeout, socket_connect_timeout=timeout
        )
    except ValueError as error:
        return [Finding("redis", "bad", f"redis.url: {error}")], {}
    try:
        version = _version(await client.info("server"))
        skew, held = _skew(*await _times(client)), await _held(client)
    except (RedisError, OSError, TimeoutError) as error:
        return [Finding("redis", "bad", f"does not answer: {error}")], {}
    finally:
        await client.aclose()
    return [version, await _functions(settings), skew], held


def _version(server: Mapping[str, Any]) -> Finding:
    version = str(server.get("redis_version", "0"))
    name = server.get("server_name", "redis")
    answer = f"{name} {server.get('valkey_version', version)} answers"
    if int(version.split(".")[0]) < LEAST_REDIS:
        return Finding("redis", "bad", f"{answer}: functions need Redis {LEAST_REDIS} or Valkey")
    return Finding("redis", "good", answer)


async def _functions(settings: Settings) -> Finding:
    """Load the library where it is missing, as every process does, and call one that changes nothing."""
    name = "redis functions"
    nobody = Outcome("0-doctor", "", OutcomeName.IGNORED, 0, customer_id("nobody"), "")
    try:
        store = RedisStore(settings.redis, settings.kafka.partitions)
        try:
            await store.learn(nobody, None)
        finally:
            await store.close()
    except (BadSettings, Unavailable) as error:
        return Finding(name, "bad", f"cannot be loaded or called: {error}")
    return Finding(name, "good", "loaded, and a call was answered")


async def _times(client: redis.asyncio.Redis) -> tuple[float, float, float]:
    """Local time before, Redis's time, local time after (epoch s)."""
    before = time.time()
    seconds, micros = await client.time()
    return before, seconds + micros / 1e6, time.time()


def _skew(before: float, theirs: float, after: float) -> Finding:
    """The least possible clock skew, given the call's round trip."""
    skew = round(1_000 * max(before - theirs, theirs - after, 0.0))
    state: State = "good" if skew < SKEW_WARNED_MS else "warning" if skew < SKEW_BAD_MS else "bad"
    detail = "agrees with this machine's" if not skew else f"{skew} ms away from this machine's: set both by NTP"
    return Finding("redis clock", state, detail)


async def _held(client: redis.asyncio.Redis) -> dict[int, int]:
    """Partition -> offset, for every partition that was ever claimed."""
    pipe = client.pipeline(transaction=False)
    for key in RedisKeys(MOST_PARTITIONS).position:
        pipe.hmget(key, "epoch", "offset")
    answers = enumerate(await pipe.execute())
    return {partition: int(offset or 0) for partition, (epoch, offset) in answers if epoch is not None}


def _agreement(kafka: Kafka, ends: Mapping[int, int], held: Mapping[int, int]) -> Iterable[Finding]:
    """Whether Redis holds the state of these topics."""
    if not held:
        return
    name, beyond = "kafka and redis", [partition for partition in held if partition >= kafka.partitions]
    ahead = [partition for partition, offset in held.items() if partition in ends and offset > ends[partition]]
    if beyond:
        detail = f"Redis holds partition {max(beyond)}, the settings have {kafka.partitions}"
        yield Finding(
            name, "bad", f"{detail}: customers would be looked up in the wrong partition; their number is fixed"
        )
    if ahead:
        at = ahead[0]
        detail = f"partition {at}: Redis is at offset {held[at]}, the topic ends at {ends[at]}"
        cause = "the topic lost its records (see CUELINE_STREAM__LOST_LOG), or this Redis belongs to another"
        yield Finding(name, "bad", f"{detail}: {cause}")
    if not beyond and not ahead:
        yield Finding(name, "good", f"{len(held)} partitions held, none beyond the topic's end")
