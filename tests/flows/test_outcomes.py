"""Outcomes on their topic: they count once, and invalid records become a dead letter beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import redis
from aiokafka import AIOKafkaProducer

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import LATEST_MS, Outcome, OutcomeName
from engine.kafka import faust_app
from engine.kafka.faust_app import REFUSED, read_outcome
from engine.kernels.partition import partition_of
from engine.ports.decision_store import Reservation
from engine.ports.lesson_store import Lessons
from tests.flows.test_stream import PARTITIONS, START, WITHIN_S, Deployment, dead_letters, deployed
from tests.services import Broker, Valkey

CUSTOMER = "ann"
DECISION = f"{partition_of(CUSTOMER.encode(), PARTITIONS)}-1"

NONE_OF_OURS = [
    None,
    b"",
    b"not JSON",
    b"[]",
    b"{}",
    b'{"decisionId": "\xff"}',
    b'{"deep": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"decisionId":"1-1","offerId":"chat","outcome":"sold","at":1,"customer":"ann","channel":"web"}',
]


@pytest.mark.parametrize("value", NONE_OF_OURS)
def test_what_is_no_outcome_is_refused(value: bytes | None) -> None:
    with pytest.raises(BadEvent) as refused:
        read_outcome(value)
    assert refused.value.code == "malformed"


ACCEPTED = Outcome(DECISION, "chat", OutcomeName.ACCEPTED, START, customer_id(CUSTOMER), "web", trust=1)


@pytest.mark.parametrize(
    ("received_at", "good"), [(-1, False), (0, True), (LATEST_MS, True), (LATEST_MS + 1, False), (-(2**63), False)]
)
def test_when_it_came_in_is_a_time_or_not_known(received_at: int, good: bool) -> None:
    said = msgspec.structs.replace(ACCEPTED, received_at=received_at)
    if good:
        assert read_outcome(msgspec.json.encode(said)) == said
    else:
        with pytest.raises(BadEvent, match="bad_time: receivedAt"):
            read_outcome(msgspec.json.encode(said))


class KafkaMessage(NamedTuple):
    """As much of a message as is used of it."""

    offset: int
    value: bytes
    key: bytes = CUSTOMER.encode()
    partition: int = 0


@pytest.fixture
async def deployment(
    broker: Broker, valkey: Valkey, unique: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with deployed(broker, valkey, unique, tmp_path) as built:
        yield built


async def test_an_outcome_teaches_once_whatever_lies_before_it(deployment: Deployment) -> None:
    await deployment.store.reserve([Reservation(customer_id(CUSTOMER), DECISION, START, (), b"record")])
    accepted = ACCEPTED
    producer = AIOKafkaProducer(bootstrap_servers=deployment.kafka.brokers)
    await producer.start()
    for value in (*NONE_OF_OURS, msgspec.json.encode(accepted), msgspec.json.encode(accepted)):
        await producer.send_and_wait(deployment.kafka.outcomes_topic, value, key=CUSTOMER.encode())
    last = msgspec.structs.replace(accepted, offer_id="call", outcome=OutcomeName.REJECTED)
    await producer.send_and_wait(deployment.kafka.outcomes_topic, msgspec.json.encode(last), key=CUSTOMER.encode())
    await producer.stop()
    await deployment.work("worker")
    async with asyncio.timeout(WITHIN_S):
        while ("call", "web") not in (learned := dict(await deployment.store.propensities())):
            await asyncio.sleep(0.05)
    assert learned == {("chat", "web"): Lessons(1, 0), ("call", "web"): Lessons(0, 1)}
    wrong = [value for value in NONE_OF_OURS if value is not None]
    letters = await dead_letters(deployment, deployment.kafka.outcomes_topic, len(wrong))
    assert letters == [("malformed", CUSTOMER.encode(), value) for value in wrong]
    assert await deployment.measured("worker", "stream_tombstones") == len(NONE_OF_OURS) - len(wrong) > 0


async def test_an_outcome_that_redis_refuses_lets_those_behind_it_go_on(
    deployment: Deployment, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faust_app, "ATTEMPTS", 1)
    store, asked = deployment.store, list[str]()
    await store.reserve([Reservation(customer_id(CUSTOMER), DECISION, START, (), b"record")])
    with redis.Redis.from_url(valkey.url, protocol=2) as meddling:
        meddling.set(f"{{p{DECISION[0]}}}:l:{DECISION}", "no set")

    async def learn(outcome: Outcome, success: bool | None) -> bool:
        asked.append(outcome.decision_id)
        return await store.learn(outcome, success)

    value, topic = msgspec.json.encode(ACCEPTED), deployment.kafka.outcomes_topic
    for offset in range(2):
        await faust_app._learn(KafkaMessage(offset, value), topic, deployment.log, learn)
    assert asked == [DECISION] * 4
    letters = await dead_letters(deployment, topic, 2)
    assert letters == [(REFUSED, CUSTOMER.encode(), value)] * 2
