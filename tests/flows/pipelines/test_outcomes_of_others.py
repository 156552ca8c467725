"""Outcomes of another's cue: its id follows from the event that caused it, which anybody may have invented."""

from __future__ import annotations

import httpx
import pytest

from engine.access import Scope
from engine.customer_id import customer_id
from engine.decisions.policy import make_policy
from engine.events import Cue
from tests.flows.access import ADMIN, PUBLIC, key_for, visitor_token
from tests.flows.api import frames, next_cue
from tests.flows.pipelines.pipeline import Pipeline

RULES = """
indicators:
  - name: back_again
    description: somebody who has bought is here
    when: purchases.count >= 1 and session.pages >= 1
  - name: looks_around
    description: three pages
    when: session.pages >= 3
offers:
  - {id: welcome, kind: retain, channels: [web], when: back_again, value: 10, propensity: 0.2, say: Hello}
  - {id: call, kind: retain, channels: [agent], when: back_again, value: 10, propensity: 0.2, say: Call}
  - {id: guide, kind: ask, channels: [web, agent], when: looks_around, value: 1, propensity: 0.1, say: Look}
"""
ANN, BOB = visitor_token(), visitor_token(userId="bob")


async def reported(api: httpx.AsyncClient, key: str, cue: Cue, **changed: str) -> httpx.Response:
    body = {"decisionId": cue.decision_id, "offerId": cue.offer_id, "outcome": "accepted", **changed}
    return await api.post("/v1/outcomes", json=body, headers={"authorization": f"Bearer {key}"})


async def cues_of_a_user(pipeline: Pipeline, api: httpx.AsyncClient) -> list[Cue]:
    """The cues that an invented page view of ann, who has bought, causes."""
    bought = {"userId": "ann", "event": "Order Completed", "properties": {"order_id": "1", "total": 410}}
    await pipeline.send(api, key_for(Scope.EVENTS_WRITE), **bought)
    pipeline.process.clock.now += 86_400_000
    await pipeline.send(api, PUBLIC, userId="ann", event="Product Viewed")
    return [entry.cue for entry in await pipeline.process.store.since(customer_id("ann"), "")]


@pytest.mark.parametrize(
    "caller", [pytest.param(PUBLIC, id="public key"), pytest.param(BOB, id="another's token")]
)
async def test_whether_a_user_was_given_a_cue_is_told_to_nobody_else(
    pipeline: Pipeline, api: httpx.AsyncClient, caller: str
) -> None:
    cues = await cues_of_a_user(pipeline, api)
    assert {cue.offer_id for cue in cues} == {"welcome", "call"}
    none = await reported(api, caller, cues[0], decisionId=f"{cues[0].decision_id}-none")
    assert none.status_code == 404
    for cue in cues:
        for answer in (await reported(api, caller, cue), await reported(api, caller, cue, offerId="guide")):
            assert (answer.status_code, answer.content) == (404, none.content), cue.offer_id
    assert pipeline.process.log.outcomes == []


async def test_the_user_the_company_and_an_anonymous_visitors_page_report(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    (hers,) = [cue for cue in await cues_of_a_user(pipeline, api) if cue.offer_id == "welcome"]
    for _ in range(3):
        await pipeline.send(api, PUBLIC, anonymousId="3f0c2a9e", event="Product Viewed")
    visitors = await pipeline.process.store.latest(customer_id("3f0c2a9e"))
    assert visitors is not None
    for caller, cue in ((ANN, hers), (key_for(Scope.OUTCOMES_WRITE), hers), (PUBLIC, visitors.cue)):
        assert (await reported(api, caller, cue)).status_code == 202
    assert [one.customer for one in pipeline.process.log.outcomes] == ["ann", "ann", "3f0c2a9e"]


@pytest.mark.parametrize("accepted", [0, 40])
async def test_a_page_reports_on_a_cue_that_it_shares_with_agents(
    pipeline: Pipeline, api: httpx.AsyncClient, accepted: int
) -> None:
    """Whichever channel is the more promising by what was learned; the outcome counts for the page's."""
    process = pipeline.process
    process.policy = make_policy(process.rulebook, {("guide", "agent"): (accepted, 0)})
    pipeline.worker.use(process.policy)
    for _ in range(3):
        await pipeline.send(api, PUBLIC, anonymousId="3f0c2a9e", event="Product Viewed")
    entry = await process.store.latest(customer_id("3f0c2a9e"))
    assert entry is not None
    assert entry.cue.channels == (("agent", "web") if accepted else ("web", "agent"))
    for caller in (PUBLIC, key_for(Scope.OUTCOMES_WRITE)):
        assert (await reported(api, caller, entry.cue)).status_code == 202
    assert [one.channel for one in process.log.outcomes] == ["web", "agent" if accepted else "web"]


async def test_a_page_reports_on_no_cue_of_agents_alone(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    (call,) = [cue for cue in await cues_of_a_user(pipeline, api) if cue.offer_id == "call"]
    assert (await reported(api, ANN, call)).status_code == 403
    assert (await reported(api, key_for(Scope.OUTCOMES_WRITE), call)).status_code == 202


@pytest.mark.parametrize("reader", ["its page", "an agent", "nobody"])
async def test_a_cue_teaches_once_its_visitors_page_had_it(
    pipeline: Pipeline, api: httpx.AsyncClient, reader: str
) -> None:
    visitor = "3f0c2a9e"
    path, key = {
        "its page": (f"/v1/customers/{visitor}/cues", PUBLIC),
        "an agent": ("/v1/agents/eve/cues", ADMIN),
        "nobody": ("/v1/customers/another/cues", PUBLIC),
    }[reader]
    async with api.stream("GET", path, headers={"authorization": f"Bearer {key}"}) as answer:
        stream = frames(answer)
        await anext(stream)
        for _ in range(3):
            await pipeline.send(api, PUBLIC, anonymousId=visitor, event="Product Viewed")
        if reader != "nobody":
            await next_cue(stream)
    (cue,) = [entry.cue for entry in await pipeline.process.store.since(customer_id(visitor), "")]
    await pipeline.until_taken(0 if reader == "nobody" else 1)
    assert (await reported(api, PUBLIC, cue)).status_code == 202
    assert pipeline.process.log.outcomes[-1].teaches == (reader == "its page")
