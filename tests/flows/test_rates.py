"""Rates, quotas and shares of streams over HTTP: 429, Retry-After, and nobody else is kept out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.access import PUBLIC_SCOPES, Scope, Trust, hash_of
from engine.errors import RateLimited, Unavailable
from engine.ports.access_store import Settlement
from engine.settings import Settings
from engine.store.memory import MemoryStore
from engine.web.auth import quotas as quotas_module
from engine.web.auth.principal import Principal
from engine.web.auth.quotas import DAY_MS, Quotas
from tests.flows.access import PUBLIC, SECRET, claims, guarded, key_for, visitor_token
from tests.flows.api import AGENT, WRITE, WRITER, Process, calling, serving, settings
from tests.patience import PATIENCE_S

PROXY = "127.0.0.1"  # httpx's transport names it as the peer


def limited(keys: tuple[dict[str, Any], ...] = (), **rates: Any) -> Settings:
    """Without limits but those given."""
    none = dict.fromkeys(
        (
            "address_per_second",
            "failures_per_second",
            "address_events_per_second",
            "visitor_events_per_second",
            "streams_per_visitor",
            "streams_per_address",
        ),
        0,
    )
    base = settings(keys=list(keys), trusted_proxies=[PROXY])
    return Settings.model_validate({**base.model_dump(), "rates": {**none, **rates}})


def event(customer: str, number: int = 0) -> dict[str, Any]:
    name = f"{customer}-{number}"
    return {"type": "track", "anonymousId": customer, "messageId": name, "event": "Product Viewed"}


def of(address: str) -> dict[str, str]:
    return {**WRITER, "x-forwarded-for": address}


async def sent(api: httpx.AsyncClient, times: int, headers: dict[str, str], customer: str = "") -> list[int]:
    events = [event(customer or f"c-{i}", i) for i in range(times)]
    return [(await api.post("/v1/track", json=one, headers=headers)).status_code for one in events]


async def test_one_address_is_limited_and_the_next_is_not() -> None:
    process = Process(limited(address_per_second=0.5))
    async with calling(process) as api:
        assert await sent(api, 7, of("198.51.100.7")) == [200] * 5 + [429] * 2
        refused = await api.post("/v1/track", json=event("a"), headers=of("198.51.100.7"))
        assert (refused.json()["code"], int(refused.headers["retry-after"])) == ("rate_limited", 2)
        assert await sent(api, 2, of("198.51.100.8")) == [200] * 2
        in_body = {"x-forwarded-for": "198.51.100.7"}
        body = {**event("a"), "writeKey": WRITE}
        assert (await api.post("/v1/track", json=body, headers=in_body)).status_code == 429
    assert len(process.log.messages) == 7


async def test_a_companys_servers_share_an_address_and_are_not_limited_by_it() -> None:
    async with calling(Process(limited(address_per_second=0.5))) as api:
        found = [(await api.get("/v1/rulebook", headers=AGENT)).status_code for _ in range(20)]
    assert found == [200] * 20


async def test_a_visitor_is_limited_by_events_and_nothing_of_a_batch_is_lost() -> None:
    process = Process(limited(visitor_events_per_second=1.0))
    async with calling(process) as api:
        first = await api.post("/v1/batch", json={"batch": [event("a", i) for i in range(9)]}, headers=WRITER)
        second = await api.post("/v1/batch", json={"batch": [event("a", 9), event("b", 9)]}, headers=WRITER)
        third = await api.post("/v1/batch", json={"batch": [event("b", 10), event("a", 10)]}, headers=WRITER)
        assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
        assert third.headers["retry-after"]
        assert await sent(api, 2, WRITER, "b") == [200, 200]
        assert await sent(api, 1, WRITER, "a") == [429]
    assert len(process.log.messages) == 13  # a batch is taken whole or not at all


async def test_the_events_of_an_address_count_whoever_they_are_of() -> None:
    """A batch is one request, and each of its events may make a row that stays."""
    process = Process(limited(address_events_per_second=2.0))
    async with calling(process) as api:
        batch = {"batch": [event(f"c-{i}") for i in range(19)]}
        post = partial(api.post, "/v1/batch", json=batch)
        assert (await post(headers=of("198.51.100.7"))).status_code == 200  # of 20
        assert (await post(headers=of("198.51.100.7"))).status_code == 200  # for the one that is left
        assert (await post(headers=of("198.51.100.7"))).status_code == 429
        assert await sent(api, 1, of("198.51.100.7")) == [429]
        assert await sent(api, 1, of("198.51.100.8")) == [200]
        secret = {"x-api-key": key_for(Scope.EVENTS_WRITE), "x-forwarded-for": "198.51.100.7"}
    async with calling(guarded({"address_events_per_second": 2.0})) as api:
        assert [(await api.post("/v1/batch", json=batch, headers=secret)).status_code for _ in range(9)] == [
            200
        ] * 9
    assert len(process.log.messages) == 39


@pytest.mark.parametrize("trust", ["public", "secret"])
async def test_a_key_has_the_rate_of_its_record_else_that_of_the_settings(trust: str) -> None:
    scopes = sorted(PUBLIC_SCOPES)
    own = {"id": "own", "hash": hash_of("its-own"), "trust": trust, "scopes": scopes, "rate": 1.0}
    other = {**own, "id": "other", "hash": hash_of("another"), "rate": 0.0}
    async with calling(Process(limited((own, other), key_per_second=0.3))) as api:
        assert (await sent(api, 12, {"x-api-key": "its-own"})).count(200) == 10
        assert (await sent(api, 12, {"x-api-key": "another"})).count(200) == 3


async def test_a_wrong_key_takes_nothing_of_anybodys_rate() -> None:
    async with calling(Process(limited(address_per_second=0.5))) as api:
        assert await sent(api, 9, {"x-api-key": "guess", "x-forwarded-for": "198.51.100.7"}) == [401] * 9
        assert await sent(api, 1, of("198.51.100.7")) == [200]


HERE, ELSEWHERE = "198.51.100.7", "198.51.100.8"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signed(private: Ed25519PrivateKey = PRIVATE, **changed: Any) -> str:
    return jwt.encode(claims(**changed), private, "EdDSA", {"kid": "login"})


FORGED = signed(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def failing(per_second: float = 0.5) -> Process:
    """A process that verifies tokens of both algorithms and believes a proxy."""
    base = guarded({"failures_per_second": per_second}, trusted_proxies=[PROXY]).settings.model_dump()
    login = {"kid": "login", "algorithm": "EdDSA", "public_key": PEM}
    shop = {"kid": "shop", "algorithm": "HS256", "secret": SECRET}
    return Process(Settings.model_validate({**base, "web": {**base["web"], "token_keys": [shop, login]}}))


async def shown(api: httpx.AsyncClient, key: str | None, times: int = 1, address: str = HERE) -> list[int]:
    """What a question is answered, so many times, to whoever shows `key`."""
    headers = {"x-forwarded-for": address, **({} if key is None else {"authorization": f"Bearer {key}"})}
    asked = {"customerId": "ann", "channel": "web", "peek": True}
    return [(await api.post("/v1/decisions", json=asked, headers=headers)).status_code for _ in range(times)]


@pytest.mark.parametrize("key", [None, "guess", "a.b.c", FORGED, visitor_token(secret="another" * 7)])
async def test_failed_attempts_of_an_address_are_bounded(key: str | None) -> None:
    async with calling(failing()) as api:
        assert await shown(api, key, 7) == [401] * 5 + [429] * 2
        headers = {"x-forwarded-for": HERE}
        refused = await api.get("/v1/customers/ann", headers=headers)
        assert (refused.json()["code"], int(refused.headers["retry-after"])) == ("rate_limited", 2)
        in_body = {**event("a"), "writeKey": "guess"}
        for body in (in_body, event("a")):
            assert (await api.post("/v1/track", json=body, headers=headers)).status_code == 429
        assert await shown(api, key, address=ELSEWHERE) == [401]
    async with calling(failing(0)) as api:
        assert await shown(api, key, 30) == [401] * 30


async def test_whoever_shares_the_address_of_an_attacker_goes_on() -> None:
    visitor, of_shop = signed(userId="ann"), visitor_token(anonymousIds=["v-1"])
    async with calling(failing()) as api:
        assert await shown(api, visitor) == [200]
        assert (await shown(api, FORGED, 9))[-1] == 429
        assert await shown(api, key_for(Scope.DECISIONS), 3) == [200] * 3
        assert await shown(api, visitor, 3) == [200] * 3  # its signature was found good before
        assert await shown(api, of_shop, 3) == [200] * 3  # never seen, and cheap to verify
        in_body = {**event("a"), "writeKey": PUBLIC}
        assert (await api.post("/v1/track", json=in_body, headers={"x-forwarded-for": HERE})).status_code == 200
        fresh = signed(userId="ann", anonymousIds=["v-2"])
        assert await shown(api, fresh) == [429]
        assert await shown(api, fresh, address=ELSEWHERE) == [200]
        assert await shown(api, fresh) == [200]


async def test_a_page_that_was_left_open_takes_nothing_of_its_address() -> None:
    late = signed(exp=1_700_000_000)
    async with calling(failing()) as api:
        assert await shown(api, late, 30) == [401] * 30
        assert await shown(api, "guess") == [401]


async def test_a_quota_counts_requests_and_events_of_all_processes() -> None:
    record = {"id": "till", "hash": hash_of("the-till"), "trust": "secret", "scopes": ["events:write"], "quota": 5}
    first, store = Process(limited((record,))), MemoryStore(4)
    second = Process(limited((record,)))
    first.quotas._store = second.quotas._store = store
    headers = {"x-api-key": "the-till"}
    async with calling(first) as one, calling(second) as other:
        batch = {"batch": [event("a", 1), event("a", 2), event("a", 3)]}
        assert (await one.post("/v1/batch", json=batch, headers=headers)).status_code == 200
        await first.quotas.settle()
        assert await sent(other, 1, headers) == [200]
        await second.quotas.settle()
        assert await sent(other, 2, headers) == [200, 429]
        refused = await other.post("/v1/track", json=event("b"), headers=headers)
        assert 0 < int(refused.headers["retry-after"]) <= 86_400


async def test_a_quota_begins_anew_at_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 20_000 * DAY_MS - 1
    monkeypatch.setattr(quotas_module, "wall_ms", lambda: now)
    quotas = Quotas(MemoryStore(1))
    caller = Principal("till", Trust.SECRET, frozenset({Scope.EVENTS_WRITE}), quota=1)
    quotas.spend(caller, 1)
    with pytest.raises(RateLimited) as refused:
        quotas.spend(caller, 1)
    assert refused.value.retry_after == 1
    await quotas.settle()
    now += 1
    quotas.spend(caller, 1)
    await quotas.settle()
    with pytest.raises(RateLimited):
        quotas.spend(caller, 1)


class Deaf(MemoryStore):
    """Counts, but its answers are lost while `deaf`."""

    deaf = True

    async def spend_quotas(self, day: int, settlement: Settlement) -> Mapping[str, int]:
        spent = await super().spend_quotas(day, settlement)
        if self.deaf:
            raise Unavailable("no answer")
        return spent


async def test_what_a_quota_spent_counts_once_where_an_answer_was_lost() -> None:
    store, caller = Deaf(1), Principal("till", Trust.SECRET, frozenset({Scope.EVENTS_WRITE}), quota=4)
    quotas = Quotas(store)
    for _ in range(2):
        quotas.spend(caller, 1)
        with pytest.raises(Unavailable):
            await quotas.settle()
    store.deaf = False
    for _ in range(3):
        await quotas.settle()
    assert list(store._quotas.values()) == [{"till": 2}]
    quotas.spend(caller, 2)
    with pytest.raises(RateLimited):
        quotas.spend(caller, 1)


@asynccontextmanager
async def streams(api: httpx.AsyncClient, number: int, **headers: str) -> AsyncIterator[list[int]]:
    """So many streams, open at once: of customers of their own, or of `headers['visitor']`."""
    async with AsyncExitStack() as stack:
        found = []
        visitor = headers.pop("visitor", "")
        for i in range(number):
            path = f"/v1/customers/{visitor or f'c-{i}'}/cues"
            answer = await stack.enter_async_context(api.stream("GET", path, headers={**WRITER, **headers}))
            found.append(answer.status_code)
        yield found


async def test_one_address_and_one_visitor_have_their_share_of_the_streams() -> None:
    process = Process(limited(streams_per_address=3, streams_per_visitor=2))
    async with serving(process) as api:
        here = {"x-forwarded-for": "198.51.100.7"}
        async with streams(api, 5, **here) as found:
            assert found == [200] * 3 + [429] * 2
            async with streams(api, 1, **{"x-forwarded-for": "198.51.100.8"}) as other:
                assert other == [200]
            async with api.stream("GET", "/v1/customers/c-9/cues", headers={**AGENT, **here}) as answer:
                assert answer.status_code == 200
        async with streams(api, 3, visitor="ann") as found:
            assert found == [200, 200, 429]
        async with asyncio.timeout(PATIENCE_S):
            while process.app.feed.clients:
                await asyncio.sleep(0)
        async with streams(api, 4, **here) as found:
            assert found == [200] * 3 + [429]
    assert process.app.feed._shares == {}


async def test_who_says_a_users_id_uses_nothing_up_of_who_shows_the_users_token() -> None:
    no_limit = {"address_per_second": 0, "streams_per_address": 0}
    process = guarded({**no_limit, "visitor_events_per_second": 0.2, "streams_per_visitor": 1})
    stranger = {"authorization": f"Bearer {PUBLIC}"}
    ann = {"authorization": f"Bearer {visitor_token(userId='ann', anonymousIds=['v-1'])}"}
    async with serving(process) as api:
        for shown in (stranger, ann):
            events = [{"userId": "ann", "messageId": f"{i}", "event": "Product Viewed"} for i in range(4)]
            found = [(await api.post("/v1/track", json=one, headers=shown)).status_code for one in events]
            assert found == [200, 200, 429, 429]
        async with opened(api, "ann", stranger, stranger, ann, ann) as found:
            assert found == [200, 429, 200, 429]


@asynccontextmanager
async def opened(api: httpx.AsyncClient, customer: str, *callers: dict[str, str]) -> AsyncIterator[list[int]]:
    """Streams of one customer, open at once."""
    async with AsyncExitStack() as stack:
        path = f"/v1/customers/{customer}/cues"
        asked = [await stack.enter_async_context(api.stream("GET", path, headers=one)) for one in callers]
        yield [answer.status_code for answer in asked]
