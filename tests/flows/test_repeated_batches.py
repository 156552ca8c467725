"""A large batch that its sender repeats counts once, whichever api process takes it, and is answered as before."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Event, Kind, Message
from engine.local.loopback import free_port
from engine.settings import Redis
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from engine.web.api.sent_batches import FEW, SentBatches
from tests.flows.api import NOW, PARTITIONS, WRITER, MemoryLog, Process, calling, settings
from tests.flows.test_stream import WITHIN_S, Deployment, deployed
from tests.patience import PATIENCE_S
from tests.services import Broker, Valkey

KEY = "write-key-of-128-bits-or-so"


def events(customer: str, numbers: range) -> list[dict[str, Any]]:
    return [
        {"type": "track", "userId": customer, "messageId": f"m-{number}", "event": "Product Viewed"}
        for number in numbers
    ]


async def post(client: httpx.AsyncClient, batch: list[dict[str, Any]], **more: str) -> httpx.Response:
    return await client.post("/v1/batch", json={"batch": batch, **more})


@pytest.fixture
async def two() -> AsyncIterator[tuple[list[Process], list[httpx.AsyncClient]]]:
    """Two api processes over one store."""
    store = MemoryStore(PARTITIONS)
    processes = [Process(settings(), store=store) for _ in range(2)]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(calling(process)) for process in processes]
        for client in clients:
            client.headers.update(WRITER)
        yield processes, clients


Two = tuple[list[Process], list[httpx.AsyncClient]]


async def test_a_repeat_is_accepted_and_not_written_again(two: Two) -> None:
    (first, second), (one, other) = two
    batch = events("ann", range(100))
    answers = [
        await post(one, batch, sentAt="2026-01-01T10:00:00Z"),
        await post(other, batch[::-1], sentAt="2026-01-01T10:00:11Z"),  # an SDK states the time of each attempt
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json() for answer in answers] == [{"accepted": 100, "rejected": 0, "errors": []}] * 2
    assert (len(first.log.messages), len(second.log.messages)) == (100, 0)
    assert (second.meter.value("events_accepted"), second.meter.value("events_repeated")) == (0, 100)


async def test_what_is_new_beside_a_repeat_is_written(two: Two) -> None:
    (first, _), (one, _) = two
    await post(one, [*events("ann", range(100)), *events("ben", range(3))])
    first.log.messages.clear()
    answer = await post(one, [*events("ben", range(3)), *events("cid", range(40)), *events("ann", range(60, 130))])
    assert answer.json()["accepted"] == 113
    written = [(message.customer, message.event.id) for message in first.log.messages]
    # of a customer with few events all are: their row knows them
    assert written == [
        *(("ben", f"m-{n}") for n in range(3)),
        *(("cid", f"m-{n}") for n in range(40)),
        *(("ann", f"m-{n}") for n in range(100, 130)),
    ]


@pytest.mark.parametrize(("many", "written"), [(FEW, 2 * FEW), (FEW + 1, FEW + 1)])
async def test_small_batches_are_left_to_the_row(two: Two, many: int, written: int) -> None:
    (first, _), (one, _) = two
    for _ in range(2):
        await post(one, events("ann", range(many)))
    assert len(first.log.messages) == written


async def test_a_batch_that_kafka_did_not_acknowledge_is_written_when_it_comes_again(two: Two) -> None:
    (first, _), (one, _) = two
    first.log.fault = Unavailable("Kafka is away")
    assert (await post(one, events("ann", range(100)))).status_code == 503
    first.log.fault = None
    assert (await post(one, events("ann", range(100)))).status_code == 200
    assert len(first.log.messages) == 100


async def test_a_repeat_beside_the_first_is_asked_to_come_later(two: Two) -> None:
    (first, second), (one, other) = two
    first.log.open.clear()
    under_way = asyncio.create_task(post(one, events("ann", range(100))))
    await first.log.asked.acquire()
    early = await post(other, events("ann", range(100)))
    assert (early.status_code, early.headers["retry-after"]) == (503, "1")
    first.log.open.set()
    assert (await under_way).status_code == 200
    assert (await post(other, events("ann", range(100)))).status_code == 200
    assert (len(first.log.messages), len(second.log.messages)) == (100, 0)


async def test_without_redis_batches_go_through() -> None:
    away = RedisStore(Redis(), PARTITIONS)
    await away.close()
    process = Process(settings(), sent=away)
    async with calling(process) as client:
        client.headers.update(WRITER)
        answers = [await post(client, events("ann", range(100))) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(process.log.messages) == 200


async def test_when_redis_goes_meanwhile_the_batch_was_taken(valkey: Valkey) -> None:
    store = RedisStore(Redis(url=valkey.url), PARTITIONS)
    process = Process(settings(), sent=store)
    process.log.open.clear()
    async with calling(process) as client:
        client.headers.update(WRITER)
        under_way = asyncio.create_task(post(client, events("ann", range(100))))
        await process.log.asked.acquire()
        await store.close()
        process.log.open.set()
        assert (await under_way).status_code == 200
    assert len(process.log.messages) == 100


@pytest.fixture
async def deployment(
    broker: Broker, valkey: Valkey, unique: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with deployed(broker, valkey, unique, tmp_path) as built:
        yield built


async def started(deployment: Deployment, name: str) -> httpx.AsyncClient:
    """A client of an api process that listens."""
    port = free_port()
    environment = {
        **deployment.environment(),
        "CUELINE_REDIS__TIMEOUT_S": "20",  # a Redis that is late keeps no repeat out
        "CUELINE_STREAM__CLOCK": "replay",
        "CUELINE_RATES__VISITOR_EVENTS_PER_SECOND": "0",  # a quick machine would be told to wait
        "CUELINE_WEB__PORT": str(port),
        "CUELINE_WEB__WRITE_KEYS": f'["{KEY}"]',
    }
    await deployment.supervisor.run(name, [sys.executable, "-m", "engine", "api"], environment)
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"x-api-key": KEY}, trust_env=False, timeout=PATIENCE_S
    )
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                if (await client.get("/health/live")).status_code == 200:
                    return client
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_a_hundred_events_of_one_customer_sent_twice_count_once(deployment: Deployment) -> None:
    await deployment.work("worker")
    one, other = [await started(deployment, name) for name in ("api-1", "api-2")]
    answers = [
        await post(one, events("ann", range(100))),
        await post(other, events("ann", range(100))),
        await post(one, events("ann", range(100))),
        await post(one, events("ann", range(100, 101))),  # behind all of them: once it is applied, they are
    ]
    assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
    assert [answer.json()["accepted"] for answer in answers] == [100, 100, 100, 1]
    tallies = await deployment.until(lambda t: t.get("events", 0) >= 101)
    assert (tallies["events"], tallies["applied"], tallies.get("duplicates", 0)) == (101, 101, 0)
    for client in (one, other):
        await client.aclose()


async def test_what_nobody_vouches_for_keeps_nothing_out() -> None:
    """Or who knows the ids of a server's events could send them first, by the public key of a website."""
    log, store = MemoryLog(), MemoryStore(PARTITIONS)
    batches = SentBatches(log, store)
    kind = int(Kind.SEARCHED)
    events = [Event(WIRE_VERSION, kind, NOW, f"m-{number}") for number in range(100)]
    unsigned = [Message(customer_id("ann"), event) for event in events]
    signed = [msgspec.structs.replace(one, event=msgspec.structs.replace(one.event, trust=1)) for one in unsigned]
    assert await batches.publish(unsigned) == 0
    assert await batches.publish(signed) == 0
    assert await batches.publish(signed) == 100
    assert log.messages == unsigned + signed
