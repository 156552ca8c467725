"""What a bare public key draws out of the engine: of a user nothing, of a visitor what its page has told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from engine.access import Scope
from engine.customer_id import customer_id
from tests.flows.access import ADMIN, PUBLIC, key_for, visitor_token
from tests.flows.api import Seen, frames, next_cue
from tests.flows.pipelines.pipeline import Pipeline

RULES = """
indicators:
  - name: back_again
    description: somebody who has bought comes back
    when: purchases.count >= 1 and session.pages == 1
  - name: looks_around
    description: three pages
    when: session.pages >= 3
offers:
  - id: welcome
    kind: retain
    channels: [web, agent]
    when: back_again
    value: 10
    propensity: 0.2
    say: "Back after {purchases.count} orders of {purchases.value:money}, page {session.pages}"
    cap: {max: 1, period: 7d}
    expires: 10min
  - id: guide
    kind: ask
    channels: [web]
    when: looks_around
    value: 1
    propensity: 0.1
    say: "{session.pages} pages of {customer.events}"
"""
MINUTES = 60_000
SERVER = key_for(Scope.EVENTS_WRITE)
DAY_MS = 86_400_000
TOLD = "Back after 5 orders of €2,050.00, page 1"
UNTOLD = "Back after – orders of –, page 1"


class Listening:
    """An open stream of a customer; `said` is what it has given, once a last cue of the test's own has come."""

    def __init__(self, pipeline: Pipeline, stream: AsyncIterator[Seen], customer: str) -> None:
        self._pipeline, self._stream, self._customer = pipeline, stream, customer

    async def given(self) -> list[Any]:
        """The cues since the last call."""
        await self._pipeline.process.cue(self._customer, "last", anonymous=True, received_at=0)
        got = []
        while (seen := await next_cue(self._stream)).data["say"] != "last":
            got.append(seen.data)
        return got


@asynccontextmanager
async def listening(
    pipeline: Pipeline, api: httpx.AsyncClient, customer: str, key: str, last: str = ""
) -> AsyncIterator[Listening]:
    headers = {"authorization": f"Bearer {key}", **({"last-event-id": last} if last else {})}
    async with api.stream("GET", f"/v1/customers/{customer}/cues", headers=headers) as answer:
        assert answer.status_code == 200
        stream = frames(answer)
        await anext(stream)
        yield Listening(pipeline, stream, customer)


async def shop_for_years(pipeline: Pipeline, api: httpx.AsyncClient, user: str) -> None:
    """Five orders that the shop's server has told, the last ten days ago."""
    for number in range(5):
        properties = {"order_id": f"{user}-{number}", "total": 410}
        await pipeline.send(api, SERVER, userId=user, event="Order Completed", properties=properties)
        pipeline.process.clock.now += 10 * DAY_MS


async def given(pipeline: Pipeline, user: str) -> dict[str, list[int]]:
    """When each offer of the rules was given, as of now."""
    (view,) = await pipeline.process.store.views([customer_id(user)])
    found = view.given(pipeline.process.clock.now)
    return {offer: list(times) for offer, times in found.items() if offer in RULES}


async def test_an_invented_page_view_tells_nobody_of_a_users_orders(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    await shop_for_years(pipeline, api, "ann")
    async with (
        listening(pipeline, api, "ann", PUBLIC) as attacker,
        listening(pipeline, api, "ann", visitor_token(userId="ann")) as ann,
        listening(pipeline, api, "ann", key_for(Scope.CUES_READ)) as backend,
    ):
        await pipeline.send(api, PUBLIC, userId="ann", event="Product Viewed")
        assert await attacker.given() == []
        (hers,) = await ann.given()
        (whole,) = await backend.given()
    assert hers["say"] == UNTOLD
    assert hers["offerId"] == "welcome"
    assert not {"why", "sayWeb", "anonymous", "signed"} & set(hers)
    assert (whole["say"], whole["sayWeb"], whole["signed"], whole["anonymous"]) == (TOLD, UNTOLD, False, False)
    assert whole["why"]


@pytest.mark.parametrize("last", ["", "0-1-0"])
async def test_nor_does_catching_up(pipeline: Pipeline, api: httpx.AsyncClient, last: str) -> None:
    await shop_for_years(pipeline, api, "ann")
    await pipeline.send(api, PUBLIC, userId="ann", event="Product Viewed")
    async with listening(pipeline, api, "ann", PUBLIC, last) as attacker:
        assert await attacker.given() == []


async def test_to_call_a_users_id_anonymous_gains_nothing(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    await shop_for_years(pipeline, api, "ann")
    async with listening(pipeline, api, "ann", PUBLIC) as attacker:
        for _ in range(3):
            await pipeline.send(api, PUBLIC, anonymousId="ann", event="Product Viewed")
        assert await attacker.given() == []


async def test_once_an_id_is_a_users_it_says_nothing_more_to_a_public_key(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    """The attacker was first: nobody had ever named the id before."""
    async with listening(pipeline, api, "ann", PUBLIC) as attacker:
        for _ in range(3):
            await pipeline.send(api, PUBLIC, anonymousId="ann", event="Product Viewed")
        assert [cue["offerId"] for cue in await attacker.given()] == ["guide"]
        await shop_for_years(pipeline, api, "ann")
        await pipeline.send(api, PUBLIC, anonymousId="ann", event="Product Viewed")
        assert await attacker.given() == []


async def test_an_anonymous_visitor_is_told_of_its_session_alone(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    visitor = "3f0c2a9e"
    for key, said in ((PUBLIC, "3 pages of –"), (SERVER, "3 pages of 6")):
        async with listening(pipeline, api, visitor, PUBLIC) as page:
            for _ in range(3):
                await pipeline.send(api, key, anonymousId=visitor, event="Product Viewed")
            (cue,) = await page.given()
            assert cue["say"] == said
            assert "why" not in cue
        pipeline.process.clock.now += DAY_MS


async def test_what_a_server_or_the_user_tells_is_said_in_full_to_the_user(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    for user, key in (("ann", SERVER), ("bob", visitor_token(userId="bob"))):
        await shop_for_years(pipeline, api, user)
        async with (
            listening(pipeline, api, user, PUBLIC) as attacker,
            listening(pipeline, api, user, visitor_token(userId=user)) as own,
        ):
            await pipeline.send(api, key, userId=user, event="Product Viewed")
            (cue,) = await own.given()
            assert cue["say"] == TOLD
            assert "why" not in cue
            assert await attacker.given() == []


async def test_an_agent_sees_all_of_it(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    await shop_for_years(pipeline, api, "ann")
    headers = {"authorization": f"Bearer {ADMIN}"}
    async with api.stream("GET", "/v1/agents/eve/cues", headers=headers) as answer:
        stream = frames(answer)
        await anext(stream)
        await pipeline.send(api, PUBLIC, userId="ann", event="Product Viewed")
        cue = (await next_cue(stream)).data
    assert (cue["say"], cue["signed"]) == (TOLD, False)
    assert cue["why"][0].startswith("purchases.count is 5")


async def test_an_invented_page_view_does_not_use_up_a_users_cap(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    await shop_for_years(pipeline, api, "ann")
    clock = pipeline.process.clock
    async with listening(pipeline, api, "ann", PUBLIC) as attacker:
        await pipeline.send(api, PUBLIC, userId="ann", event="Product Viewed")
        first = clock.now
        await pipeline.send(api, PUBLIC, userId="ann", event="Product Viewed")
        assert await given(pipeline, "ann") == {"welcome": [first]}
        assert await attacker.given() == []
    clock.now = first + 10 * MINUTES - 1
    assert await given(pipeline, "ann") == {"welcome": [first]}
    clock.now = first + 60 * MINUTES
    assert await given(pipeline, "ann") == {}
    async with listening(pipeline, api, "ann", visitor_token(userId="ann")) as ann:
        await pipeline.send(api, SERVER, userId="ann", event="Product Viewed")
        assert [cue["say"] for cue in await ann.given()] == [TOLD]
    await pipeline.until_taken(1)
    back, clock.now = clock.now, clock.now + 60 * MINUTES
    assert await given(pipeline, "ann") == {"welcome": [back]}


async def test_a_cue_that_a_stream_takes_late_but_alive_keeps_its_cap(
    pipeline: Pipeline, api: httpx.AsyncClient
) -> None:
    """The visitor opens the page just before the cue ends, and sees it."""
    await shop_for_years(pipeline, api, "ann")
    await pipeline.send(api, SERVER, userId="ann", event="Product Viewed")
    clock, token = pipeline.process.clock, visitor_token(userId="ann")
    first, clock.now = clock.now, clock.now + 10 * MINUTES - 1
    async with listening(pipeline, api, "ann", token) as ann:
        assert [cue["offerId"] for cue in await ann.given()] == ["welcome"]
    await pipeline.until_taken(1)
    clock.now = first + 60 * MINUTES
    assert await given(pipeline, "ann") == {"welcome": [first]}


async def test_one_that_has_ended_is_taken_by_nobody(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    await shop_for_years(pipeline, api, "ann")
    await pipeline.send(api, SERVER, userId="ann", event="Product Viewed")
    pipeline.process.clock.now += 10 * MINUTES
    async with listening(pipeline, api, "ann", visitor_token(userId="ann")) as ann:
        assert await ann.given() == []
    assert await given(pipeline, "ann") == {}
    assert pipeline.process.meter.value("cues_taken") == 0


async def test_an_agents_stream_takes_a_cue_for_both(pipeline: Pipeline, api: httpx.AsyncClient) -> None:
    await shop_for_years(pipeline, api, "ann")
    headers = {"authorization": f"Bearer {ADMIN}"}
    async with (
        api.stream("GET", "/v1/agents/eve/cues", headers=headers) as eve,
        api.stream("GET", "/v1/agents/joe/cues", headers=headers) as joe,
    ):
        streams = [frames(eve), frames(joe)]
        for stream in streams:
            await anext(stream)
        await pipeline.send(api, PUBLIC, userId="ann", event="Product Viewed")
        first = pipeline.process.clock.now
        for stream in streams:
            assert (await next_cue(stream)).data["offerId"] == "welcome"
        await pipeline.until_taken(1)
    pipeline.process.clock.now += 60 * MINUTES
    assert await given(pipeline, "ann") == {"welcome": [first]}
    assert pipeline.process.meter.value("cues_taken") == 1
