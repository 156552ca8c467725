"""Every address, asked by everybody: what each kind of key opens, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from engine.access import PUBLIC_SCOPES, Scope
from engine.events import Kind
from engine.web.server.app import build_metrics_app
from tests.flows.access import (
    ADMIN,
    BATCH,
    BOUND,
    CALLED,
    DESK,
    DESK_SCOPES,
    ENDED,
    EVENT,
    NEEDED,
    OPERATOR,
    OPERATOR_SCOPES,
    PUBLIC,
    REFUNDED,
    STREAMS,
    all_but,
    guarded,
    key_for,
    status,
)
from tests.flows.api import API, WRITE, Process, calling, settings


@pytest.fixture
def process() -> Process:
    return guarded()


async def test_every_address_stands_in_the_table(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]
    served = {(method.upper(), path) for path, methods in paths.items() for method in methods if method != "head"}
    assert served | {("GET", "/openapi.json"), ("GET", "/docs")} == set(NEEDED)


@pytest.mark.parametrize(("method", "path"), [address for address in NEEDED if address[1] not in STREAMS])
async def test_who_may_call(api: httpx.AsyncClient, method: str, path: str) -> None:
    scope, _, good = NEEDED[method, path]

    async def asked(key: str | None) -> int:
        return await status(api, method, path, key)

    if scope is None:
        assert [await asked(key) for key in (None, "guess", PUBLIC)] == [200] * 3
        return
    assert [await asked(key) for key in (None, "guess", ENDED)] == [401] * 3
    assert await asked(ADMIN) == good
    assert await asked(key_for(scope)) == good
    assert await asked(all_but(scope)) == 403
    assert await asked(PUBLIC) == (good if scope in PUBLIC_SCOPES else 403)
    others = [other for other in Scope if other not in (scope, Scope.ADMIN)]
    assert {await asked(key_for(other)) for other in others} == {403}


@pytest.mark.parametrize("path", STREAMS)
async def test_who_may_listen(process: Process, api: httpx.AsyncClient, path: str) -> None:
    process.app.end_streams()  # a caller who is let in is then refused with 503: no stream is left open
    scope = NEEDED["GET", path][0]
    assert scope is not None
    found = [await status(api, "GET", path, key) for key in (None, "guess", ENDED, all_but(scope))]
    assert found == [401, 401, 401, 403]
    assert [await status(api, "GET", path, key) for key in (ADMIN, key_for(scope))] == [503, 503]
    assert await status(api, "GET", path, PUBLIC) == (503 if scope in PUBLIC_SCOPES else 403)


@pytest.mark.parametrize(
    ("key", "opens"),
    [
        (WRITE, {Scope.EVENTS_WRITE, Scope.OUTCOMES_WRITE, Scope.CUES_READ}),
        (API, {Scope.OUTCOMES_WRITE, Scope.CUES_READ, Scope.DECISIONS, Scope.CUSTOMERS_READ, Scope.AGENTS_READ,
               Scope.RULES_READ, Scope.METRICS}),
        (DESK, DESK_SCOPES),
        (OPERATOR, OPERATOR_SCOPES),
    ],
)  # fmt: skip
async def test_a_key_opens_its_scopes_and_nothing_else(
    process: Process, api: httpx.AsyncClient, key: str, opens: set[Scope]
) -> None:
    process.app.end_streams()
    for (method, path), (scope, _, good) in NEEDED.items():
        expected = 503 if path in STREAMS else good
        allowed = scope is None or scope in opens
        assert await status(api, method, path, key) == (expected if allowed else 403), path


async def test_a_key_is_known_before_a_body_is_read(api: httpx.AsyncClient) -> None:
    """A body that never comes would else be waited for."""

    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    for path in ("/v1/track", "/v1/batch", "/v1/decisions", "/v1/outcomes"):
        for key, refused in (("guess", 401), (key_for(Scope.RULES_READ), 403)):
            answer = await api.post(path, content=never(), headers={"authorization": f"Bearer {key}"})
            assert answer.status_code == refused
    for path in ("/v1/decisions", "/v1/outcomes"):
        assert (await api.post(path, content=never())).status_code == 401


async def test_the_refusal_names_the_scope_and_holds_no_key(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/rulebook", headers={"x-api-key": PUBLIC})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "rules:read" in answer.json()["detail"]
    assert PUBLIC not in answer.text
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://shop.example", 200), ("https://shop.example.evil", 403), ("http://shop.example", 403), (None, 200)],
)
async def test_a_key_of_a_website_is_for_that_website(
    api: httpx.AsyncClient, origin: str | None, status: int
) -> None:
    headers = {"origin": origin} if origin else {}
    in_head = await api.post("/v1/track", json=EVENT, headers={"x-api-key": BOUND, **headers})
    in_body = await api.post("/v1/track", json={**EVENT, "writeKey": BOUND}, headers=headers)
    assert (in_head.status_code, in_body.status_code) == (status, status)


@pytest.mark.parametrize(
    ("shown", "in_body", "status"),
    [
        ([("x-api-key", ADMIN), ("authorization", "Bearer nobody's")], "nobody's", 200),
        ([("x-api-key", "nobody's"), ("authorization", f"Bearer {ADMIN}")], ADMIN, 401),
        ([("x-api-key", ""), ("authorization", f"Bearer {ADMIN}")], "nobody's", 200),
        ([("authorization", f"Bearer {ADMIN}"), ("authorization", "Bearer nobody's")], "nobody's", 200),
        ([("authorization", "Bearer nobody's"), ("authorization", f"Bearer {ADMIN}")], ADMIN, 401),
        ([("authorization", "Bearer nobody's")], ADMIN, 401),
        ([], ADMIN, 200),
    ],
)
async def test_of_keys_in_several_places_one_is_looked_at(
    api: httpx.AsyncClient, shown: list[tuple[str, str]], in_body: str, status: int
) -> None:
    answer = await api.post("/v1/track", json={**EVENT, "writeKey": in_body}, headers=shown)
    assert answer.status_code == status


async def test_an_event_says_whether_its_writer_is_known(process: Process, api: httpx.AsyncClient) -> None:
    for key in (PUBLIC, WRITE, key_for(Scope.EVENTS_WRITE), ADMIN):
        await api.post("/v1/track", json=EVENT, headers={"x-api-key": key})
        await api.post("/v1/batch", json=BATCH, headers={"x-api-key": key})
    assert [message.event.trust for message in process.log.messages] == [0, 0, 0, 0, 1, 1, 1, 1]


async def test_a_website_writes_what_a_client_does(process: Process, api: httpx.AsyncClient) -> None:
    for event in (REFUNDED, CALLED):
        answer = await api.post("/v1/track", json=event, headers={"x-api-key": PUBLIC})
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "not_allowed", "event")
    mixed = {"batch": [{"type": "track", **one} for one in (EVENT, REFUNDED, CALLED)]}
    answer = await api.post("/v1/batch", json=mixed, headers={"x-api-key": PUBLIC})
    assert answer.json()["accepted"] == 1
    assert [(one["index"], one["code"]) for one in answer.json()["errors"]] == [
        (1, "not_allowed"),
        (2, "not_allowed"),
    ]
    assert [message.event.kind for message in process.log.messages] == [Kind.ITEM_VIEWED]
    assert process.meter.value("events_rejected", "not_allowed") == 4


async def test_contacts_need_their_scope(process: Process, api: httpx.AsyncClient) -> None:
    writer = {"x-api-key": key_for(Scope.EVENTS_WRITE)}
    assert (await api.post("/v1/track", json=REFUNDED, headers=writer)).status_code == 200
    assert (await api.post("/v1/track", json=CALLED, headers=writer)).json()["code"] == "not_allowed"
    both = {"x-api-key": all_but(Scope.RULES_READ)}
    assert (await api.post("/v1/track", json=CALLED, headers=both)).status_code == 200


async def test_the_demo_opens_everything_to_its_own_browser_and_under_its_own_name_only() -> None:
    process = Process(settings(demo_page=True, metrics_open=False))
    async with calling(process) as api:
        api.cookies.clear()
        page = await api.get("/", headers={"host": "127.0.0.1:8080"})
        cookie = page.headers["set-cookie"].split(";")[0]
        assert API not in cookie
        for host, seen in (("localhost:8080", 200), ("shop.example", 401), ("", 401)):
            headers = {"host": host, "cookie": cookie}
            assert (await api.get("/v1/rulebook", headers=headers)).status_code == seen
            assert (await api.get("/metrics", headers=headers)).status_code == seen
        for origin, seen in (("http://localhost:8080", 200), ("http://localhost:3000", 401), ("null", 401)):
            headers = {"host": "localhost:8080", "cookie": cookie, "origin": origin}
            assert (await api.post("/v1/page", json=EVENT, headers=headers)).status_code == seen
        for path in ("/", "/page/page.js"):
            assert (await api.get(path, headers={"host": "shop.example"})).status_code == 400
    async with calling(Process(settings(demo_page=False))) as api:
        assert (await api.get("/v1/rulebook", headers={"host": "localhost", "cookie": cookie})).status_code == 401


async def test_every_read_is_audited(process: Process) -> None:
    await process.know("ann", recent_total=3)
    async with calling(process) as api:
        reader = {"x-api-key": ADMIN}
        made = await api.post("/v1/decisions", json={"customerId": "ann", "channel": "web"}, headers=reader)
        await api.get(
            f"/v1/decisions/{made.json()['decisionId']}", headers={"x-api-key": key_for(Scope.DECISIONS)}
        )
        await api.get("/v1/customers/ann", headers={"x-api-key": key_for(Scope.CUSTOMERS_READ)})
        await api.get("/v1/customers/nobody", headers=reader)
        await api.get("/v1/customers/ann", headers={"x-api-key": PUBLIC})
        token = {"userId": "ann", "anonymousIds": ["v-1"], "scope": "decisions"}
        await api.post("/v1/visitor-tokens", json=token, headers={"x-api-key": key_for(Scope.TOKENS_WRITE)})
        await api.post("/v1/visitor-tokens", json={**token, "seconds": 0}, headers=reader)
        stated = {"consent": [{"channel": "email", "state": "revoked"}]}
        await api.put(
            "/v1/customers/ann/consent", json=stated, headers={"x-api-key": key_for(Scope.CUSTOMERS_WRITE)}
        )
        process.app.end_streams()
    assert [(one.who, one.what, one.whom) for one in process.log.audited] == [
        (ADMIN, "decision.made", "ann"),
        ("secret-key-with-decisions", "decision.read", "ann"),
        ("secret-key-with-customers.read", "customer.read", "ann"),
        ("secret-key-with-tokens.write", "token.made", "ann"),
        ("secret-key-with-tokens.write", "token.made", "v-1"),
        ("secret-key-with-customers.write", "consent.stated", "ann"),
    ]


async def test_metrics_may_have_a_port_and_a_key_of_their_own() -> None:
    process = guarded(metrics_port=9_999)
    async with calling(process) as api:
        assert (await api.get("/metrics", headers={"x-api-key": ADMIN})).status_code == 404
        apart = build_metrics_app(process.app, process.services, process.settings)
        await apart.start()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(apart), base_url="http://metrics") as other:
            found = [(await other.get("/metrics", headers=headers)).status_code for headers in (
                {}, {"x-api-key": PUBLIC}, {"x-api-key": key_for(Scope.METRICS)}
            )]  # fmt: skip
            assert found == [401, 403, 200]
            assert (await other.get("/v1/rulebook", headers={"x-api-key": ADMIN})).status_code == 404
            assert "cueline_http_in_flight" in (await other.get("/metrics", headers={"x-api-key": ADMIN})).text
        await apart.stop()
