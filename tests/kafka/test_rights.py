"""Kafka's access lists: what README gives a worker and an api process is enough for all that they do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import admin

from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.events import Outcome, OutcomeName
from engine.kafka.producer import KafkaLog
from engine.kafka.security import client_options
from engine.kafka.topics import make_topics, topics_of
from engine.kernels.partition import partition_of
from engine.ports.kafka import AuditAction, AuditEntry
from engine.settings import Kafka
from tests.flows.test_stream import PARTITIONS, deployed, shopping
from tests.kafka.secured import LESSER_USERS, PASSWORD, Secured
from tests.patience import PATIENCE_S
from tests.services import Valkey

pytestmark = pytest.mark.kafka

WORKER, API = LESSER_USERS


def rights(kafka: Kafka) -> dict[str, list[str]]:
    """README's table: user -> operations and names of topics, and of the group."""
    events, outcomes, letters, audits = topics_of(kafka)
    return {
        WORKER: [
            *(f"READ topic {topic}" for topic in (events, outcomes)),
            *(f"WRITE topic {topic}" for topic in (events, letters)),
            f"DESCRIBE topic {audits}",
            f"READ group {kafka.group}",
        ],
        API: [*(f"WRITE topic {topic}" for topic in (events, outcomes, audits)), f"DESCRIBE topic {letters}"],
    }


def grant(bootstrap: str, user: str, wanted: list[str]) -> None:
    """Give `user` rights, over the listener where everybody may do everything."""
    of: Any = admin  # its enumerations are typed nowhere
    client = of.AdminClient({"bootstrap.servers": bootstrap})
    rules = [
        of.AclBinding(
            of.ResourceType[kind.upper()],
            name,
            of.ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            of.AclOperation[operation],
            of.AclPermissionType.ALLOW,
        )
        for operation, kind, name in (right.split() for right in wanted)
    ]
    for made in client.create_acls(rules).values():
        made.result(PATIENCE_S)


def as_user(kafka: Kafka, user: str) -> Kafka:
    return kafka.model_copy(update={"sasl_mechanism": "PLAIN", "sasl_user": user})


async def test_who_may_not_make_a_topic_is_told_so(secured: Secured) -> None:
    with pytest.raises(Unavailable, match="topic never is not there for us, and we may not make it"):
        await make_topics(as_user(secured.kafka("SASL_SSL"), API), {"never": 1})


async def test_a_worker_and_an_api_process_need_no_more(
    secured: Secured, valkey: Valkey, unique: Callable[[str], str], tmp_path: Path
) -> None:
    reached = secured.kafka("SASL_SSL", audit_topic=unique("audit"))
    async with deployed(secured.broker, valkey, unique, tmp_path, reached) as deployment:
        kafka = deployment.kafka
        for user, wanted in rights(kafka).items():
            await asyncio.to_thread(grant, secured.broker.bootstrap, user, wanted)
            await until_granted(as_user(kafka, user))
        await deployment.work("worker", CUELINE_KAFKA__SASL_MECHANISM="PLAIN", CUELINE_KAFKA__SASL_USER=WORKER)
        await write_as_an_api_process(as_user(kafka, API))
        await write_what_goes_elsewhere(kafka)
        await deployment.until(lambda t: (t.get("applied"), t.get("forwarded")) == (31, 1))
        assert await letters(kafka, 2) == {kafka.events_topic.encode(), kafka.outcomes_topic.encode()}
        assert PASSWORD not in (tmp_path / "logs" / "worker.log").read_text()


async def until_granted(kafka: Kafka) -> None:
    """A broker learns of rights after they were given. Making topics that are there needs none to make any."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(Unavailable):
                return await make_topics(kafka, topics_of(kafka))
            await asyncio.sleep(0.05)


async def write_as_an_api_process(kafka: Kafka) -> None:
    """Events, an outcome, an audit."""
    log = KafkaLog(kafka)
    await log.open()
    await log.publish(shopping(30, 5))
    await log.publish_outcome(Outcome("1-x", "chat", OutcomeName.ACCEPTED, 1, customer_id("ann"), "web"))
    await log.publish_audit([AuditEntry("desk", AuditAction.DECISION_MADE, "ann", 1)])
    await log.close()


async def write_what_goes_elsewhere(kafka: Kafka) -> None:
    """A record of each topic that is none, and an event in a partition that is not its customer's."""
    (event,) = shopping(1, 1, seed=2)
    producer = AIOKafkaProducer(**client_options(kafka))
    await producer.start()
    for topic in (kafka.events_topic, kafka.outcomes_topic):
        await producer.send_and_wait(topic, b"nothing of ours", key=b"ann", partition=0)
    key = event.customer.encode()
    other = (partition_of(key, PARTITIONS) + 1) % PARTITIONS
    await producer.send_and_wait(kafka.events_topic, msgspec.msgpack.encode(event.event), key=key, partition=other)
    await producer.stop()


async def letters(kafka: Kafka, count: int) -> set[bytes]:
    """Topics of the first dead letters."""
    consumer = AIOKafkaConsumer(kafka.deadletters_topic, **client_options(kafka), auto_offset_reset="earliest")
    await consumer.start()
    async with asyncio.timeout(PATIENCE_S):
        found = {dict((await consumer.getone()).headers)["topic"] for _ in range(count)}
    await consumer.stop()
    return found
