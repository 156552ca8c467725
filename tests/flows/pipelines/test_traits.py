"""Traits on their way to the customer's page: the last word counts, and whose it is counts before that."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from engine.access import Scope
from engine.customer_id import customer_id
from engine.decisions.policy import make_policy
from engine.events import Kind
from engine.kernels.wire import EARLIEST_MS
from engine.rulebook.directory import compile_texts
from engine.traits import MOST_TRAITS
from tests.flows.access import ADMIN, PUBLIC, key_for, visitor_token
from tests.flows.api import NOW
from tests.flows.pipelines.pipeline import Pipeline

RULES = """
indicators:
  - {name: seen, description: was seen, when: customer.events >= 1}
"""
CRM = {"x-api-key": key_for(Scope.CUSTOMERS_WRITE)}
SERVER = {"x-api-key": key_for(Scope.EVENTS_WRITE)}
READER = {"x-api-key": ADMIN}
DAY_MS = 86_400_000


async def put(pipeline: Pipeline, api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await api.put("/v1/customers/ann", json=body, headers=CRM)
    assert answer.status_code == 200, answer.text
    await pipeline.apply()
    found: dict[str, Any] = answer.json()
    return found


async def identify(pipeline: Pipeline, api: httpx.AsyncClient, key: dict[str, str], **traits: Any) -> None:
    body = {"userId": "ann", "messageId": json.dumps(traits)[:90], "traits": traits}
    answer = await api.post("/v1/identify", json=body, headers=key)
    assert answer.status_code == 200, answer.text
    await pipeline.apply()


async def page(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.get("/v1/customers/ann", headers=READER)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def traits(api: httpx.AsyncClient) -> dict[str, Any]:
    return {one["name"]: one["value"] for one in (await page(api))["traits"]}


async def test_what_a_server_sets_is_on_the_page_and_is_no_visit(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    answer = await put(
        pipeline, api, traits={"plan": "gold", "age": 30}, memberships={"vip": True}, at=NOW - DAY_MS
    )
    assert (answer["customerId"], answer["accepted"], answer["at"]) == ("ann", 3, NOW - DAY_MS)
    found = await page(api)
    by = found["traits"][0]["by"]
    assert by
    assert found["traits"] == [
        {"name": "age", "value": 30, "since": NOW - DAY_MS, "by": by},
        {"name": "member:vip", "value": True, "since": NOW - DAY_MS, "by": by},
        {"name": "plan", "value": "gold", "since": NOW - DAY_MS, "by": by},
    ]
    assert (found["firstAt"], found["stalenessMs"], found["timeline"]) == (0, 0, [])
    assert found["features"]["customer.events"]["value"] == 0
    assert (await pipeline.process.store.tallies())["applied"] == 1


async def test_the_later_word_counts_and_null_takes_back(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    await put(pipeline, api, traits={"plan": "gold", "city": "Rome"}, at=NOW - 1_000)
    await put(pipeline, api, traits={"plan": "late"}, at=NOW - 2_000)
    assert await traits(api) == {"plan": "gold", "city": "Rome"}
    await put(pipeline, api, traits={"plan": None})
    assert await traits(api) == {"city": "Rome"}


async def test_a_public_key_overwrites_no_servers_word(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    public = {"authorization": f"Bearer {PUBLIC}"}
    await identify(pipeline, api, public, plan="forged", name="Ann")
    assert await traits(api) == {"plan": "forged", "name": "Ann"}
    await put(pipeline, api, traits={"plan": "gold"}, at=NOW - 30 * DAY_MS)
    await identify(pipeline, api, public, plan="forged again", **{f"t{i}": i for i in range(MOST_TRAITS - 1)})
    found = await traits(api)
    assert found["plan"] == "gold"
    assert len(found) == MOST_TRAITS


async def test_identify_of_a_website_is_an_event_and_of_a_server_is_none(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    await identify(pipeline, api, SERVER, plan="gold")
    assert (await page(api))["features"]["customer.events"]["value"] == 0
    await identify(pipeline, api, {"authorization": f"Bearer {PUBLIC}"}, colour="red")
    found = await page(api)
    assert found["features"]["customer.events"]["value"] == 1
    assert {one["name"] for one in found["traits"]} == {"plan", "colour"}


async def test_a_group_is_a_membership(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/v1/group", json={"userId": "ann", "messageId": "g", "groupId": "acme"}, headers=SERVER
    )
    assert answer.status_code == 200
    await pipeline.apply()
    assert await traits(api) == {"member:acme": True}


async def test_a_repeat_changes_nothing(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    first = await put(pipeline, api, traits={"plan": "gold"}, at=NOW - 5)
    before = await page(api)
    assert await put(pipeline, api, traits={"plan": "gold"}, at=NOW - 5) == first
    assert await page(api) == before


async def test_of_nobody_nothing_is_known(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/customers/ann", headers=READER)).status_code == 404
    await put(pipeline, api, traits={"plan": "gold"})
    assert (await api.get("/v1/customers/bob", headers=READER)).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "traits"),
        ({"traits": {}}, "traits"),
        ({"traits": {f"t{i}": 1 for i in range(MOST_TRAITS + 1)}}, "traits"),
        ({"traits": {"": 1}}, "traits"),
        ({"traits": {"member:vip": True}}, "traits"),
        ({"traits": {"x" * 65: 1}}, "traits"),
        ({"traits": {"plan": "x" * 257}}, "traits.plan"),
        ({"traits": {"plan": {"a": 1}}}, "traits"),
        ({"traits": []}, "traits"),
        ({"memberships": {"vip": "yes"}}, "memberships"),
        ({"memberships": {"x" * 60: True}}, "memberships"),
        ({"traits": {"plan": "gold"}, "at": NOW - 401 * DAY_MS}, "at"),
        ({"traits": {"plan": "gold"}, "at": NOW + 2 * DAY_MS}, "at"),
        ({"traits": {"plan": "gold"}, "at": EARLIEST_MS - 1}, "at"),
        ({"traits": {"plan": "gold"}, "at": "soon"}, "at"),
        ({"trait": {"plan": "gold"}}, "trait"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    pipeline: Pipeline, api: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await api.put("/v1/customers/ann", json=body, headers=CRM)
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"].startswith(field)
    assert pipeline.process.log.messages == []


@pytest.mark.parametrize("name", ["null", "0", "x" * 257])
async def test_an_id_that_is_none_is_refused(pipeline: Pipeline, api: httpx.AsyncClient, name: str) -> None:
    answer = await api.put(f"/v1/customers/{name}", json={"traits": {"plan": "gold"}}, headers=CRM)
    assert (answer.status_code, answer.json()["field"]) == (400, "id")


async def test_a_scope_is_needed(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    body = {"traits": {"plan": "gold"}}
    assert (await api.put("/v1/customers/ann", json=body)).status_code == 401
    for key in (key_for(Scope.EVENTS_WRITE), key_for(Scope.CUSTOMERS_READ), PUBLIC):
        answer = await api.put("/v1/customers/ann", json=body, headers={"x-api-key": key})
        assert answer.status_code in (401, 403), answer.text
    assert pipeline.process.log.messages == []


async def test_a_visitors_own_word_counts_before_anybodys_and_behind_a_servers(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    visitor = {"authorization": f"Bearer {visitor_token()}"}
    await identify(pipeline, api, visitor, plan="mine", colour="red")
    await identify(pipeline, api, {"authorization": f"Bearer {PUBLIC}"}, plan="forged", colour="forged")
    assert await traits(api) == {"plan": "mine", "colour": "red"}
    assert {one["by"] for one in (await page(api))["traits"]} == {"visitor-tokens"}
    await put(pipeline, api, traits={"plan": "gold"}, at=NOW - 30 * DAY_MS)
    await identify(pipeline, api, visitor, plan="mine again")
    assert await traits(api) == {"plan": "gold", "colour": "red"}


async def test_objects_that_identify_brings_are_passed_over(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    body = {"userId": "ann", "messageId": "m", "traits": {"plan": "gold", "address": {"city": "Rome"}}}
    answer = (await api.post("/v1/identify", json=body, headers=SERVER)).json()
    assert "warnings" not in answer
    (message,) = pipeline.process.log.messages
    assert (message.event.kind, message.event.true_kind) == (Kind.IDENTIFIED, Kind.TRAITS_SET)


PLANS = """
indicators:
  - {name: upgraded, when: trait.plan == "gold" and trait.app_version >= "2.10"}
offers:
  - {id: welcome, kind: serve, channels: [web, agent], when: upgraded, value: 5, propensity: 0.2, say: Welcome}
  - {id: silver, kind: serve, channels: [agent], when: trait.plan == "silver", value: 4, propensity: 0.2,
     say: More}
  - {id: news, kind: serve, channels: [agent], when: member.news and trait.age >= 18, value: 1, propensity: 0.1,
     say: Read}
"""


async def decided(api: httpx.AsyncClient) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Why each offer is given, and why each other is not; as the answer says, and as the log recalls it."""
    body = {"customerId": "ann", "channel": "agent", "limit": 3, "explain": True}
    answer = await api.post("/v1/decisions", json=body, headers=READER)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    recalled = (await api.get(f"/v1/decisions/{made['decisionId']}", headers=READER)).json()
    assert [offer["why"] for offer in recalled["offers"]] == [offer["why"] for offer in made["offers"]]
    assert recalled["suppressed"] == made["suppressed"]
    given = {offer["offerId"]: offer["why"] for offer in made["offers"]}
    return given, {one["offerId"]: one["detail"] for one in made["suppressed"]}


async def test_a_trait_that_is_put_activates_at_once_and_decides(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    pipeline.process.policy = make_policy(compile_texts({"rules.yaml": PLANS}), {})
    pipeline.worker.use(pipeline.process.policy)
    first = {"plan": "gold", "app_version": "2.9"}
    await put(pipeline, api, traits=first, memberships={"news": True}, at=NOW - 2)
    store = pipeline.process.store
    assert await store.since(customer_id("ann"), "") == []
    assert await decided(api) == (
        {},
        {
            "welcome": 'needs trait.app_version >= "2.10", has "2.9"',
            "silver": 'needs trait.plan == "silver", has "gold"',
            "news": "needs trait.age >= 18, has none",
        },
    )
    await put(pipeline, api, traits={"app_version": "2.10.1", "age": 30}, at=NOW - 1)
    (entry,) = await store.since(customer_id("ann"), "")
    cue = entry.cue
    reasons = ['trait.app_version is "2.10.1" (needs >= "2.10")', 'trait.plan is "gold" (needs == "gold")']
    assert (cue.indicator, cue.offer_id, cue.at, sorted(cue.why)) == ("upgraded", "welcome", NOW - 1, reasons)
    assert [one["name"] for one in (await page(api))["indicators"]] == ["upgraded"]
    given, others = await decided(api)
    assert {offer: sorted(why) for offer, why in given.items()} == {
        "welcome": reasons,
        "news": ["member.news is true (needs == true)", "trait.age is 30 (needs >= 18)"],
    }
    assert others == {"silver": 'needs trait.plan == "silver", has "gold"'}
    logged = (await api.get(f"/v1/decisions/{cue.decision_id}", headers=READER)).json()
    assert (logged["indicator"], sorted(logged["offers"][0]["why"])) == ("upgraded", reasons)
    await put(pipeline, api, traits={"plan": None})
    assert (await page(api))["indicators"] == []
