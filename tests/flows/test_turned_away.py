"""Decisions that find no place are refused before they are parsed, on connections that stay in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from tests.flows.api import API, Process, serving, settings
from tests.patience import PATIENCE_S

BODY = b'{"customerId":"ann","channel":"web"}'
ROUTE = "/v1/decisions"


def request(body: bytes = BODY, more: str = "", path: str = ROUTE) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {API}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Line:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            return int(head[9:12]), await self.reader.readexactly(length)

    async def ask(self, *parts: bytes) -> tuple[int, bytes]:
        """The answer to a request that is sent in `parts`."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.01)  # another read of the server's: were it the same, it would test less
        return await self.answer()


@asynccontextmanager
async def connected(process: Process) -> AsyncIterator[Line]:
    async with serving(process) as api:
        reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
        yield Line(reader, writer)
        writer.close()


@pytest.fixture
def process() -> Process:
    return Process(settings(max_in_flight=3, deadline_ms=20_000))


def fill(process: Process, full: bool = True) -> None:
    process.app.bulkheads.decisions.inside = 3 if full else 0


def parsed(process: Process) -> float:
    """Requests of this route that reached its handler."""
    shown = process.meter.render()[0].decode()
    found = [
        line for line in shown.splitlines() if line.startswith(f'cueline_http_seconds_count{{route="{ROUTE}"}}')
    ]
    return float(found[0].split()[-1]) if found else 0.0


async def test_a_refused_request_is_not_parsed_and_its_connection_goes_on(process: Process) -> None:
    async with connected(process) as line:
        assert (await line.ask(request()))[0] == 200
        fill(process)
        before = parsed(process)
        for _ in range(3):
            status, body = await line.ask(request())
            assert (status, msgspec.json.decode(body)["code"]) == (503, "overloaded")
        assert parsed(process) == before == 1
        assert process.meter.value("http_refused", "decisions") == 3
        fill(process, full=False)
        status, body = await line.ask(request())
        assert (status, msgspec.json.decode(body)["fallback"]) == (200, False)


@pytest.mark.parametrize("cut", [4, 60, len(request()) - 1])
async def test_one_that_comes_in_pieces_is_refused_by_its_handler(process: Process, cut: int) -> None:
    async with connected(process) as line:
        fill(process)
        whole = request()
        status, body = await line.ask(whole[:cut], whole[cut:])
        assert (status, msgspec.json.decode(body)["code"]) == (503, "overloaded")
        assert parsed(process) == 1
        assert (await line.ask(request()))[0] == 503
        assert parsed(process) == 1


async def test_whose_connection_is_to_close_finds_it_closed(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some clients read up to its end."""
    monkeypatch.setattr("engine.web.server.uvicorn_server.KEEP_ALIVE_S", 10 * PATIENCE_S)
    async with connected(process) as line:
        fill(process)
        assert (await line.ask(request(more="Connection: close\r\n")))[0] == 503
        assert await asyncio.wait_for(line.reader.read(), PATIENCE_S) == b""


async def test_requests_ahead_are_answered_in_order(process: Process) -> None:
    async with connected(process) as line:
        fill(process)
        health = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        line.writer.write(health + request() + health)
        statuses = [(await line.answer())[0] for _ in range(3)]
        assert statuses == [200, 503, 200]


async def test_a_body_that_looks_like_a_request_is_none(process: Process) -> None:
    async with connected(process) as line:
        fill(process)
        inner = request()
        outer = request(inner, path="/v1/outcomes")
        status, body = await line.ask(outer[: -len(inner)], inner)
        assert (status, msgspec.json.decode(body)["code"]) == (400, "bad_request")
        assert process.meter.value("http_refused") == 0


async def test_a_wrong_key_costs_no_more_while_there_is_no_place(process: Process) -> None:
    async with connected(process) as line:
        fill(process)
        assert (await line.ask(request().replace(API.encode(), b"x" * len(API))))[0] == 503
        fill(process, full=False)
        assert (await line.ask(request().replace(API.encode(), b"x" * len(API))))[0] == 401


async def test_who_keeps_asking_is_not_hung_up_on_and_who_falls_silent_is(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.server.uvicorn_server.KEEP_ALIVE_S", 0.2)
    async with connected(process) as line:
        fill(process)
        loop = asyncio.get_running_loop()
        until = loop.time() + 1.0
        while loop.time() < until:  # five times the silence that is allowed
            assert (await line.ask(request()))[0] == 503
        assert await asyncio.wait_for(line.reader.read(), PATIENCE_S) == b""


async def test_who_asks_again_at_once_is_answered_after_a_rest_and_loses_nothing(process: Process) -> None:
    async with connected(process) as line:
        assert (await line.ask(request()))[0] == 200
        fill(process)
        for _ in range(3):
            line.writer.write(request())
        answers = [(await line.answer())[0] for _ in range(3)]
        assert answers == [503] * 3
        line.writer.write(request())
        assert (await line.answer())[0] == 503
        fill(process, full=False)
        line.writer.write(request())  # while it rests
        assert (await line.answer())[0] == 200


async def test_who_hangs_up_while_it_rests_is_forgotten(process: Process) -> None:
    async with connected(process) as line:
        fill(process)
        assert (await line.ask(request()))[0] == 503
        line.writer.write(request())
        line.writer.write_eof()
        assert (await line.answer())[0] == 503
        assert await asyncio.wait_for(line.reader.read(), PATIENCE_S) == b""
