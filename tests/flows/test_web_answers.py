"""Decisions, outcomes, customers, rules and machines over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.events import CHANNELS, Kind, Outcome, OutcomeName
from engine.kernels.hashing import word_hash
from engine.kernels.wire import EARLIEST_S
from engine.web.api.customers import Customer, Identities
from engine.web.api.health import build_health_app
from tests.flows.api import AGENT, API, NOW, WRITE, WRITER, Process, calling, frames, serving, settings
from tests.patience import PATIENCE_S

SESSION = {"session_started": NOW - 60_000, "session_last": NOW - 1_000, "session_bursts": 3, "recent_total": 9}
ROUTES = [
    ("POST", "/v1/decisions"),
    ("GET", "/v1/decisions/1-1-1"),
    ("GET", "/v1/customers/ann"),
    ("GET", "/v1/rulebook"),
]


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(process) as client:
        client.headers.update(AGENT)
        yield client


def checked(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    return problem


async def decided(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await api.post(
        "/v1/decisions", json={"customerId": "ann", "channel": "web", "deadlineMs": 5_000, **fields}
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_decision_ranks_what_holds(process: Process, api: httpx.AsyncClient) -> None:
    await process.know("ann", **SESSION)
    answer = await decided(api)
    assert [offer["offerId"] for offer in answer["offers"]] == ["help_chat", "newsletter"]
    assert (answer["customerId"], answer["revision"]) == ("ann", process.rulebook.revision)
    assert answer["offers"][0]["say"] == "May I help?"


async def test_for_an_unknown_customer_a_decision_is_an_ordinary_answer(api: httpx.AsyncClient) -> None:
    answer = await decided(api, explain=True)
    assert answer["offers"] == []
    assert {one["offerId"] for one in answer["suppressed"]} == {"help_chat", "newsletter"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"{", ""),
        (b"[]", ""),
        (b'{"customerId":"ann"}', "channel"),
        (b'{"channel":"web"}', "customerId"),
        (b'{"channel":7,"customerId":"ann"}', "channel"),
        (b'{"channel":"web","customerId":"ann","limit":0}', "limit"),
        (b'{"channel":"web","customerId":"ann","limit":NaN}', ""),
        (b'{"channel":"web","customerId":"ann","context":{"chat":-1}}', "context.chat"),
        (b'{"channel":"web","customerId":"ann","deadlineMs":-5}', "deadlineMs"),
        (b'{"channel":"web","customerId":"ann","colour":1}', "colour"),
        (b'{"channel":"web","customerId":"' + b"x" * 257 + b'"}', "customerId"),
    ],
)
async def test_a_bad_question_is_a_400_that_names_the_field(
    api: httpx.AsyncClient, body: bytes, field: str
) -> None:
    assert checked(await api.post("/v1/decisions", content=body), 400).get("field", "") == field


async def test_a_question_too_large_is_a_413(api: httpx.AsyncClient) -> None:
    for path in ("/v1/decisions", "/v1/outcomes"):
        assert checked(await api.post(path, content=b" " * 33 * 1024), 413)["code"] == "too_large"


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("headers", [{"x-api-key": "guess"}, {"x-api-key": ""}])
async def test_answers_need_an_api_key(
    api: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    assert checked(await api.request(method, path, headers=headers), 401)["code"] == "not_authorised"


async def test_an_api_key_is_taken_as_bearer_too_but_not_from_the_query(api: httpx.AsyncClient) -> None:
    key = AGENT["x-api-key"]
    bearer = {"x-api-key": "", "authorization": f"Bearer {key}"}
    assert (await api.get("/v1/rulebook", headers=bearer)).status_code == 200
    checked(await api.get("/v1/rulebook", headers={"x-api-key": ""}, params={"key": key}), 401)


async def test_a_decision_is_told_again(process: Process, api: httpx.AsyncClient) -> None:
    await process.know("ann", **SESSION)
    answer = await decided(api, limit=1)
    again = (await api.get(f"/v1/decisions/{answer['decisionId']}")).json()
    assert (again["customerId"], again["channel"], again["at"]) == ("ann", "web", NOW)
    assert [offer["offerId"] for offer in again["offers"]] == ["help_chat"]
    assert [one["offerId"] for one in again["suppressed"]] == ["newsletter"]
    assert again["features"]["session.bursts"] == 3
    for unknown in ("0-0-0", "nonsense", "99-1-1", "%00"):
        assert checked(await api.get(f"/v1/decisions/{unknown}"), 404)["field"] == "id"


async def test_an_outcome_goes_to_kafka_with_its_decisions_customer_and_channel(
    process: Process, api: httpx.AsyncClient
) -> None:
    await process.know("ann", **SESSION)
    name = (await decided(api))["decisionId"]
    process.clock.now += 5_000
    report = {"decisionId": name, "offerId": "help_chat", "outcome": "accepted"}
    answer = await api.post("/v1/outcomes", json=report)
    assert (answer.status_code, answer.json()) == (202, {**report, "at": NOW + 5_000})
    (said,) = process.log.outcomes
    assert said.received_at > 0
    assert msgspec.structs.replace(said, received_at=0) == Outcome(
        name, "help_chat", OutcomeName.ACCEPTED, NOW + 5_000, customer_id("ann"), "web", "api-key-1", 1
    )
    assert process.meter.value("outcomes", "accepted") == 1


async def test_a_website_may_tell_what_became_of_an_offer_on_the_web_and_no_other(
    process: Process, api: httpx.AsyncClient
) -> None:
    await process.know("ann", **SESSION)
    mine, agents = [(await decided(api, channel=channel))["decisionId"] for channel in ("web", "agent")]
    report = {"decisionId": mine, "offerId": "help_chat", "outcome": "accepted"}
    api.headers.clear()
    checked(await api.post("/v1/outcomes", json=report), 401)
    checked(await api.post("/v1/outcomes", json=report, headers={"x-api-key": "guess"}), 401)
    assert (await api.post("/v1/outcomes", json=report, headers=WRITER)).status_code == 202
    assert (await api.post("/v1/outcomes", json=report, headers={"x-api-key": WRITE})).status_code == 202
    checked(await api.post("/v1/outcomes", json={**report, "decisionId": agents}, headers=WRITER), 403)
    assert [one.decision_id for one in process.log.outcomes] == [mine, mine]


@pytest.mark.parametrize(
    ("stated", "at"),
    [
        (NOW + 2_000, NOW + 2_000),
        ("2023-11-14T22:13:22Z", NOW + 2_000),
        ("2023-11-14T23:13:22+01:00", NOW + 2_000),
        (NOW - 1_000, NOW),
        (NOW + 60_000, NOW + 5_000),
    ],
)
async def test_an_outcome_lies_between_its_decision_and_now(
    process: Process, api: httpx.AsyncClient, stated: object, at: int
) -> None:
    await process.know("ann", **SESSION)
    name = (await decided(api))["decisionId"]
    process.clock.now += 5_000
    report = {"decisionId": name, "offerId": "help_chat", "outcome": "rejected", "at": stated}
    assert (await api.post("/v1/outcomes", json=report)).json()["at"] == at


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"decisionId": "1-0-unknown"}, 404, "decisionId"),
        ({"decisionId": "nonsense"}, 404, "decisionId"),
        ({"decisionId": 7}, 400, "decisionId"),
        ({"decisionId": None}, 400, "decisionId"),
        ({"offerId": "newsletter"}, 400, "offerId"),
        ({"offerId": "unheard_of"}, 400, "offerId"),
        ({"outcome": "loved"}, 400, "outcome"),
        ({"at": "yesterday"}, 400, "at"),
        ({"at": 5}, 400, "at"),
        ({"at": NOW + 2 * 86_400_000}, 400, "at"),
        ({"colour": 1}, 400, "colour"),
    ],
)
async def test_a_bad_outcome_names_the_field(
    process: Process, api: httpx.AsyncClient, change: dict[str, Any], status: int, field: str
) -> None:
    await process.know("ann", **SESSION)
    report = {
        "decisionId": (await decided(api, limit=1))["decisionId"],
        "offerId": "help_chat",
        "outcome": "accepted",
    }
    assert checked(await api.post("/v1/outcomes", json={**report, **change}), status)["field"] == field
    assert process.log.outcomes == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"{}"])
async def test_an_outcome_that_is_none_is_a_400(api: httpx.AsyncClient, body: bytes) -> None:
    checked(await api.post("/v1/outcomes", content=body), 400)


async def test_what_an_outcome_may_be_is_told(api: httpx.AsyncClient) -> None:
    report = {"decisionId": "1-1", "offerId": "help_chat", "outcome": "meh"}
    problem = checked(await api.post("/v1/outcomes", json=report), 400)
    assert problem["field"] == "outcome"
    assert "accepted, " in problem["detail"]


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/outcomes", "/v1/track", "/v1/batch"])
async def test_a_body_without_anything_is_told_so(api: httpx.AsyncClient, path: str) -> None:
    key = {"x-api-key": "", **WRITER} if path in ("/v1/track", "/v1/batch") else {}
    assert "empty" in checked(await api.post(path, content=b"", headers=key), 400)["detail"]


async def test_an_outcome_that_kafka_does_not_take_is_a_503(process: Process, api: httpx.AsyncClient) -> None:
    await process.know("ann", **SESSION)
    report = {"decisionId": (await decided(api))["decisionId"], "offerId": "help_chat", "outcome": "accepted"}
    process.log.fault = Unavailable("no broker")
    assert "retry-after" in (await api.post("/v1/outcomes", json=report)).headers


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Redis: [Errno 111] Connect call failed ('10.0.0.7', 6379)", "Redis does not answer"),
        ("Redis: NOPERM User cueline-api has no permissions to run the 'get' command", "Redis does not answer"),
        ("Kafka did not acknowledge: NodeNotReadyError('kafka-1:9092')", "Kafka did not acknowledge"),
        ("Redis has older data than before: it is being replayed", "Redis has older data than before"),
        ("the connection to Kafka is not open", "the connection to Kafka is not open"),
    ],
)
async def test_what_a_service_said_that_is_away_is_for_the_log(
    process: Process, api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, said: str, told: str
) -> None:
    process.log.fault = Unavailable(said)
    for _ in range(3):
        answer = await api.post("/v1/page", json={"userId": "ann"}, headers={"x-api-key": "", **WRITER})
        assert checked(answer, 503)["detail"] == told
    assert [record.getMessage() for record in caplog.records] == [f"/v1/page: {said}"]


async def test_a_customer_is_told_in_words(process: Process, api: httpx.AsyncClient) -> None:
    (indicator,) = process.rulebook.indicators
    seconds, kinds, categories = (np.zeros((1, 32), np.uint64) for _ in range(3))
    seconds[0, :2] = NOW // 1000 - EARLIEST_S - 20, NOW // 1000 - EARLIEST_S - 10
    kinds[0, :2] = Kind.PAGE_VIEWED, Kind.ITEM_VIEWED
    categories[0, 1] = word_hash("spielwaren/käse")
    active = np.zeros((1, 24))
    active[0, :2] = indicator.code, 77
    await process.store.name([(word_hash("spielwaren/käse"), "spielwaren/käse")])
    await process.know(
        "josé/1",
        life_last_at=NOW - 10_000,
        active=active,
        active_count=2,
        recent_s=seconds,
        recent_kind=kinds,
        recent_category=categories,
        **SESSION | {"recent_total": 2, "session_last": NOW - 10_000},
    )
    answer = await api.get("/v1/customers/jos%C3%A9%2F1")
    body = msgspec.json.decode(answer.content, type=Customer)  # as it is documented
    assert body == answer.json()
    assert (body["customerId"], body["asOf"]) == ("josé/1", NOW)
    assert body["identities"] == Identities(customerId="josé/1", ids=[], links=[])
    assert body["stalenessMs"] == 10_000
    assert body["features"]["session.bursts"]["value"] == 3
    assert body["features"]["idle.seconds"] == {
        "value": 10.0,
        "unit": "s",
        "meaning": "time since the customer's last activity on a client",
    }
    assert body["features"]["purchases.days_since"]["value"] is None
    assert body["indicators"] == [{"name": "bursty_session", "description": "moves fast and comes back"}]
    assert [(one["kind"], one["category"], one["at"]) for one in body["timeline"]] == [
        ("item_viewed", "spielwaren/käse", NOW - 10_000),
        ("page_viewed", "", NOW - 20_000),
    ]


async def test_a_customer_never_seen_is_a_404(api: httpx.AsyncClient) -> None:
    for name in ("nobody-7", "a%00", "..%2f..a", "a%ff"):
        assert checked(await api.get(f"/v1/customers/{name}"), 404)["field"] == "id"
    assert checked(await api.get("/v1/customers/" + "x" * 257), 400)["field"] == "id"


async def test_the_rulebook_is_told(process: Process, api: httpx.AsyncClient) -> None:
    process.rule_faults.append("rules/new.yaml:3:11: price_watcher: unknown feature")
    body = (await api.get("/v1/rulebook")).json()
    assert body["revision"] == process.rulebook.revision
    assert body["faults"] == ["rules/new.yaml:3:11: price_watcher: unknown feature"]
    assert body["indicators"] == [
        {"name": "bursty_session", "description": "moves fast and comes back", "when": "session.bursts >= 3"}
    ]
    chat = next(offer for offer in body["offers"] if offer["offerId"] == "help_chat")
    assert chat["cap"] == {"max": 1, "periodMs": 86_400_000}


async def test_health_and_metrics_need_no_key(process: Process, api: httpx.AsyncClient) -> None:
    api.headers.clear()
    assert (await api.get("/health/live")).json()["status"] == "live"
    assert (await api.get("/health/ready")).status_code == 200
    process.problems["store"] = "does not answer"
    answer = await api.get("/health/ready")
    assert (answer.status_code, answer.json()["problems"]) == (503, {"store": "does not answer"})
    scraped = await api.get("/metrics")
    assert scraped.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'cueline_http_seconds_count{route="/health/ready"} 2.0' in scraped.text
    assert 'cueline_http_errors_total{status="503"} 1.0' in scraped.text
    assert "cueline_process_ready 0.0" in scraped.text


async def test_a_process_without_an_api_serves_machines_only() -> None:
    problems = {"lag": "does not move"}
    app = build_health_app(lambda: (b"up 1\n", "text/plain"), lambda: problems)
    await app.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        assert (await client.get("/metrics")).text == "up 1\n"
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        checked(await client.get("/Metrics"), 404)
        checked(await client.get("/v1/customers/ann"), 404)
    await app.stop()


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nowhere", 404, ""),
        ("GET", "/v1", 404, ""),
        ("GET", "/v1/live", 404, ""),
        ("GET", "/", 404, ""),
        ("GET", "/page/index.html", 404, ""),
        ("POST", "/V1/Track", 404, ""),
        ("GET", "/v1/Rulebook", 404, ""),
        ("GET", "/V1/customers/ann", 404, ""),
        ("POST", "/%2e%2e/%ff", 404, ""),
        ("GET", "/v1/track", 405, "POST, OPTIONS"),
        ("DELETE", "/v1/rulebook", 405, "GET, HEAD"),
        ("PUT", "/v1/decisions", 405, "POST, OPTIONS"),
        ("POST", "/v1/customers/ann/cues", 405, "GET, OPTIONS"),
    ],
)
async def test_what_is_not_served_is_a_problem_too(
    api: httpx.AsyncClient, method: str, path: str, status: int, allow: str
) -> None:
    answer = await api.request(method, path)
    checked(answer, status)
    assert answer.headers.get("allow", "") == allow


async def test_the_openapi_document_names_every_route_and_resolves(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    served = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    heads = {address for address in served if address[0] == "HEAD"}
    assert heads == {("HEAD", path) for method, path in served if method == "GET" and not path.endswith("/cues")}
    served -= heads
    calls = ("track", "identify", "page", "screen", "group", "alias", "batch")
    assert served == {("POST", f"/v1/{name}") for call in calls for name in (call, call[0])} | {
        ("POST", "/v1/import"),
        ("POST", "/v1/contact-events/{source}"),
        ("POST", "/v1/events"),
        ("POST", "/v1/decisions"),
        ("GET", "/v1/decisions/{id}"),
        ("POST", "/v1/outcomes"),
        ("GET", "/v1/customers/{id}"),
        ("PUT", "/v1/customers/{id}"),
        ("DELETE", "/v1/customers/{id}"),
        ("GET", "/v1/customers/{id}/identities"),
        ("POST", "/v1/customers/{id}/link"),
        ("POST", "/v1/customers/{id}/split"),
        ("PUT", "/v1/customers/{id}/consent"),
        ("GET", "/v1/customers/{id}/export"),
        ("GET", "/v1/customers/{id}/cues"),
        ("GET", "/v1/agents/{id}/cues"),
        ("GET", "/v1/queues"),
        ("GET", "/v1/rulebook"),
        ("POST", "/v1/visitor-tokens"),
        ("POST", "/v1/stream-tickets"),
        ("GET", "/metrics"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
    }
    for reference in references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    answer = document["components"]["schemas"]["Answer"]["properties"]
    assert {"decisionId", "stalenessMs", "offers", "suppressed", "fallback"} <= set(answer)
    page = (await api.get("/docs")).text
    assert "/openapi.json" in page
    assert 'rel="icon" href="data:,"' in page  # or browsers ask for one that is not served
    assert "://" not in page.replace("http://www.w3.org", "")


async def test_the_openapi_document_names_every_parameter(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]

    def parameters(method: str, path: str) -> set[tuple[str, str]]:
        return {(one["in"], one["name"]) for one in paths[path][method].get("parameters", [])}

    resumed = {("header", "Last-Event-ID"), ("query", "lastEventId"), ("query", "ticket"), ("path", "id")}
    assert parameters("get", "/v1/customers/{id}/cues") == resumed
    assert parameters("get", "/v1/agents/{id}/cues") == resumed | {("query", "customer")}
    assert parameters("post", "/v1/outcomes") == set()
    assert parameters("get", "/v1/rulebook") == set()


async def test_an_api_key_is_taken_as_user_name_and_the_document_says_so(api: httpx.AsyncClient) -> None:
    headers = {"x-api-key": ""}
    assert (await api.get("/v1/rulebook", headers=headers, auth=(API, ""))).status_code == 200
    document = (await api.get("/openapi.json")).json()
    for path, method in (("/v1/rulebook", "get"), ("/v1/decisions", "post"), ("/v1/agents/{id}/cues", "get")):
        assert any("basic" in way for way in document["paths"][path][method]["security"])
    named = {
        name
        for methods in document["paths"].values()
        for it in methods.values()
        for one in it["security"]
        for name in one
    }
    assert named == set(document["components"]["securitySchemes"])


async def test_the_document_shows_what_a_question_may_hold(api: httpx.AsyncClient) -> None:
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]
    question = schemas["DecisionRequest"]["properties"]
    assert question["channel"]["enum"] == list(CHANNELS)
    assert (question["limit"]["minimum"], question["limit"]["maximum"], question["limit"]["default"]) == (1, 20, 3)
    assert (question["deadlineMs"]["minimum"], question["deadlineMs"]["maximum"]) == (0, 10_000)


async def test_descriptions_name_fields_as_the_json_does(api: httpx.AsyncClient) -> None:
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]
    fields = {name for shape in schemas.values() for name in shape.get("properties", {})}
    in_python = {re.sub("[A-Z]", lambda upper: "_" + upper[0].lower(), name) for name in fields} - fields
    assert "deadline_ms" in in_python
    for name, shape in schemas.items():
        assert not in_python & set(re.findall(r"\w+", shape["description"])), name
        assert "engine." not in shape["description"], name


def references(node: object) -> list[str]:
    """Every $ref in a document."""
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


async def test_a_fault_of_ours_is_a_500_without_its_insides(
    process: Process, api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    faulty = Process(settings())
    faulty.policy = None  # type: ignore[assignment]
    async with calling(faulty) as client:
        answer = await client.get("/v1/rulebook", headers=AGENT)
    checked(answer, 500)
    assert "NoneType" not in answer.text
    assert "Traceback" in caplog.text


async def test_raw_bytes_in_an_address_are_no_500(process: Process) -> None:
    paths = [b"/v1/customers/\xff", b"/v1/customers/%ff?key=%ff", b"/v1/customers/a?\xff=1", b"//", b"/%"]
    paths += [b"/v1/customers/a/cues?key=\xff", b"/v1/agents/a/cues?customer=\xff", b"http://x:y/", b"*"]
    async with serving(process) as api:
        for path in paths:
            reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
            writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\nX-Api-Key: api-key-1\r\nConnection: close\r\n\r\n" % path)
            status = await reader.readline()
            writer.close()
            assert status[9:10] == b"4", (path, status)


WRITES = ["/v1/track", "/v1/page", "/v1/batch"]
POSTS = [*WRITES, "/v1/decisions", "/v1/outcomes"]
WORDS = [
    "type",
    "event",
    "userId",
    "anonymousId",
    "customerId",
    "channel",
    "batch",
    "limit",
    "context",
    "placements",
]
WORDS += ["properties", "price", "timestamp", "decisionId", "offerId", "outcome", "at", "deadlineMs", "messageId"]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["web", "ann"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    path=st.sampled_from(POSTS), body=st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode())
)
async def test_nothing_a_caller_sends_makes_a_500(api: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await api.post(path, content=body, headers={"x-api-key": "write-key-1"} if path in WRITES else AGENT)
    assert answer.status_code in (200, 400, 404)


async def test_the_demo_gives_its_own_browser_a_key_and_a_pulse() -> None:
    process = Process(settings(demo_page=True))
    process.rule_faults.append("rules/new.yaml:3:11: price_watcher: unknown feature")
    await process.know("ann", **SESSION)
    async with serving(process) as api:
        assert (await api.get("/v1/live")).status_code == 401
        assert (await api.get("/v1/customers/ann")).status_code == 401
        for name in ("evil.example:8080", "evil.example", "127.0.0.1.evil.example", ""):
            assert checked(await api.get("/", headers={"host": name}), 400)["field"] == "Host"
        for name in ("localhost", "localhost:1", "127.0.0.1:8080", "[::1]:8080"):
            assert (await api.get("/", headers={"host": name})).status_code == 200
        api.cookies.clear()
        page = await api.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert {"HttpOnly", "SameSite=Strict"} <= set(page.headers["set-cookie"].split("; "))
        assert "javascript" in (await api.get("/page/page.js")).headers["content-type"]
        for beyond in ("../app.py", "%2e%2e/app.py", "..%2fapp.py", "/etc/passwd", ""):
            assert (await api.get(f"/page/{beyond}")).status_code == 404
        assert (await api.get("/v1/customers/ann")).status_code == 200  # with the cookie
        async with api.stream("GET", "/v1/live") as answer:
            stream = frames(answer)
            await anext(stream)
            await process.cue("ann", "look")
            kinds = []
            async for seen in stream:
                kinds.append(seen.event)
                if seen.event == "pulse" and "cue" in kinds and seen.data["tallies"].get("cues"):
                    break
            assert seen.data["engineNow"] == NOW
            assert seen.data["revision"] == process.rulebook.revision
            assert seen.data["tallies"]["events"] == 2
            assert seen.data["ruleFaults"] == process.rule_faults
            assert seen.data["stalledSeconds"] == 0


async def test_the_pulse_tells_of_events_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.pages.stall_detector.STALLED_AFTER_S", 0.0)
    process = Process(settings(demo_page=True))
    async with serving(process) as api, api.stream("GET", "/v1/live", headers=AGENT) as answer:
        pulses = (seen.data["stalledSeconds"] async for seen in frames(answer) if seen.event == "pulse")
        assert await anext(pulses) == 0
        sent = await api.post("/v1/page", json={"userId": "ann"}, headers=WRITER)
        assert sent.status_code == 200
        async with asyncio.timeout(PATIENCE_S):
            while not await anext(pulses):  # no worker runs here
                pass
            await process.know("ann", recent_total=1)
            while await anext(pulses):
                pass
