"""A contact from the vendor's payload to the customer's page, and an agent's cue on the way."""

from __future__ import annotations

import random
from typing import Any

import httpx

from engine.access import Scope
from engine.customer_id import customer_id
from tests.flows.access import ADMIN, key_for
from tests.flows.pipelines.pipeline import Pipeline

RULES = """
indicators:
  - name: calls_again
    description: a second contact
    when: contact.count >= 2 and contact.open == 1
  - name: waits_in_q
    description: waits for an agent of the queue q
    when: contact.queue_now == "q" and not contact.agent_now != ""
offers:
  - {id: care, kind: serve, channels: [agent], when: calls_again, value: 5, propensity: 0.5, say: Ask what is open}
"""
WRITER = {"x-api-key": key_for(Scope.CONTACTS_WRITE)}


def detail(contact: str, topic: str, at: int, **body: Any) -> dict[str, Any]:
    return {
        "topicName": f"v2.detail.events.conversation.{contact}.{topic}",
        "eventBody": {
            "conversationId": contact, "externalContactId": "ann", "eventTime": at, "mediaType": "VOICE", **body,
        },
    }  # fmt: skip


def life(contact: str, at: int, answered: bool = True) -> list[dict[str, Any]]:
    begun = [
        detail(contact, "customer.start", at),
        detail(contact, "flow.start", at + 1_000, flowId="f"),
        detail(contact, "acd.start", at + 2_000, queueId="q"),
    ]
    if not answered:
        return [*begun, detail(contact, "acd.end", at + 9_000, queueId="q", acdOutcome="ABANDON")]
    return [
        *begun,
        detail(contact, "user.start", at + 3_000, queueId="q", userId="kim"),
        detail(contact, "user.end", at + 4_000, queueId="q", userId="kim", disconnectType="TRANSFER"),
        detail(contact, "customer.end", at + 5_000, disconnectType="PEER"),
        detail(contact, "acw", at + 60_000, queueId="q", userId="kim", wrapupDurationMs=55_000),
    ]


async def sent(pipeline: Pipeline, api: httpx.AsyncClient, events: list[dict[str, Any]]) -> dict[str, Any]:
    """The contact's features on ann's page once `events` are applied."""
    answer = await api.post("/v1/contact-events/genesys", json=events, headers=WRITER)
    assert (answer.status_code, answer.json()["accepted"]) == (200, len(events))
    await pipeline.apply()
    page = (await api.get("/v1/customers/ann", headers={"x-api-key": ADMIN})).json()
    return {name: one["value"] for name, one in page["features"].items() if name.startswith("contact.")}


async def test_a_contact_counts_once_whatever_else_happens_in_it(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    now = pipeline.process.clock.now
    first = life("c-1", now - 7_200_000)
    seen = await sent(pipeline, api, first)
    assert (seen["contact.count"], seen["contact.open"]) == (1, 0)
    seen = await sent(pipeline, api, random.Random(3).sample(first, len(first)))  # again, in another order
    assert (seen["contact.count"], seen["contact.open"]) == (1, 0)
    left = life("c-2", now - 3_600_000, answered=False)
    waits = await sent(pipeline, api, left[:-1])
    assert (waits["contact.count"], waits["contact.open"], waits["contact.hours_between"]) == (2, 1, 1)
    gone = await sent(pipeline, api, left[-1:])
    assert (gone["contact.count"], gone["contact.open"]) == (2, 0)
    cues = await pipeline.process.store.since(customer_id("ann"), "")
    assert [entry.cue.offer_id for entry in cues] == ["care"]


async def test_the_page_has_what_happened_in_words(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    await sent(pipeline, api, life("c-1", pipeline.process.clock.now - 7_200_000))
    page = (await api.get("/v1/customers/ann", headers={"x-api-key": ADMIN})).json()
    kinds = [one["kind"] for one in page["timeline"]]
    assert set(kinds) == {
        "contact_started", "contact_in_ivr", "contact_queued", "contact_connected", "contact_transferred",
        "contact_ended", "contact_wrapped_up",
    }  # fmt: skip


async def test_queue_and_agent_are_words_in_rules_and_on_the_page(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    now = pipeline.process.clock.now
    waiting = [
        detail("c-1", "customer.start", now - 9_000),
        detail("c-1", "acd.start", now - 8_000, queueId=" q "),
    ]
    seen = await sent(pipeline, api, waiting)
    assert (seen["contact.queue_now"], seen["contact.agent_now"]) == ("q", None)
    page = (await api.get("/v1/customers/ann", headers={"x-api-key": ADMIN})).json()
    assert [one["name"] for one in page["indicators"]] == ["waits_in_q"]
    talks = [detail("c-1", "user.start", now - 7_000, queueId="q", userId="kim")]
    assert (await sent(pipeline, api, talks))["contact.agent_now"] == "kim"
    page = (await api.get("/v1/customers/ann", headers={"x-api-key": ADMIN})).json()
    assert page["indicators"] == []
    export = (await api.get("/v1/customers/ann/export", headers={"x-api-key": ADMIN})).json()
    assert export["features"]["contact.agent_now"] == "kim"
