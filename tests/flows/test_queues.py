"""Who is free in the contact centre, from its vendor's events to what an operator is shown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.access import Scope
from engine.ports.agents import HEARD_WITHIN_MS
from tests.flows.access import guarded, key_for
from tests.flows.api import NOW, Process
from tests.sources.test_amazon_agents import event

CENTRE = {"x-api-key": key_for(Scope.CONTACTS_WRITE)}
OPERATOR = {"x-api-key": key_for(Scope.AGENTS_READ)}


@pytest.fixture
def process() -> Process:
    return guarded()


async def send(api: httpx.AsyncClient, payload: Any) -> httpx.Response:
    return await api.post("/v1/contact-events/amazon_connect", json=payload, headers=CENTRE)


async def queues(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.get("/v1/queues", headers=OPERATOR)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def named(agent: str, **more: Any) -> dict[str, Any]:
    return event(AgentARN=f"arn:aws:connect:eu:1:instance/i/agent/{agent}", **more)


async def test_an_operator_sees_who_is_free(process: Process, api: httpx.AsyncClient) -> None:
    assert await queues(api) == {"asOf": NOW, "agents": 0, "queues": []}
    busy = [{"Channel": "VOICE", "State": "CONNECTED"}, {"Channel": "CHAT", "State": "CONNECTED"}]
    sent = [named("kim"), named("lee", contacts=busy), named("may", status="OFFLINE")]
    answer = await send(api, sent)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 3, "passed": 0, "rejected": 0})
    assert process.log.messages == []
    found = await queues(api)
    agents = [
        {"agentId": "kim", "at": NOW, "free": {"voice": 1, "chat": 3}},
        {"agentId": "lee", "at": NOW, "free": {"chat": 2}},
    ]
    assert found == {
        "asOf": NOW,
        "agents": 3,
        "queues": [
            {"queue": "Billing", "free": {"voice": 1, "chat": 5}, "agents": agents},
            {"queue": "q-2", "free": {"voice": 1, "chat": 5}, "agents": agents},
        ],
    }
    assert process.meter.value("agent_states") == 3
    process.clock.now += HEARD_WITHIN_MS + 1
    assert (await queues(api))["queues"] == []


async def test_a_queue_whose_agents_are_all_busy_is_shown(api: httpx.AsyncClient) -> None:
    slots = [{"Channel": "VOICE", "MaximumSlots": 1, "AvailableSlots": 0}]
    await send(api, named("kim", slots=slots))
    assert (await queues(api))["queues"][0] == {"queue": "Billing", "free": {}, "agents": []}


async def test_what_is_wrong_with_one_stops_no_other(process: Process, api: httpx.AsyncClient) -> None:
    answer = await send(api, [named("kim"), {"AgentARN": "", "EventTimestamp": "2023-11-14T22:13:20Z"}])
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (200, 1, 1)
    assert (await send(api, [named("kim", EventTimestamp="lunchtime")])).status_code == 400
    assert (await queues(api))["agents"] == 1


async def test_scopes_are_needed(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/queues", headers=CENTRE)).status_code == 403
    assert (await api.post("/v1/contact-events/amazon_connect", json=event(), headers=OPERATOR)).status_code == 403
