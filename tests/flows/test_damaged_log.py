"""A log whose bytes changed on the broker's disk: Apache Kafka serves them as they are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from engine.kernels.partition import partition_of
from loadtest.servers import Broker
from tests.flows.test_stream import PARTITIONS, WITHIN_S, Deployment, deployment, expected, shopping

__all__ = ["deployment"]

BATCH = 40


@pytest.mark.kafka
@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_a_batch_that_rotted_is_one_dead_letter_and_all_others_count(
    deployment: Deployment, broker: Broker, codec: str | None
) -> None:
    """In the events topic and, passed and logged, in the outcomes topic, which an agent reads."""
    messages = shopping(3 * BATCH, 1)
    partition = partition_of(messages[0].customer.encode(), PARTITIONS)
    producer = AIOKafkaProducer(
        bootstrap_servers=deployment.kafka.brokers, compression_type=codec, linger_ms=500, max_batch_size=1 << 20
    )
    await producer.start()
    ends: list[int] = []
    for topic in (deployment.kafka.events_topic, deployment.kafka.outcomes_topic):
        segment = folder_of(broker) / f"{topic}-{partition}" / f"{0:020}.log"
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            sending = [
                await producer.send(topic, msgspec.msgpack.encode(one.event), one.customer.encode())
                for one in batch
            ]
            await asyncio.gather(*sending)
            ends.append(segment.stat().st_size)
        with segment.open("r+b") as file:  # the last byte of the second of three
            file.seek(ends[-2] - 1)
            (byte,) = file.read(1)
            file.seek(ends[-2] - 1)
            file.write(bytes([byte ^ 0xFF]))
    await producer.stop()
    await deployment.work("worker")
    tallies = await deployment.until(lambda tallies: tallies.get("applied", 0) == 2 * BATCH)
    assert (tallies["events"], tallies["deadletters"]) == (2 * BATCH + 1, 1)
    wanted = expected([*messages[:BATCH], *messages[2 * BATCH :]])
    assert await deployment.rows(list(wanted)) == wanted
    assert await deployment.measured("worker", "stream_gaps") == BATCH - 1
    letters = await letters_of(deployment, 1 + 2 * BATCH)
    assert sorted(letters)[0] == ("damaged_batch", deployment.kafka.events_topic, BATCH)
    outcomes = [offset for _, topic, offset in letters if topic == deployment.kafka.outcomes_topic]
    assert sorted(outcomes) == [*range(BATCH), *range(2 * BATCH, 3 * BATCH)]


def folder_of(broker: Broker) -> Path:
    """Where its log lies."""
    return broker._log.parent / "log"


async def letters_of(deployment: Deployment, count: int) -> list[tuple[str, str, int]]:
    """Reason, topic and offset of so many dead letters."""
    consumer = AIOKafkaConsumer(
        deployment.kafka.deadletters_topic,
        bootstrap_servers=deployment.kafka.brokers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            records = [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()
    headers = [dict(record.headers) for record in records]
    return [(one["reason"].decode(), one["topic"].decode(), int(one["offset"])) for one in headers]
