"""`cueline erase` on a broker and Valkey with a worker: the receipt, and what --verify finds at each moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from engine.events import Message, Rank
from engine.identity.link import Cause, Link, event_of
from engine.kafka.topics import CLEANUP, RETENTION, make_topics, topics_of
from engine.kernels.partition import partition_of
from engine.settings import Kafka, Redis
from tests.flows.test_stream import Deployment, cueline, named, shopping
from tests.patience import PATIENCE_S
from tests.services import Broker, Valkey

DAY_MS = 86_400_000
KEPT_DAYS, SEGMENT_DAYS = 30, 2


@pytest.fixture
async def deployment(
    broker: Broker, valkey: Valkey, unique: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Deployment]:
    kafka = named(Kafka(brokers=broker.bootstrap, audit_topic=unique("audit")), unique, broker.durable)
    built = Deployment(kafka, Redis(url=valkey.url), tmp_path)
    kept = {
        CLEANUP: "delete", RETENTION: str(KEPT_DAYS * DAY_MS), "segment.ms": str(SEGMENT_DAYS * DAY_MS),
    }  # fmt: skip
    own = [kafka.events_topic, kafka.deadletters_topic, kafka.audit_topic]
    await make_topics(
        kafka, topics_of(kafka), {**dict.fromkeys(own, kept), kafka.outcomes_topic: {RETENTION: "-1"}}
    )
    await built.log.open()
    yield built
    await built.supervisor.stop_all(grace=1)
    await built.log.close()
    await built.store.close()


async def verified(deployment: Deployment, receipt: Path) -> tuple[int | None, dict[str, Any]]:
    status, answer, errors = await cueline(deployment, "erase", "--verify", str(receipt), "--json")
    assert answer, errors
    return status, json.loads(answer)


async def test_an_erasure_is_verified_from_its_receipt_on(deployment: Deployment, tmp_path: Path) -> None:
    messages = shopping(60, 2)
    customer, kafka = messages[0].customer, deployment.kafka
    await deployment.log.publish(messages)
    status, answer, errors = await cueline(deployment, "erase", customer)
    assert status == 0, errors
    receipt = tmp_path / "receipt.json"
    receipt.write_text(answer)
    place = json.loads(answer)
    assert (place["customerId"], place["topic"]) == (customer, kafka.events_topic)

    status, found = await verified(deployment, receipt)
    assert (status, found["ok"], found["applied"]) == (4, False, False)

    await deployment.work("worker")
    await deployment.until(lambda tallies: tallies.get("events", 0) == len(messages) + 1)
    status, found = await verified(deployment, receipt)
    assert (found["applied"], found["remembered"], found["left"], found["since"]) == (True, True, [], 0)
    assert (status, found["ok"]) == (0, True)
    topics = {topic["topic"]: topic for topic in found["topics"]}
    assert list(topics) == [kafka.events_topic, kafka.outcomes_topic, kafka.deadletters_topic, kafka.audit_topic]
    assert [topic["holds"] for topic in topics.values()] == [True, False, False, False]
    ends = place["recordedAt"] + KEPT_DAYS * DAY_MS
    events = topics[kafka.events_topic]
    assert (events["retentionEnds"], events["goneBy"]) == (ends, ends + SEGMENT_DAYS * DAY_MS)
    assert topics[kafka.outcomes_topic]["goneBy"] is None
    _, said, _ = await cueline(deployment, "erase", "--verify", str(receipt))
    assert "Redis: nothing is left of what was before" in said
    assert f"{kafka.outcomes_topic}: holds no record of before" in said

    rows = await deployment.rows([one for one in {message.customer for message in messages} if one != customer])
    assert all(rows.values())


async def test_an_erasure_of_linked_ids_is_verified_for_each_of_them(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The ids lie in different partitions; a worker that is not there yet leaves its own waiting."""
    messages = shopping(60, 4)
    ids = {message.customer: None for message in messages}
    user = next(iter(ids))
    others = [one for one in ids if one != user][:2]
    await deployment.log.publish(messages)
    links = [
        Link(one, Rank.DEVICE, user, Rank.USER, messages[0].event.at, Cause.IDENTIFIED, True) for one in others
    ]
    await deployment.log.publish([Message(link.lower, event_of(link, 0)) for link in links])
    secret = json.dumps([{"id": "one", "secret": "s" * 32}])
    await deployment.work("worker", CUELINE_POST__ON="true", CUELINE_POST__SECRETS=secret)

    async def linked() -> bool:
        (found,) = await deployment.store.ids_linked([user])
        return set(found) == set(others)

    async with asyncio.timeout(PATIENCE_S):
        while not await linked():
            await asyncio.sleep(0.05)
    status, answer, errors = await cueline(deployment, "erase", others[0])
    assert status == 0, errors
    said = json.loads(answer)
    assert (said["customerId"], said["ids"][0], set(said["ids"])) == (others[0], others[0], {user, *others})
    receipt = tmp_path / "receipt.json"
    receipt.write_text(answer)
    async with asyncio.timeout(PATIENCE_S):
        while (found := (await verified(deployment, receipt))[1])["waiting"]:
            assert not found["ok"]
    assert (found["ok"], found["applied"], found["left"], set(found["ids"])) == (True, True, [], {user, *others})

    client = redis.Redis.from_url(deployment.redis.url)
    partition = partition_of(user.encode(), deployment.kafka.partitions)
    client.set(f"{{p{partition}}}:c:{user}", b"left")
    client.close()
    status, found = await verified(deployment, receipt)
    assert (status, found["ok"], [one["what"] for one in found["left"]]) == (1, False, ["row"])


@pytest.mark.parametrize("arguments", [(), ("ann", "--verify", "x"), ("--verify", "/no/such/file"), ("null",)])
async def test_what_cannot_be_asked_for_is_refused(deployment: Deployment, arguments: tuple[str, ...]) -> None:
    status, answer, errors = await cueline(deployment, "erase", *arguments)
    assert status != 0
    assert not answer
    assert "Traceback" not in errors
