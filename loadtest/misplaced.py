"""A producer that partitions otherwise: some of what it writes lies in another partition than its customer's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from engine.errors import Unavailable
from engine.events import Message
from engine.kafka.security import client_options
from engine.kernels.partition import partition_of
from engine.settings import Kafka

ONE_OF = 3  # events is misplaced
LINGER_MS = 2
ACK_TIMEOUT_S = 10.0


def place(message: Message, partitions: int) -> int:
    """The partition that `message` is written to, the same however often it is written: of one event in
    `ONE_OF` any but its customer's. ``partitions`` is 2 or more."""
    home, chance = partition_of(message.customer.encode(), partitions), crc32(message.event.id.encode())
    if chance % ONE_OF:
        return home
    return (home + 1 + chance // ONE_OF % (partitions - 1)) % partitions


class MisplacingLog:
    """Writes events, as `engine.kafka.producer.KafkaLog` does, to where `place` says."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None
        self._encode = msgspec.msgpack.Encoder().encode

    async def open(self) -> None:
        """Connect."""
        options, idempotent = client_options(self._kafka), self._kafka.idempotent
        self._producer = AIOKafkaProducer(
            **options, acks="all", enable_idempotence=idempotent, linger_ms=LINGER_MS
        )
        await self._producer.start()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns once Kafka has acknowledged all. Raises `Unavailable`: send all again then."""
        if self._producer is None:
            raise Unavailable("the connection to Kafka is not open")
        topic, partitions = self._kafka.events_topic, self._kafka.partitions
        try:
            acks = [
                await self._producer.send(
                    topic, self._encode(one.event), key=one.customer.encode(), partition=place(one, partitions)
                )
                for one in messages
            ]
            await asyncio.wait_for(asyncio.gather(*acks), ACK_TIMEOUT_S)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka did not acknowledge: {error!r}") from error

    async def close(self) -> None:
        """Flush and close."""
        if self._producer is not None:
            await self._producer.stop()
