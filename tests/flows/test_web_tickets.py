"""What opens an event stream: no key in an address, but a ticket, once; and what ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from engine.access import KeyRecord, Scope, Trust, hash_of
from engine.store.memory import MemoryStore
from tests.flows.access import ADMIN, BOUND, DESK, PUBLIC, guarded, key_for, visitor_token
from tests.flows.api import PARTITIONS, Process, calling, frames, next_cue, serving
from tests.patience import PATIENCE_S

ANNS = "/v1/customers/ann/cues"


@pytest.fixture
def process() -> Process:
    return guarded()


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(process) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def ticket(api: httpx.AsyncClient, key: str, **asked: str) -> str:
    answer = await api.post("/v1/stream-tickets", json=asked, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ticket"])


@pytest.mark.parametrize("path", [ANNS, "/v1/agents/me/cues", "/v1/outcomes", "/v1/decisions", "/v1/rulebook"])
async def test_a_key_in_an_address_opens_nothing(api: httpx.AsyncClient, path: str) -> None:
    method = "POST" if path in ("/v1/outcomes", "/v1/decisions") else "GET"
    for key in (ADMIN, PUBLIC, visitor_token(), "guess", ""):
        answer = await api.request(method, path, params={"key": key})
        assert answer.status_code == 401
        assert answer.json()["field"] == "key"
        assert "Authorization" in answer.json()["detail"]
        assert "/v1/stream-tickets" in answer.json()["detail"]
        assert not key or key not in answer.text


async def test_a_ticket_opens_its_stream_once(process: Process) -> None:
    async with serving(process) as api:
        shown = {"ticket": await ticket(api, visitor_token(), customerId="ann"), "lastEventId": ""}
        async with api.stream("GET", ANNS, params=shown) as answer:
            assert answer.status_code == 200
            stream = frames(answer)
            await anext(stream)
            await process.cue("ann", "for the agent's eyes", channels=("agent",), say_web=None)
            await process.cue("ann", "for all")
            assert (await next_cue(stream)).data["say"] == "for all"
            again = await api.get(ANNS, params=shown)
            assert (again.status_code, again.json()["field"]) == (401, "ticket")


async def test_it_ends_after_thirty_seconds(process: Process, api: httpx.AsyncClient) -> None:
    now = [time.time_ns() // 1_000_000]
    process.store._wall = lambda: now[0]
    process.app.end_streams()
    for later_ms, seen in ((29_999, 503), (30_000, 401)):
        shown = await ticket(api, PUBLIC, customerId="ann")
        now[0] += later_ms
        assert (await api.get(ANNS, params={"ticket": shown})).status_code == seen


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"customerId": "ann"}, "/v1/customers/bob/cues"),
        ({"customerId": "ann"}, "/v1/agents/me/cues?customer=ann"),
        ({"agentId": "me", "customerId": "ann"}, "/v1/agents/me/cues"),
        ({"agentId": "me", "customerId": "ann"}, "/v1/agents/me/cues?customer=bob"),
        ({"agentId": "me"}, "/v1/agents/me/cues?customer=ann"),
        ({"agentId": "me"}, "/v1/agents/you/cues"),
        ({"agentId": "ann"}, ANNS),
    ],
)
async def test_it_opens_no_other_stream(api: httpx.AsyncClient, asked: dict[str, str], path: str) -> None:
    shown = await ticket(api, ADMIN, **asked)
    answer = await api.get(f"{path}{'&' if '?' in path else '?'}ticket={shown}")
    assert (answer.status_code, answer.json()["field"]) == (401, "ticket")


@pytest.mark.parametrize("path", ["/v1/rulebook", "/v1/customers/ann", "/v1/decisions/1-1-1"])
async def test_it_opens_nothing_but_streams(api: httpx.AsyncClient, path: str) -> None:
    shown = await ticket(api, ADMIN, customerId="ann")
    assert (await api.get(path, params={"ticket": shown})).status_code == 401
    assert (await api.get(path, headers=bearer(shown))).status_code == 401


@pytest.mark.parametrize("shown", ["guess", "x" * 65, "x" * 9_000, "é", "sha256:" + "0" * 64])
async def test_what_is_no_ticket_opens_nothing(api: httpx.AsyncClient, shown: str) -> None:
    assert (await api.get(ANNS, params={"ticket": shown})).status_code == 401


@pytest.mark.parametrize(
    ("key", "asked", "status", "field"),
    [
        (ADMIN, {}, 400, "customerId"),
        (ADMIN, {"customerId": ""}, 400, "customerId"),
        (ADMIN, {"customerId": "undefined"}, 400, "customerId"),
        (ADMIN, {"agentId": ""}, 400, "agentId"),
        (ADMIN, {"agentId": "a" * 257}, 400, "agentId"),
        (ADMIN, {"agentId": "me", "customerId": "undefined"}, 400, "customerId"),
        (ADMIN, {"customer": "ann"}, 400, "customer"),
        (ADMIN, {"customerId": 5}, 400, "customerId"),
        (PUBLIC, {"agentId": "me"}, 403, "Authorization"),
        (key_for(Scope.CUES_READ), {"agentId": "me"}, 403, "Authorization"),
        (key_for(Scope.AGENTS_READ), {"customerId": "ann"}, 403, "Authorization"),
        (key_for(Scope.AGENTS_READ), {"agentId": "me"}, 200, ""),
        (DESK, {"agentId": "me", "customerId": "ann"}, 200, ""),
        (visitor_token(userId="bob"), {"customerId": "ann"}, 403, "Authorization"),
        (visitor_token(scope="decisions"), {"customerId": "ann"}, 403, "Authorization"),
        (visitor_token(), {"agentId": "me", "customerId": "ann"}, 403, "Authorization"),
    ],
)
async def test_who_is_given_one(
    api: httpx.AsyncClient, key: str, asked: dict[str, object], status: int, field: str
) -> None:
    answer = await api.post("/v1/stream-tickets", json=asked, headers=bearer(key))
    assert (answer.status_code, answer.json().get("field", "")) == (status, field)


async def test_it_is_taken_by_another_process_that_knows_its_holder(process: Process) -> None:
    web = process.settings.web.model_copy(update={"keys": []})
    other = Process(process.settings, store=process.store)
    stranger = Process(process.settings.model_copy(update={"web": web}), store=process.store)
    for one in (other, stranger):
        one.app.end_streams()
    async with calling(process) as api, calling(other) as there, calling(stranger) as elsewhere:
        shown = await ticket(api, DESK, agentId="me")
        assert (await there.get("/v1/agents/me/cues", params={"ticket": shown})).status_code == 503
        shown = await ticket(api, DESK, agentId="me")
        assert (await elsewhere.get("/v1/agents/me/cues", params={"ticket": shown})).status_code == 401


async def test_it_is_for_the_pages_that_its_key_is_for(process: Process, api: httpx.AsyncClient) -> None:
    process.app.end_streams()
    for origin, seen in (("https://shop.example", 503), ("https://evil.example", 403)):
        shown = await ticket(api, BOUND, customerId="ann")
        answer = await api.get(ANNS, params={"ticket": shown}, headers={"origin": origin})
        assert answer.status_code == seen


class Asked(MemoryStore):
    """A store that counts how often it is asked for a ticket."""

    times = 0

    async def take_ticket(self, digest: str) -> bytes | None:
        self.times += 1
        return await super().take_ticket(digest)


async def test_guesses_are_counted_before_the_store_is_asked() -> None:
    store = Asked(PARTITIONS)
    process = Process(guarded(rates={"address_per_second": 0.2}).settings, store=store)
    async with calling(process) as api:
        seen = [(await api.get(ANNS, params={"ticket": "guess"})).status_code for _ in range(4)]
    assert (seen, store.times) == ([401, 401, 429, 429], 2)


async def test_a_stream_ends_with_the_key_that_opened_it(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.push.revocation.EVERY_S", 0.001)
    desk = KeyRecord("new-desk", hash_of("a-new-desk"), Trust.SECRET, (Scope.AGENTS_READ,))
    process.keys.follow([desk])
    async with serving(process) as api, asyncio.timeout(PATIENCE_S):
        shown = {"ticket": await ticket(api, "a-new-desk", agentId="me")}
        async with (
            api.stream("GET", "/v1/agents/me/cues", headers=bearer("a-new-desk")) as by_key,
            api.stream("GET", "/v1/agents/me/cues", params=shown) as by_ticket,
            api.stream("GET", "/v1/agents/me/cues", headers=bearer(DESK)) as others,
        ):
            read, by, other = frames(by_key), frames(by_ticket), frames(others)
            for stream in (read, by, other):
                assert (await anext(stream)).retry
            process.keys.follow([])
            for stream in (read, by):
                assert [seen.comment async for seen in stream] == [
                    "the key or token that opened this is not valid any more"
                ]
            await process.cue("ann", "Hi")
            assert (await next_cue(other)).data["say"] == "Hi"


async def test_a_stream_ends_with_its_token(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.push.revocation.EVERY_S", 0.001)
    async with serving(process) as api, asyncio.timeout(PATIENCE_S):
        token = visitor_token(exp=int(time.time()) + 60)
        async with api.stream("GET", ANNS, headers=bearer(token)) as answer:
            stream = frames(answer)
            await anext(stream)
            later = time.time_ns() // 1_000_000 + 60_000 + 30_000 + 1_000
            monkeypatch.setattr("engine.web.push.revocation.wall_ms", lambda: later)
            assert [seen.comment async for seen in stream] == [
                "the key or token that opened this is not valid any more"
            ]
