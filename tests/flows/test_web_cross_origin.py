"""What pages of other origins may do: those allowed by the settings or a key's record, and all others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from engine.access import KeyRecord, Scope, Trust, hash_of
from tests.flows.access import ADMIN, NEEDED, QUESTION, guarded, visitor_token
from tests.flows.api import Process, calling

SHOP, DESK, EVIL = (
    "https://shop.example",
    "https://desk.example:8443",
    "https://shop.example.evil",
)  # SHOP: a key's

#: What a visitor's token or an agent's key opens.
OPENED = [
    ("POST", "/v1/decisions"),
    ("GET", "/v1/decisions/{id}"),
    ("POST", "/v1/outcomes"),
    ("GET", "/v1/customers/{id}"),
    ("GET", "/v1/customers/{id}/identities"),
    ("GET", "/v1/customers/{id}/cues"),
    ("GET", "/v1/agents/{id}/cues"),
    ("POST", "/v1/stream-tickets"),
]
EVENTS = [address for address, needed in NEEDED.items() if needed[0] is Scope.EVENTS_WRITE]
ASKED = (
    "traceparent,sentry-trace,baggage,x-requested-with,authorization,last-event-id,content-type,content-encoding"
)
NAMED = {"access-control-allow-origin", "access-control-allow-credentials"}


@pytest.fixture
def process() -> Process:
    return guarded(cors_origins=[DESK])


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(process) as client:
        yield client


async def preflight(api: httpx.AsyncClient, address: tuple[str, str], origin: str | None) -> httpx.Response:
    headers = {"access-control-request-method": address[0], "access-control-request-headers": ASKED}
    path = address[1].replace("{id}", "ann")
    return await api.options(path, headers=headers | ({} if origin is None else {"origin": origin}))


@pytest.mark.parametrize("address", OPENED)
async def test_pages_of_allowed_origins_may_ask(api: httpx.AsyncClient, address: tuple[str, str]) -> None:
    for origin in (SHOP, DESK):
        answer = await preflight(api, address, origin)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert address[0] in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == ASKED
        assert answer.headers["vary"] == "Origin"
    for stranger in (EVIL, "null", "*", "https://shop.example:8443", "http://shop.example", None):
        answer = await preflight(api, address, stranger)
        assert answer.status_code == 204
        assert NAMED.isdisjoint(answer.headers)
        assert answer.headers["vary"] == "Origin"  # what a cache keeps for one is not for another


async def test_only_they_may_read_the_answer(process: Process, api: httpx.AsyncClient) -> None:
    process.app.end_streams()
    bearer = {"authorization": f"Bearer {visitor_token()}"}
    for origin, named in ((DESK, DESK), (SHOP, SHOP), (EVIL, None)):
        headers = {**bearer, "origin": origin}
        good = await api.post("/v1/decisions", json=QUESTION, headers=headers)
        refused = await api.post("/v1/decisions", json=QUESTION, headers={"origin": origin})
        stream = await api.get("/v1/customers/ann/cues", headers=headers)
        assert (good.status_code, refused.status_code, stream.status_code) == (200, 401, 503)
        for answer in (good, refused, stream):
            assert answer.headers.get("access-control-allow-origin") == named
            assert answer.headers.get("access-control-allow-credentials") == (named and "true")
            assert answer.headers["vary"] == "Origin"


async def test_what_a_cache_may_keep_says_that_it_differs_by_origin(api: httpx.AsyncClient) -> None:
    reader = {"x-api-key": ADMIN}
    assert (await api.get("/v1/customers/ann", headers=reader)).headers["vary"] == "Origin"
    assert "vary" not in (await api.post("/v1/decisions", json=QUESTION, headers=reader)).headers


async def test_a_star_lets_all_read_and_no_cookies_along() -> None:
    async with calling(guarded(cors_origins=["*", DESK])) as api:
        for origin, named in ((EVIL, "*"), ("null", "*"), (DESK, DESK)):
            for answer in (
                await preflight(api, ("POST", "/v1/decisions"), origin),
                await api.post("/v1/decisions", json=QUESTION, headers={"origin": origin}),
            ):
                assert answer.headers["access-control-allow-origin"] == named
                assert ("access-control-allow-credentials" in answer.headers) == (named == DESK)


async def test_an_origin_is_allowed_while_there_is_a_key_for_it(process: Process, api: httpx.AsyncClient) -> None:
    record = KeyRecord("new", hash_of("new"), Trust.SECRET, (Scope.DECISIONS,), ("https://new.example",))
    for stored, named in (((), None), ((record,), "https://new.example"), ((), None)):
        process.keys.follow(stored)
        answer = await preflight(api, ("POST", "/v1/decisions"), "https://new.example")
        assert answer.headers.get("access-control-allow-origin") == named


@pytest.mark.parametrize("address", EVENTS)
async def test_events_are_taken_from_all_pages(api: httpx.AsyncClient, address: tuple[str, str]) -> None:
    for origin in (SHOP, EVIL, "null"):
        answer = await preflight(api, address, origin)
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-headers"] == ASKED


async def test_nothing_else_is_for_pages_of_other_origins(api: httpx.AsyncClient) -> None:
    for address in NEEDED.keys() - set(OPENED) - set(EVENTS):
        asked = await preflight(api, address, DESK)  # the same path may be open by another method
        assert asked.status_code == 405 or address[0] not in asked.headers["access-control-allow-methods"]
        headers = {"origin": DESK, "x-api-key": ADMIN}
        answer = await api.request(address[0], address[1].replace("{id}", "ann"), headers=headers)
        assert NAMED.isdisjoint(answer.headers)
