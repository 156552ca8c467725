"""What the OpenAPI document says is so: schemathesis makes requests of it, good and bad ones, with every kind of
key, and compares the answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
import requests
import schemathesis
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, CheckFunction
from schemathesis.schemas import BaseSchema

from engine.access import Scope, Trust
from engine.errors import Unavailable
from tests.flows.access import (
    ADMIN,
    EVENT,
    NEEDED,
    PUBLIC,
    STREAMS,
    all_but,
    guarded,
    key_for,
    record,
    visitor_token,
)
from tests.flows.api import serving
from tests.patience import PATIENCE_S

CHECKED = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
PAGES = ("/openapi.json", "/docs")
OPERATIONS = [
    *(address for address in NEEDED if address[1] not in PAGES),
    *(("HEAD", path) for method, path in NEEDED if method == "GET" and path not in (*PAGES, *STREAMS)),
]
KNOWN = "ann"  # a customer with a row, a cue and a decision


@dataclass
class Served:
    """The API, listening at `url`; ``decision`` is one that it gave, with ``offer`` in it."""

    url: str
    schema: BaseSchema
    decision: str
    offer: str


@asynccontextmanager
async def serving_known() -> AsyncIterator[Served]:
    """The API over the store in memory, which knows a customer."""
    process = guarded()
    await process.know(KNOWN, recent_total=3, life_last_at=process.clock.now, session_bursts=3)
    await process.cue(KNOWN)
    async with serving(process) as api:
        asked = {"customerId": KNOWN, "channel": "web", "explain": True}
        decided = (await api.post("/v1/decisions", json=asked, headers={"x-api-key": ADMIN})).json()
        schema = schemathesis.openapi.from_dict((await api.get("/openapi.json")).json())
        schema.config.generation.update(with_security_parameters=False)  # keys are ours to show
        yield Served(str(api.base_url), schema, decided["decisionId"], decided["offers"][0]["offerId"])


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """The API in a thread of its own, since schemathesis does not await."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = serving_known()
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(PATIENCE_S)
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


def sent(client: httpx.Client, url: str, case: Case[Any], key: str | None) -> httpx.Response:
    """The answer to `case`, of a stream its first bytes."""
    shown = {} if key is None else {"authorization": f"Bearer {key}"}
    asked = requests.Request(**case.as_transport_kwargs(url, shown)).prepare()
    headers = [(_bytes(name), _bytes(value)) for name, value in asked.headers.items()]
    body = cast("bytes | None", asked.body)
    try:
        with client.stream(case.method, str(asked.url), headers=headers, content=body) as answer:
            stream = answer.headers.get("content-type") == "text/event-stream"
            return whole(answer, next(answer.iter_raw()) if stream else answer.read())
    except httpx.LocalProtocolError:  # a header that is none
        reject()


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def whole(answer: httpx.Response, content: bytes) -> httpx.Response:
    """`answer` as if it had been read, as schemathesis wants it."""
    read = httpx.Response(answer.status_code, headers=answer.headers, content=content, request=answer.request)
    read.elapsed = timedelta(0)
    return read


def conforms(case: Case[Any], answer: httpx.Response, expected: Sequence[str] = CHECKED) -> None:
    """Fails when `answer` is not as the document of `case` has it."""
    case.validate_response(answer, [cast("CheckFunction", CHECKS.get_one(name)) for name in expected])


def keys_for(scope: Scope | None) -> list[str | None]:
    """One of each kind; a visitor's that is KNOWN's, and another one's."""
    needed = [] if scope is None else [key_for(scope), all_but(scope)]
    return [None, "guess", PUBLIC, *needed, ADMIN, visitor_token(userId=KNOWN), visitor_token(userId="bob")]


def about_what_is_there(case: Case[Any], served: Served) -> None:
    """Let `case` name the customer, the decision and the offer that there are."""
    there = {"customerId": KNOWN, "userId": KNOWN, "decisionId": served.decision, "offerId": served.offer}
    if "id" in case.path_parameters:
        case.path_parameters["id"] = served.decision if "decisions" in case.path else KNOWN
    if "source" in case.path_parameters:
        case.path_parameters["source"] = "genesys"
    if isinstance(case.body, dict):
        case.body = {name: there.get(name, value) for name, value in case.body.items()}


#: Good requests to every address, and bad ones where anything can be wrong.
REQUESTS = [
    (*address, mode)
    for address in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or address[0] in ("POST", "PUT") or "{id}" in address[1]
]


@pytest.mark.parametrize("examples", [2, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("method", "path", "mode"), REQUESTS)
def test_every_answer_is_as_documented(
    served: Served, method: str, path: str, mode: GenerationMode, examples: int
) -> None:
    keys = keys_for(NEEDED["GET" if method == "HEAD" else method, path][0])

    @settings(max_examples=examples)
    @given(served.schema[path][method].as_strategy(mode), st.booleans())
    def each_key_is_answered(case: Case[Any], there: bool) -> None:
        if there:
            about_what_is_there(case, served)
        for key in keys:
            conforms(case, sent(client, served.url, case, key))

    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        each_key_is_answered()


SLOW_KEY = "a-key-of-one-request-in-a-thousand-seconds"
BY_ADMIN = {"x-api-key": ADMIN}
BROUGHT_ABOUT: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "a large event": (413, "POST", "/v1/track", {"content": b" " * 33_000}),
    "another coding": (415, "POST", "/v1/decisions", {"headers": {**BY_ADMIN, "content-encoding": "br"}}),
    "a large head": (431, "GET", "/v1/rulebook", {"headers": {**BY_ADMIN, "x-large": "x" * 300_000}}),
    "a large head of HEAD": (431, "HEAD", "/v1/rulebook", {"headers": {**BY_ADMIN, "x-large": "x" * 300_000}}),
    "too often": (429, "GET", "/v1/rulebook", {"headers": {"x-api-key": SLOW_KEY}}),
    "no stream any more": (503, "GET", "/v1/agents/{id}/cues", {"headers": BY_ADMIN}),
    "no Kafka": (503, "POST", "/v1/track", {"headers": BY_ADMIN, "json": EVENT}),
    "nothing of a batch": (400, "POST", "/v1/batch", {"headers": BY_ADMIN, "json": {"batch": [{}]}}),
    "not ready": (503, "GET", "/health/ready", {}),
    "not ready, by HEAD": (503, "HEAD", "/health/ready", {}),
}


@pytest.mark.parametrize("what", BROUGHT_ABOUT)
async def test_what_no_generated_request_brings_about_is_documented(what: str) -> None:
    status, method, path, request = BROUGHT_ABOUT[what]
    process = guarded(keys=[record(SLOW_KEY, Trust.SECRET, Scope.RULES_READ, rate=0.001)])
    process.log.fault = Unavailable("no broker")
    process.problems["kafka"] = "does not answer"
    async with serving(process) as api:
        process.app.end_streams()
        schema = schemathesis.openapi.from_dict((await api.get("/openapi.json")).json())
        if status == 429:
            assert (await api.request(method, path, **request)).status_code == 200
        answer = await api.request(method, path.replace("{id}", KNOWN), **request)
    assert answer.status_code == status
    case = schema[path][method].Case(path_parameters={"id": KNOWN} if "{id}" in path else {})
    conforms(case, whole(answer, answer.content), CHECKED[1:])
