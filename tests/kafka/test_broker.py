"""Apache Kafka as the tests run it: takes records, dies, returns on its port with its log."""

from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from engine.kafka.topics import make_topics
from engine.settings import Kafka
from tests.services import Broker

pytestmark = pytest.mark.kafka


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_killed_broker_returns_with_its_log(kafka: Broker, unique: Callable[[str], str]) -> None:
    topic, values = unique("smoke"), [b"%d" % number for number in range(100)]
    await make_topics(Kafka(brokers=kafka.bootstrap), {topic: 1})
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    await producer.start()
    for value in values:
        await producer.send_and_wait(topic, value)
    await producer.stop()
    assert await read(kafka.bootstrap, topic, 100) == values

    first = kafka.pid
    kafka.kill()
    await kafka.start()

    assert kafka.pid != first
    assert await read(kafka.bootstrap, topic, 100) == values
