"""Kafka as the API and the worker write to it: acknowledged by all replicas, idempotent, keyed by customer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaConnectionError, KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from engine.errors import Unavailable
from engine.events import Message, Outcome
from engine.kafka.dead_letters import dead_letter_record
from engine.kafka.reach import unreachable
from engine.kafka.security import client_options
from engine.ports.kafka import AuditEntry, DeadLetter, LogPlace, Mail
from engine.ports.meter import Meter
from engine.post.seal import SIGNATURE_HEADER
from engine.settings import Kafka

LINGER_MS = 2  # joins what arrives within two milliseconds; a lone event waits as long
ACK_TIMEOUT_S = 10.0
PING_TIMEOUT_S = 2.0


NOT_IDEMPOTENT = (
    "where a broker has none, set kafka.idempotent (CUELINE_KAFKA__IDEMPOTENT) to false; repeats are then dropped "
    "by message id"
)


class _Record(NamedTuple):
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] | None = None


class KafkaLog:
    """`engine.ports.kafka.EventLog` on aiokafka, and the worker's side outputs: other partitions and dead letters.

    `meter` counts dead letters; only a worker writes any. Raises `BadSettings` when settings contradict each
    other; nothing is connected before `open`.
    """

    def __init__(self, settings: Kafka, meter: Meter | None = None) -> None:
        self._settings = settings
        self._options = client_options(settings)
        self._meter = meter
        self._producer: AIOKafkaProducer | None = None
        self._encode = msgspec.msgpack.Encoder().encode

    async def open(self) -> None:
        """Connect; raises `Unavailable`."""
        self._producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=self._settings.idempotent,
            linger_ms=LINGER_MS,
            max_batch_size=256 * 1024,
            request_timeout_ms=int(ACK_TIMEOUT_S * 1000),
        )
        try:
            await self._producer.start()
        except KafkaError as error:
            await self.close()
            why = await unreachable(self._settings)
            raise Unavailable(why or f"Kafka at {self._settings.brokers}: {self._refused(error)}") from error

    def _refused(self, error: KafkaError) -> str:
        """Why a broker that answers takes no producer."""
        if not self._settings.idempotent or isinstance(error, KafkaConnectionError):
            return repr(error)
        if isinstance(error, ClusterAuthorizationFailedError):
            return "this user may write to no topic: give it the rights of README's table"
        return f"it takes no idempotent producer ({error!r}): {NOT_IDEMPOTENT}"

    @property
    def is_open(self) -> bool:
        """Whether the producer is started."""
        return self._producer is not None

    async def close(self) -> None:
        """Flush and close."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def ping(self) -> None:
        """Probe the brokers. Raises `Unavailable` when they do not answer, or when a partition of the events topic
        has no leader and so takes no writes."""
        if self._producer is None:
            raise Unavailable("the connection to Kafka is not open")
        client, topic = self._producer.client, self._settings.events_topic
        try:
            answered = await asyncio.wait_for(client.force_metadata_update(), PING_TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not answer: {error!r}") from error
        if not answered:
            raise Unavailable("Kafka does not answer")
        known = client.cluster.partitions_for_topic(topic) or set()
        led = client.cluster.available_partitions_for_topic(topic) or set()
        if known - led:
            raise Unavailable(f"partitions {', '.join(map(str, sorted(known - led)))} of {topic} have no leader")

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write events; returns once Kafka has acknowledged all. Raises `Unavailable`.

        A message that was sent may still arrive after a failure: send it again with the same id.
        """
        topic = self._settings.events_topic
        await self._send(
            [_Record(topic, message.customer.encode(), self._encode(message.event)) for message in messages]
        )

    async def publish_one(self, message: Message) -> LogPlace:
        """Write an event; returns once Kafka has acknowledged it. Raises `Unavailable`."""
        if self._producer is None:
            raise Unavailable("the connection to Kafka is not open")
        topic, value = self._settings.events_topic, self._encode(message.event)
        try:
            ack = await self._producer.send(topic, value, message.customer.encode())
            place = await asyncio.wait_for(ack, ACK_TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka has not acknowledged it: {error!r}") from error
        return LogPlace(topic, place.partition, place.offset)

    async def publish_outcome(self, outcome: Outcome) -> None:
        """Write an outcome; returns once Kafka has acknowledged it. Raises `Unavailable`."""
        topic, value = self._settings.outcomes_topic, msgspec.json.encode(outcome)
        await self._send([_Record(topic, outcome.customer.encode(), value)])

    async def publish_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Write who read what of whom. Raises `Unavailable`, and some may have arrived then.

        Batches are built here: a future for each record, as `_send` has it, costs ten times as much.
        """
        if self._producer is None:
            raise Unavailable("the connection to Kafka is not open")
        acks: list[Awaitable[object]] = []
        try:
            left = list(entries)
            while left:
                batch = self._producer.create_batch()
                taken = _filled(batch, left)
                acks.append(await self._producer.send_batch(batch, self._settings.audit_topic, partition=0))
                del left[:taken]
            await asyncio.wait_for(_all(acks), ACK_TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka did not acknowledge: {error!r}") from error

    async def side_output(
        self, partition: int, dead: Sequence[DeadLetter], forward: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Write dead letters of `partition`, and events to the partitions they belong to."""
        topic = self._settings.events_topic
        await self._send(
            [
                *(_Record(topic, key, value) for key, value in forward),
                *(
                    _Record(self._settings.deadletters_topic, *dead_letter_record(topic, partition, letter))
                    for letter in dead
                ),
            ]
        )
        self._count(dead)

    async def mail(self, letters: Sequence[Mail]) -> None:
        """Write mail; returns once Kafka has acknowledged all. Raises `Unavailable`, and any of it may have
        arrived then: send all again."""
        topic = self._settings.events_topic
        await self._send(
            [_Record(topic, one.key, one.value, [(SIGNATURE_HEADER, one.signature)]) for one in letters]
        )

    async def dead_letter(self, topic: str, partition: int, letter: DeadLetter) -> None:
        """Write one dead letter of any topic."""
        record = dead_letter_record(topic, partition, letter)
        await self._send([_Record(self._settings.deadletters_topic, *record)])
        self._count([letter])

    def count_tombstone(self) -> None:
        """Count a record without a value, of any topic."""
        if self._meter is not None:
            self._meter.add("stream_tombstones")

    def _count(self, letters: Sequence[DeadLetter]) -> None:
        if self._meter is not None:
            for reason, count in Counter(letter.reason for letter in letters).items():
                self._meter.add("stream_deadletters", count, reason)

    async def _send(self, records: Sequence[_Record]) -> None:
        if not records:
            return
        if self._producer is None:
            raise Unavailable("the connection to Kafka is not open")
        send = self._producer.send
        try:
            acks = [await send(topic, value, key=key, headers=headers) for topic, key, value, headers in records]
            await asyncio.wait_for(_all(acks), ACK_TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka did not acknowledge: {error!r}") from error


def _filled(batch: BatchBuilder, entries: Sequence[AuditEntry]) -> int:
    """Put as many entries into `batch` as it holds; returns how many."""
    taken = 0
    for entry in entries:
        key, value = entry.whom.encode() or None, msgspec.json.encode(entry)
        if batch.append(key=key, value=value, timestamp=entry.at) is None:
            break
        taken += 1
    batch.close()
    return taken


async def _all(acks: Sequence[Awaitable[object]]) -> None:
    await asyncio.gather(*acks)
