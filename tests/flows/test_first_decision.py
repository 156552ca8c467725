"""The first decision after ready does nothing for the first time, and getting ready leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from engine.customer_id import CustomerId
from engine.decisions.batcher import DecisionBatcher
from engine.decisions.policy import make_policy
from engine.decisions.rehearsal import NEW_CUSTOMER, ReadOnlyStore, rehearse
from engine.decisions.request import Answer, DecisionRequest
from engine.errors import Unavailable
from engine.events import CHANNELS
from engine.meter import PrometheusMeter
from engine.ports.decision_store import Reservation, Taking
from engine.ports.offer_history import View
from engine.store.memory import MemoryStore
from tests.flows.api import PARTITIONS, StillClock, rules, settings
from tests.flows.first_decision import Firsts
from tests.services import Broker, Valkey

ROOT = Path(__file__).parent.parent.parent


class Watched(MemoryStore):
    """The store in memory: counts what is read, and may be away."""

    away = False
    views_read = 0

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        if self.away:
            raise Unavailable("Redis: away")
        self.views_read += len(customers)
        return await super().views(customers)

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        raise AssertionError("a rehearsal writes nothing")


@pytest.mark.parametrize("away", [False, True])
async def test_a_rehearsal_decides_and_leaves_nothing(away: bool) -> None:
    store, meter, answers = Watched(PARTITIONS), PrometheusMeter(), list[Answer]()
    store.away = away
    policy = make_policy(rules(), {})
    batcher = DecisionBatcher(ReadOnlyStore(store), lambda: policy, StillClock(), meter, settings())

    async def decide(request: DecisionRequest) -> bytes:
        encoded = await batcher.decide(request)
        answers.append(msgspec.json.decode(encoded, type=Answer))
        return encoded

    await rehearse(decide)
    assert len(answers) == 2 * len(CHANNELS) + 1
    assert {answer.fallback for answer in answers} == {away}
    assert {answer.customer_id for answer in answers} == {NEW_CUSTOMER}
    assert store.views_read == (0 if away else len(answers))
    assert meter.value("decisions") == len(answers)
    for answer in answers:
        assert await store.decision(answer.decision_id) is None


async def test_the_first_decision_finds_everything_made(
    own: Valkey, broker: Broker, unique: Callable[[str], str], free_port: Callable[[], int]
) -> None:
    port = free_port()
    environment = {
        **{f"CUELINE_KAFKA__{name.upper()}_TOPIC": unique(name) for name in ("events", "outcomes", "deadletters")},
        "CUELINE_KAFKA__BROKERS": broker.bootstrap,
        "CUELINE_KAFKA__PARTITIONS": "2",
        "CUELINE_KAFKA__IDEMPOTENT": str(broker.durable).lower(),
        "CUELINE_REDIS__URL": own.url,
        "CUELINE_WEB__PORT": str(port),
        "CUELINE_WEB__API_KEYS": '["key-of-the-first-decision"]',
        "CUELINE_RULES__DIRECTORY": str(ROOT / "rules"),
    }
    command = [sys.executable, "-m", "tests.flows.first_decision", f"http://127.0.0.1:{port}"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={**os.environ, **environment}, stdout=pipe, stderr=pipe
    )
    encoded, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found = msgspec.json.decode(encoded, type=Firsts)
    assert found.kernels_before > 0
    assert (found.kernels, found.modules, found.connections, found.fallback) == (0, [], 0, False)
