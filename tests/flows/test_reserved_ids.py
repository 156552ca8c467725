"""Ids that are made here alone: at every border where one may be brought in, and where people may ask for one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.customer_id import customer_id
from tests.flows.access import ADMIN, QUEUED, guarded
from tests.flows.api import NOW, Process, serving

HEADERS = {"authorization": f"Bearer {ADMIN}"}
REVOKED = {"consent": [{"channel": "email", "state": "revoked"}]}
MADE_HERE = ("contact:7", "email:" + "0" * 32, "phone:" + "1" * 32, "email:ann@shop.de")


async def sent(api: httpx.AsyncClient, method: str, path: str, body: Any = None) -> httpx.Response:
    return await api.request(method, path, json=body, headers=HEADERS)


@pytest.mark.parametrize("reserved", MADE_HERE)
@pytest.mark.parametrize("name", ["userId", "anonymousId"])
async def test_an_event_under_one_is_refused_with_its_field(reserved: str, name: str) -> None:
    made = guarded()
    async with serving(made) as api:
        event = {"type": "page", name: reserved}
        answer = await sent(api, "POST", "/v1/track", {**event, "event": "Product Viewed"})
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "reserved_id", name)
        answer = await sent(api, "POST", "/v1/batch", {"batch": [event, {"type": "page", "userId": "ann"}]})
        assert [(one["index"], one["code"]) for one in answer.json()["errors"]] == [(0, "reserved_id")]
    assert [one.customer for one in made.log.messages] == ["ann"]
    assert made.meter.value("events_rejected", "reserved_id") == 2


@pytest.mark.parametrize("reserved", MADE_HERE)
async def test_a_contact_is_not_theirs(reserved: str) -> None:
    made = guarded()
    body = {"conversationId": "c-1", "mediaType": "VOICE", "externalContactId": reserved}
    genesys = {**QUEUED, "eventBody": body}
    cloud: dict[str, Any] = {
        "specversion": "1.0",
        "id": "e",
        "source": "/c",
        "type": "contact.queued",
        "subject": "c-1",
    }
    cloud |= {"data": {"customerId": reserved}}
    async with serving(made) as api:
        for path, event in (("/v1/contact-events/genesys", genesys), ("/v1/events", cloud)):
            answer = (await sent(api, "POST", path, event)).json()
            assert (answer["accepted"], [one["reason"] for one in answer["warnings"]]) == (1, ["reserved_id"])
    assert [one.customer for one in made.log.messages] == ["contact:c-1", "contact:c-1"]
    assert made.meter.value("events_warned", "reserved_id") == 2


@pytest.mark.parametrize("reserved", MADE_HERE)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/customers/{id}", {"traits": {"plan": "gold"}}),
        ("POST", "/v1/visitor-tokens", {"userId": "{id}"}),
        ("POST", "/v1/visitor-tokens", {"anonymousIds": ["ann", "{id}"]}),
    ],
)
async def test_nothing_is_kept_of_one(reserved: str, method: str, path: str, body: dict[str, Any]) -> None:
    made = guarded()
    filled = {
        name: [one.replace("{id}", reserved) for one in value] if name == "anonymousIds" else
        value.replace("{id}", reserved) if isinstance(value, str) else value
        for name, value in body.items()
    }  # fmt: skip
    async with serving(made) as api:
        answer = await sent(api, method, path.replace("{id}", reserved), filled)
        assert answer.status_code == 400, answer.text
        assert "made here alone" in answer.json()["detail"]
    assert made.log.messages == []


async def test_people_may_ask_for_one_and_have_it_erased() -> None:
    """A caller whom nobody knows may be answered, shown, linked and forgotten like any other, and may revoke."""
    made: Process = guarded()
    await made.know("contact:7", recent_total=1, life_last_at=NOW)
    async with serving(made) as api:
        assert (await sent(api, "GET", "/v1/customers/contact:7")).status_code == 200
        assert (await sent(api, "GET", "/v1/customers/contact:7/export")).status_code == 200
        assert (await sent(api, "GET", "/v1/customers/contact:7/identities")).status_code == 200
        question = {"customerId": "contact:7", "channel": "agent"}
        assert (await sent(api, "POST", "/v1/decisions", question)).status_code == 200
        assert (await sent(api, "PUT", "/v1/customers/contact:7/consent", REVOKED)).status_code == 200
        assert (await sent(api, "DELETE", "/v1/customers/contact:7")).status_code == 202
    assert {one.customer for one in made.log.messages} == {customer_id("contact:7")}
