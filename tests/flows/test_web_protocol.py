"""Beneath the requests: heads that are too large, too slow or none; pipelines; callers who hang up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from engine.web.server.heads import MOST_HEADERS
from engine.web.server.protocol import HEAD_BYTES, LEFT_BYTES
from tests.flows.api import API, Process, serving, settings
from tests.flows.connections import answered, hung_up, line
from tests.patience import PATIENCE_S

HEARTBEAT_S = 0.01
PATIENCE_OF_HEADS_S = 1.0  # a machine seldom stalls for as long between a connection and its head
STREAM = f"GET /v1/customers/ann/cues HTTP/1.1\r\nHost: x\r\nX-Api-Key: {API}\r\n\r\n".encode()


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(Process(settings(), heartbeat_s=HEARTBEAT_S)) as client:
        yield client


@pytest.mark.parametrize("before", [b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: ", b"GET /", b"X" * 5])
async def test_a_head_without_an_end_is_refused(api: httpx.AsyncClient, before: bytes) -> None:
    async with line(api, before) as (reader, writer):
        if before.startswith(b"X"):
            assert await answered(reader) == (
                400,
                {
                    "title": "Bad request",
                    "status": 400,
                    "detail": "this is no HTTP/1.1 request",
                    "code": "bad_request",
                },
            )
        else:
            assert (await api.get("/health/live")).status_code == 200  # the beginning has been read by now
            for _ in range(HEAD_BYTES // 1_024 + 1):
                writer.write(b"a" * 1_024)
                await writer.drain()
            status, refusal = await answered(reader)
            assert (status, refusal["code"]) == (431, "head_too_large")
        assert await hung_up(reader)
    assert (await api.get("/health/live")).status_code == 200


CHUNKED = b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("trailer", [b"x: y\r\n" * 2_000, b"x: " + b"y" * 16_384])
async def test_what_follows_an_answer_without_an_end_is_hung_up_on(api: httpx.AsyncClient, trailer: bytes) -> None:
    async with line(api, CHUNKED) as (reader, writer):
        assert (await answered(reader))[0] == 404
        writer.write(b"0\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1 + 2 * LEFT_BYTES // len(trailer)):
                writer.write(trailer)
                await writer.drain()
        assert await hung_up(reader)


async def test_trailers_without_an_end_are_hung_up_on_while_an_answer_is_under_way(api: httpx.AsyncClient) -> None:
    streaming = STREAM.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    async with line(api, streaming) as (reader, writer):
        assert await asyncio.wait_for(reader.readuntil(b": heartbeat\n\n"), PATIENCE_S)
        with contextlib.suppress(ConnectionError):
            for _ in range(MOST_HEADERS // 100 + 1):
                writer.write(b"x: y\r\n" * 100)
                await writer.drain()
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                while await reader.read(65_536):
                    pass


async def test_the_body_of_a_refused_request_may_still_arrive(api: httpx.AsyncClient) -> None:
    head = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n"
    async with line(api, head) as (reader, writer):
        assert (await answered(reader))[0] == 404
        writer.write(b"b" * 400_000 + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answered(reader))[0] == 200


async def test_a_head_is_measured_from_its_own_beginning(api: httpx.AsyncClient) -> None:
    body = b"b" * (HEAD_BYTES + 1_024)
    head = f"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with line(api, head + body + b"GET /health/live HTTP/1.1\r\nHo") as (reader, writer):
        assert (await answered(reader))[0] == 404
        writer.write(b"st: x\r\n\r\n")
        assert (await answered(reader))[0] == 200


@pytest.mark.parametrize("rest", [b"\r\n", b"b"])
async def test_a_few_bytes_after_an_answer_hold_no_connection(
    api: httpx.AsyncClient, rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.server.timeouts.HEAD_WITHIN_S", PATIENCE_OF_HEADS_S)
    async with line(api, b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n") as (reader, writer):
        assert (await answered(reader))[0] == 404
        writer.write(rest)
        assert await hung_up(reader)


@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
@pytest.mark.parametrize("method", [b"GET /health/live", b"POST /v1/decisions"])
async def test_another_version_of_http_is_refused(api: httpx.AsyncClient, method: bytes, version: bytes) -> None:
    said = b"%b HTTP/%b\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % (method, version)
    async with line(api, said) as (reader, _):
        status, refusal = await answered(reader)
        assert (status, refusal["code"]) == (505, "wrong_version")
        assert await hung_up(reader)


async def test_a_large_head_that_is_within_bounds_is_taken(api: httpx.AsyncClient) -> None:
    answer = await api.get("/health/live", headers={"x": "a" * (HEAD_BYTES - 1_024)})
    assert answer.status_code == 200


@pytest.mark.parametrize("said", [b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_head_that_does_not_arrive_is_told_so(
    api: httpx.AsyncClient, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.server.timeouts.HEAD_WITHIN_S", PATIENCE_OF_HEADS_S)
    async with line(api, said) as (reader, writer):
        if said:
            assert (await answered(reader))[0] == 200
        writer.write(b"GET /health/live HTTP/1.1\r\nHost:")
        status, refusal = await answered(reader)
        assert (status, refusal["code"]) == (408, "too_slow")
        assert await hung_up(reader)


async def test_who_says_nothing_is_told_nothing(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.server.timeouts.HEAD_WITHIN_S", PATIENCE_OF_HEADS_S)
    async with line(api) as (reader, _):
        assert await hung_up(reader)


@pytest.mark.parametrize("behind", [b"", b"GET /health/li"])
async def test_a_stream_outlives_the_patience(
    api: httpx.AsyncClient, behind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.server.timeouts.HEAD_WITHIN_S", PATIENCE_OF_HEADS_S)
    async with line(api, STREAM + behind) as (reader, _):
        for _ in range(round(2 * PATIENCE_OF_HEADS_S / HEARTBEAT_S)):
            assert await asyncio.wait_for(reader.readuntil(b": heartbeat\n\n"), PATIENCE_S)


async def test_pipelined_requests_are_answered_in_order(api: httpx.AsyncClient) -> None:
    asked = [f"/health/live?{n}" if n % 3 else f"/nothing/{n}" for n in range(40)]
    pipeline = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in asked)
    async with line(api, pipeline.encode()) as (reader, _):
        assert [(await answered(reader))[0] for _ in asked] == [200 if "live" in path else 404 for path in asked]


async def test_callers_who_hang_up_leave_nothing_in_the_log(
    api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    body = b'{"customerId":"ann","channel":"web"}'
    head = f"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nX-Api-Key: {API}\r\nContent-Length: {len(body)}\r\n\r\n"
    for asked in (1, 2, 3) * 20:
        async with line(api, (head.encode() + body) * asked) as (_, writer):
            await writer.drain()
    assert (await api.get("/health/live")).status_code == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
