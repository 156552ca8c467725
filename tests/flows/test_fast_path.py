"""What takes the fast path is answered as what does not: byte for byte, in order, however it is cut."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.access import KeyRecord, Scope, Trust, hash_of
from engine.clock import wall_ms
from engine.events import Event
from engine.web.server.fast_path import Exchange, KnownHeads
from tests.flows.api import API, WRITE, Process, serving
from tests.flows.api import settings as api_settings
from tests.flows.connections import answered, hung_up, line
from tests.patience import PATIENCE_S

_OF_THE_MOMENT = re.compile(rb'"(?:decisionId|id)":"[^"]*"')


def post(path: str, body: bytes, *more: str, key: str = API) -> bytes:
    fields = ["Host: x", f"X-Api-Key: {key}", f"Content-Length: {len(body)}", *more]
    return (
        f"POST {path} HTTP/1.1\r\n{chr(13).join(chr(10) + field for field in fields)[1:]}\r\n\r\n".encode() + body
    )


def ask(customer: str, *more: str, **others: str) -> bytes:
    body = b'{"customerId":"%b","channel":"agent","peek":true}' % customer.encode()
    return post("/v1/decisions", body, *more, **others)


def track(number: int, *more: str, key: str = WRITE) -> bytes:
    body = b'{"type":"track","event":"Product Viewed","userId":"u-%03d","messageId":"m"}' % number
    return post("/v1/track", body, *more, key=key)


REQUESTS = [
    ask("ann"),
    ask("bob"),
    ask("eve", key="no-such-key"),
    ask("ann", "Origin: https://shop.example"),
    ask("ann", "Expect: 100-continue"),
    ask("ann", "Content-Encoding: gzip"),
    ask("ann", "Upgrade: h2c", "Connection: Upgrade"),
    track(1),
    track(2, "Origin: https://shop.example"),
    track(3, key=API),
    b"\r\n" + ask("ann"),
    b"\r\n\r\n" + ask("ann"),
    post("/v1/decisions", b""),
    post("/v1/decisions", b"{"),
    post("/v1/decisions?x=1", b"{}"),
    post("/v1/decisions/", b"{}"),
    post("/v1/track", b"\r\n\r\nPOST /v1/track HTTP/1.1\r\n\r\n", key=WRITE),
    b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/decisions HTTP/1.1\r\nHost: x\r\n\r\n",
]


#: After these nothing more is read; none has a body, of which a rest might be.
EMPTY = post("/v1/decisions", b"")
LAST = [
    post("/v1/decisions", b"", "Connection: close"),
    EMPTY.replace(b"HTTP/1.1", b"HTTP/1.0"),
    EMPTY.replace(b"Host: x\r\n", b""),
    EMPTY.replace(b"Host: x\r\n", b"Host: x\r\nHost: x\r\n"),
    b"nonsense\r\n\r\n",
]


async def said(process: Process, pieces: Sequence[bytes]) -> bytes:
    """All that is answered to `pieces`, each of which the server reads by itself, as far as that can be done."""
    async with serving(process) as api, line(api) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)
        async with asyncio.timeout(PATIENCE_S):
            answers = b""
            while some := await reader.read(65_536):
                answers += some
        return _OF_THE_MOMENT.sub(b'"id":""', answers)


def cut(whole: bytes, at: Sequence[int]) -> list[bytes]:
    places = [0, *sorted({place % len(whole) for place in at}), len(whole)]
    return [whole[begin:end] for begin, end in pairwise(places) if begin < end]


def _headers_in_any_order(answers: bytes) -> list[list[bytes]]:
    return [sorted(part.lower().split(b"\r\n")) for part in answers.split(b"HTTP/1.")]


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    asked=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=8),
    last=st.sampled_from(LAST),
    at=st.lists(st.integers(0, 10_000), max_size=6),
    whole=st.booleans(),
)
@example(asked=REQUESTS + REQUESTS, last=LAST[0], at=[], whole=True)
@example(asked=[*REQUESTS[:3]] * 4, last=LAST[1], at=[], whole=False)
def test_with_and_without_it_all_are_answered_alike(
    asked: list[bytes], last: bytes, at: list[int], whole: bool
) -> None:
    """`whole`: each request comes as one piece; else all together, cut anywhere."""
    pieces = [*asked, last] if whole else cut(b"".join([*asked, last]), at)
    fast, slow = Process(api_settings()), Process(api_settings())
    slow.app.known_heads = KnownHeads({})
    found = asyncio.run(said(fast, pieces)), asyncio.run(said(slow, pieces))
    assert _headers_in_any_order(found[0]) == _headers_in_any_order(found[1])
    assert _written(fast) == _written(slow)


def _written(process: Process) -> list[tuple[str, Event]]:
    """The events in the log, whenever they were received."""
    return [(one.customer, replace(one.event, received_at=0)) for one in process.log.messages]


@pytest.fixture
def process() -> Process:
    return Process(api_settings())


def parsed_heads(process: Process) -> int:
    return len(process.app.known_heads)


async def test_the_second_of_a_head_takes_it(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(process) as api, line(api, ask("ann")) as (reader, writer):
        assert (await answered(reader))[0] == 200
        assert parsed_heads(process) == 1
        monkeypatch.setattr("engine.web.server.protocol.Protocol._feed", None)  # who parses now, fails
        for customer in ("ann", "bob", "eve"):
            writer.write(ask(customer))
            status, answer = await answered(reader)
            assert (status, answer["customerId"]) == (200, customer)


@pytest.mark.parametrize("before", [b"\r\n\r\n", b"\r\n\r\n\r\n", b"\n\r\n\r\n"])
async def test_empty_lines_before_a_request_are_no_head_that_others_could_send(
    process: Process, before: bytes
) -> None:
    """Else the next who sends them would have the key of the one before."""
    async with serving(process) as api:
        async with line(api, before + ask("ann")) as (reader, _):
            assert (await answered(reader))[0] == 200
        body = ask("ann").partition(b"\r\n\r\n")[2]
        async with line(api, before + body) as (reader, _):
            assert (await answered(reader))[0] == 400


async def test_requests_ahead_wait_for_the_one_before(process: Process) -> None:
    process.log.open.clear()
    async with serving(process) as api, line(api, track(1)) as (reader, writer):
        await process.log.asked.acquire()
        process.log.open.set()
        assert (await answered(reader))[0] == 200
        process.log.open.clear()
        writer.write(track(2))  # on the fast path
        await process.log.asked.acquire()
        writer.write(track(3))
        writer.write(track(4) + ask("ann", key=API))
        assert (await api.get("/health/live")).status_code == 200  # they have been read by now
        assert process.log.asked.locked()
        process.log.open.set()
        answers = [await answered(reader) for _ in range(4)]
        assert [status for status, _ in answers] == [200] * 4
        assert answers[3][1]["customerId"] == "ann"
    assert [message.customer for message in process.log.messages] == ["u-001", "u-002", "u-003", "u-004"]


async def test_who_hangs_up_loses_no_event_and_ends_nothing(process: Process) -> None:
    async with serving(process) as api:
        async with line(api, track(1)) as (reader, writer):
            assert (await answered(reader))[0] == 200
            process.log.open.clear()
            writer.write(track(2))
            await process.log.asked.acquire()
            await process.log.asked.acquire()
        assert (await api.get("/health/live")).status_code == 200
        process.log.open.set()
    assert len(process.log.messages) == 2


@pytest.mark.parametrize("times", [1, 2])
async def test_who_will_say_no_more_is_answered_and_hung_up_on(process: Process, times: int) -> None:
    """Also on the fast path, which the second takes."""
    async with serving(process) as api:
        for number in range(times):
            process.log.open.clear()
            async with line(api, track(number)) as (reader, writer):
                writer.write_eof()
                await process.log.asked.acquire()
                assert (await api.get("/health/live")).status_code == 200  # the end has been read by now
                process.log.open.set()
                assert (await answered(reader))[0] == 200
                assert await hung_up(reader)
    assert parsed_heads(process) == 1


async def test_a_server_that_ends_answers_what_it_was_asked_and_says_so(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanges: list[Exchange] = []

    def noted() -> Exchange:
        exchanges.append(Exchange())
        return exchanges[-1]

    async def open_when_it_ends() -> None:
        while exchanges[-1].keep_alive:  # until the server has told its connections
            await asyncio.sleep(0.001)
        process.log.open.set()

    monkeypatch.setattr("engine.web.server.fast_protocol.Exchange", noted)
    async with serving(process) as api:
        reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
        writer.write(track(1))
        assert (await answered(reader))[0] == 200
        process.log.open.clear()
        writer.write(track(2))
        await process.log.asked.acquire()
        await process.log.asked.acquire()
        opening = asyncio.create_task(open_when_it_ends())
    await opening
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    assert head.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in head
    assert not await hung_up(reader)  # its body
    writer.close()


@pytest.mark.parametrize("stored", [[], ["expired"], ["other scope"]])
async def test_a_key_that_opens_no_more_opens_nothing_by_a_known_head(process: Process, stored: list[str]) -> None:
    plain, now = "key-of-the-store", wall_ms()
    held = KeyRecord("k", hash_of(plain), Trust.SECRET, (Scope.DECISIONS,))
    process.keys.follow([held])
    async with serving(process) as api, line(api) as (reader, writer):
        for _ in range(2):
            writer.write(ask("ann", key=plain))
            assert (await answered(reader))[0] == 200
        assert parsed_heads(process) == 1
        later = {"expired": replace(held, expires_at=now - 1), "other scope": replace(held, scopes=())}
        process.keys.follow([later[one] for one in stored])
        writer.write(ask("ann", key=plain))
        assert (await answered(reader))[0] == (403 if "other scope" in stored else 401)


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.server.uvicorn_server.KEEP_ALIVE_S", 0.3)
    async with serving(process) as api, line(api) as (reader, writer):
        loop = asyncio.get_running_loop()
        until = loop.time() + 1.0
        while loop.time() < until:
            writer.write(ask("ann"))
            assert (await answered(reader))[0] == 200
        asked = loop.time()
        assert await hung_up(reader)
        assert loop.time() - asked >= 0.25


async def test_the_address_of_a_visitor_is_known_on_it() -> None:
    limits = {"rates": {"address_per_second": 1.0}}
    process = Process(api_settings().model_validate({**api_settings().model_dump(), **limits}))
    async with serving(process) as api, line(api) as (reader, writer):
        statuses = set()
        for number in range(15):
            writer.write(track(number))
            statuses.add((await answered(reader))[0])
        assert statuses == {200, 429}
