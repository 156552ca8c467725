"""Who waits for a service that does not answer keeps out nobody who needs another."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from engine.local.supervisor import Supervisor
from engine.meter import total
from engine.web.server.bulkheads import BulkheadName, Bulkheads
from tests.flows.api import AGENT, WRITER, Process, serving, settings
from tests.flows.api import API as FLOWS_API
from tests.flows.api import WRITE as FLOWS_WRITE
from tests.flows.connections import head_of, line
from tests.patience import PATIENCE_S
from tests.services import Broker, Valkey, tansu

RULES = Path(__file__).parent.parent.parent / "rules"
MOST = 512  # the default
WAITING = 600
WRITE, API = "write-key-of-a-deployment", "api-key-of-a-deployment"
SENDER, READER = {"x-api-key": WRITE}, {"x-api-key": API}

VIEW = {"userId": "ann", "name": "Home"}
QUESTION = {"customerId": "ann", "channel": "web"}
OUTCOME = {"decisionId": "0-0-0", "offerId": "chat", "outcome": "accepted"}

#: A request of each route that may be refused, by the bulkhead that it takes a place of.
ASKED: dict[BulkheadName, tuple[tuple[str, str, object], ...]] = {
    "events": (
        *(("POST", f"/v1/{call}", VIEW) for call in ("track", "identify", "page", "screen", "group", "alias")),
        ("POST", "/v1/batch", {"batch": [{"type": "page", **VIEW}]}),
        ("POST", "/v1/outcomes", OUTCOME),
    ),
    "decisions": (("POST", "/v1/decisions", QUESTION),),
    "pages": (
        ("GET", "/v1/decisions/0-0-0", None),
        ("GET", "/v1/customers/ann", None),
        ("GET", "/v1/rulebook", None),
    ),
    "streams": (("GET", "/v1/customers/ann/cues", None), ("GET", "/v1/agents/a1/cues", None)),
}
#: What is always answered.
FREE = ("/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/nothing-here")


async def asked(client: httpx.AsyncClient, method: str, path: str, body: object) -> httpx.Response:
    """The head of the answer: a stream has no end."""
    headers = WRITER if path.startswith("/v1/") and method == "POST" else AGENT
    headers = AGENT if path in ("/v1/decisions", "/v1/outcomes") else headers
    async with client.stream(method, path, json=body, headers=headers) as answer:
        if not answer.headers["content-type"].startswith("text/event-stream"):
            await answer.aread()
        return answer


@pytest.mark.parametrize("full", Bulkheads._fields)
async def test_a_full_bulkhead_refuses_its_own_requests_and_no_others(full: BulkheadName) -> None:
    process = Process(settings(max_in_flight=3, max_streams=3, deadline_ms=20_000))
    async with serving(process) as api:
        process.app.bulkheads.named(full).inside = 3
        for bulkhead, requests in ASKED.items():
            for request in requests:
                answer = await asked(api, *request)
                if bulkhead == full:
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), request
                    assert answer.json()["code"] == "overloaded"
                else:
                    assert answer.status_code != 503, request
        for path in FREE:
            assert (await asked(api, "GET", path, None)).status_code in (200, 404)
        assert f'cueline_http_in_flight{{bulkhead="{full}"}} 3.0' in (await api.get("/metrics")).text
    assert process.meter.value("http_refused", full) == len(ASKED[full])
    assert process.meter.value("http_refused") == len(ASKED[full])


async def test_a_place_is_free_again_after_each_answer() -> None:
    process = Process(settings(max_in_flight=1, max_streams=1, deadline_ms=20_000))
    async with serving(process) as api:
        for requests in ASKED.values():
            for request in requests:
                for _ in range(2):
                    assert (await asked(api, *request)).status_code != 503, request
                    async with asyncio.timeout(PATIENCE_S):
                        while any(bulkhead.inside for bulkhead in process.app.bulkheads):
                            await asyncio.sleep(0)  # a stream's client has left; the server hears of it
    assert process.meter.value("http_refused") == 0


@pytest.mark.parametrize("path", ["/v1/page", "/v1/decisions", "/v1/outcomes", "/v1/stream-tickets"])
async def test_a_body_that_does_not_arrive_keeps_out_nobody(path: str) -> None:
    process = Process(settings(max_in_flight=1, deadline_ms=20_000))
    head = f"POST {path} HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\nExpect: 100-continue\r\n"
    key = f"X-Api-Key: {FLOWS_WRITE if path == '/v1/page' else FLOWS_API}\r\n\r\n"
    async with serving(process) as api, line(api, f"{head}{key}".encode()) as (reader, writer):
        assert (await head_of(reader))[0] == 100  # it waits for the body
        for requests in ASKED.values():
            for request in requests:
                assert (await asked(api, *request)).status_code != 503, request
        writer.write(b"no JSON..")
        assert (await head_of(reader))[0] == 400


@pytest.mark.parametrize("path", ["/v1/page", "/v1/batch"])
async def test_who_fails_gives_the_place_back(path: str) -> None:
    process = Process(settings(max_in_flight=1))
    async with serving(process) as api:
        for _ in range(2):
            assert (await api.post(path, content=b"no JSON", headers=WRITER)).status_code == 400
        assert (await api.post("/v1/page", json=VIEW, headers=WRITER)).status_code == 200


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own, to be stopped."""
    with asyncio.Runner() as runner:
        runner.run((server := tansu(tmp_path)).start())
    yield server
    server.kill()


@asynccontextmanager
async def deployed(broker: Broker, redis: Valkey, port: int, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """An api process as it is deployed, with a client of more connections than it takes events."""
    supervisor = Supervisor(folder / "logs")
    environment = {
        "CUELINE_KAFKA__BROKERS": broker.bootstrap,
        "CUELINE_KAFKA__PARTITIONS": "2",
        "CUELINE_KAFKA__IDEMPOTENT": str(broker.durable).lower(),
        "CUELINE_REDIS__URL": redis.url,
        "CUELINE_WEB__PORT": str(port),
        "CUELINE_WEB__DEADLINE_MS": "20000",
        "CUELINE_WEB__WRITE_KEYS": json.dumps([WRITE]),
        "CUELINE_WEB__API_KEYS": json.dumps([API]),
        "CUELINE_RULES__DIRECTORY": str(RULES),
    }
    await supervisor.run("api", [sys.executable, "-m", "engine", "api"], environment)
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        trust_env=False,
        timeout=PATIENCE_S,
        limits=httpx.Limits(max_connections=None),
    )
    async with client:
        yield client
    await supervisor.stop_all(grace=2)


async def kafka_is(client: httpx.AsyncClient, state: str) -> httpx.Response:
    """What readiness says once Kafka is in `state`."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                answer = await client.get("/health/ready")
                if answer.json()["health"]["kafka"]["state"] == state:
                    return answer
            except httpx.TransportError:
                pass  # it does not listen yet
            await asyncio.sleep(0.05)


async def test_events_that_wait_for_a_stopped_broker_keep_out_no_decision_and_no_page(
    stopped: Broker, own: Valkey, free_port: Callable[[], int], tmp_path: Path
) -> None:
    async with deployed(stopped, own, free_port(), tmp_path) as api:
        await kafka_is(api, "ok")
        assert (await api.post("/v1/page", json=VIEW, headers=SENDER)).status_code == 200
        os.kill(stopped.pid, signal.SIGSTOP)
        try:
            events = [
                asyncio.create_task(api.post("/v1/page", json={**VIEW, "userId": f"u{number}"}, headers=SENDER))
                for number in range(WAITING)
            ]
            refused = [await first for first in _first(events, WAITING - MOST)]
            assert Counter(answer.json()["code"] for answer in refused) == {"overloaded": WAITING - MOST}
            assert {answer.headers["retry-after"] for answer in refused} == {"1"}
            decided = await api.post("/v1/decisions", json=QUESTION, headers=READER)
            assert (decided.status_code, decided.json()["fallback"]) == (200, False)
            found = await api.get(f"/v1/decisions/{decided.json()['decisionId']}", headers=READER)
            assert found.json()["customerId"] == "ann"
            assert (await api.get("/v1/customers/ann", headers=READER)).status_code == 404  # nobody applied events
            assert total((await api.get("/metrics")).text, "http_in_flight", "events") == MOST
            ready = await kafka_is(api, "down")
            assert ready.status_code == 200  # it still decides
            assert "Kafka does not answer" in ready.json()["health"]["kafka"]["reason"]
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
        await kafka_is(api, "ok")
        statuses = Counter(answer.status_code for answer in await asyncio.gather(*events))
        assert set(statuses) <= {200, 503}
        assert (await api.post("/v1/page", json=VIEW, headers=SENDER)).status_code == 200


def _first(tasks: list[asyncio.Task[httpx.Response]], count: int) -> list[asyncio.Future[httpx.Response]]:
    """The first `count` that end, each to be awaited."""
    ended = asyncio.as_completed(tasks, timeout=PATIENCE_S)
    return [next(ended) for _ in range(count)]
