"""Misplaced records between real processes: mailed, killed in the midst of it, and counted once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from engine.events import Message
from engine.kernels.partition import partition_of
from engine.post.ledger import Ledger
from engine.post.seal import SIGNATURE_HEADER
from tests.flows.test_stream import PARTITIONS, Deployment, deployment, expected, shopping

__all__ = ["deployment"]

SECRET = "0123456789abcdef" * 4
ON = {
    "CUELINE_POST__ON": "true",
    "CUELINE_POST__SECRETS": msgspec.json.encode([{"id": "test", "secret": SECRET}]).decode(),
}
TALLIES = ("applied", "duplicates", "deadletters")


async def misplace(of: Deployment, messages: Sequence[Message]) -> None:
    """Write each customer's events, in their order, to one partition that is not the customer's."""
    producer = AIOKafkaProducer(bootstrap_servers=of.kafka.brokers, linger_ms=5)
    await producer.start()
    try:
        acks = []
        for message in messages:
            key = message.customer.encode()
            value, wrong = msgspec.msgpack.encode(message.event), (partition_of(key, PARTITIONS) + 1) % PARTITIONS
            acks.append(await producer.send(of.kafka.events_topic, value, key=key, partition=wrong))
        await asyncio.gather(*acks)
    finally:
        await producer.stop()


async def first_of(of: Deployment, partition: int) -> ConsumerRecord[bytes, bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=of.kafka.brokers, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(of.kafka.events_topic, partition)])
    await consumer.start()
    try:
        return await consumer.getone()
    finally:
        await consumer.stop()


async def test_misplaced_records_count_once_however_often_workers_are_killed(deployment: Deployment) -> None:
    messages = shopping(1_200, 20)
    await deployment.work("one", **ON)
    for start in range(0, len(messages), 600):
        await misplace(deployment, messages[start : start + 600])
        await deployment.until(lambda t: t.get("forwarded", 0) > start)  # noqa: B023 - it is over within the round
        os.kill(deployment.supervisor.pid("one"), signal.SIGKILL)  # the supervisor starts it again
    tallies = await deployment.until(lambda t: t.get("applied", 0) >= len(messages))
    wanted = expected(messages)
    assert tallies["applied"] == len(messages)
    assert tallies["deadletters"] == 0
    assert await deployment.rows(list(wanted)) == wanted
    assert [Ledger(await deployment.store.post(p)).holes for p in range(PARTITIONS)] == [0] * PARTITIONS


async def test_mail_is_signed_and_forged_mail_is_a_dead_letter(deployment: Deployment) -> None:
    messages = shopping(1, 1)
    await deployment.work("one", **ON)
    await misplace(deployment, messages)
    await deployment.until(lambda t: t.get("applied", 0) == 1)
    home = partition_of(messages[0].customer.encode(), PARTITIONS)
    record = await first_of(deployment, home)
    headers = dict(record.headers)
    assert headers[SIGNATURE_HEADER].startswith(b"test:")
    producer = AIOKafkaProducer(bootstrap_servers=deployment.kafka.brokers)
    await producer.start()
    for signature in (headers[SIGNATURE_HEADER][:-1] + b"!", headers[SIGNATURE_HEADER]):
        await producer.send_and_wait(
            deployment.kafka.events_topic,
            record.value,
            key=record.key,
            headers=[(SIGNATURE_HEADER, signature)],
        )
    await producer.stop()
    tallies = await deployment.until(lambda t: t.get("events", 0) == 4)
    assert tuple(tallies.get(name, 0) for name in TALLIES) == (1, 1, 1)
