"""Where the log of each partition ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from engine.errors import Unavailable
from engine.kafka.security import client_options
from engine.settings import Kafka

PATIENCE_S = 10.0


async def log_ends(kafka: Kafka, partitions: Sequence[int]) -> Mapping[int, int]:
    """The end offsets of `partitions` of the events topic. Raises `Unavailable`, and `BadSettings` for settings
    that cannot be."""
    consumer = AIOKafkaConsumer(**client_options(kafka), enable_auto_commit=False)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await consumer.start()
            asked = [TopicPartition(kafka.events_topic, partition) for partition in partitions]
            return {tp.partition: end for tp, end in (await consumer.end_offsets(asked)).items()}
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(f"Kafka does not say where its log ends: {error!r}") from error
    finally:
        await consumer.stop()
