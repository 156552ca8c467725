"""What a connection may have received and not been answered: little, and of all connections together bounded."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from blacksheep import Request, Response
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from engine.meter import PrometheusMeter
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.fast_path import FastRoute, KnownHeads
from engine.web.server.held_bytes import HeldBytes
from engine.web.server.load_shedding import REFUSAL, EarlyRefusal
from engine.web.server.protocol import BODY_PORTION, PORTION, PORTIONS, Protocol
from engine.web.server.uvicorn_server import configured
from tests.patience import PATIENCE_S

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ONE_READ = 256 * 1024  # of a loop, at most
App = Callable[[Any, Any, Any], Awaitable[None]]


class Answering:
    """An application that reads a body and answers its length, once it may, and notes what was asked."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.asked = 0
        self.changed = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        self.changed.set()
        await self.may.wait()
        length, more = 0, True
        while more:
            message = await receive()
            length, more = length + len(message.get("body", b"")), message.get("more_body", False)
        body = b"%d" % length
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Talking:
    """One that never ends its answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            await asyncio.sleep(0)  # for `send` returns at once when the client is gone


@asynccontextmanager
async def listening(app: App) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """uvicorn as production has it, with `app`; its port."""
    config = configured(app, "127.0.0.1", 0)
    config.lifespan = "off"
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        tasks = [*server.server_state.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def protocols(server: uvicorn.Server) -> list[Protocol]:
    return [one for one in server.server_state.connections if isinstance(one, Protocol)]


def held(server: uvicorn.Server) -> int:
    """Bytes received that wait for the parser, of all connections."""
    return sum(len(one._waiting) for one in protocols(server))


def unanswered(server: uvicorn.Server) -> int:
    """Requests parsed and not answered, of all connections."""
    return sum(len(one.pipeline) + one._answering for one in protocols(server))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.001)


async def test_what_follows_a_request_waits_as_bytes_and_is_answered_in_turn() -> None:
    app = Answering()
    asked = ONE_READ // len(GET)
    async with listening(app) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET * asked)
        await until(lambda: held(server) > 0)
        assert (app.asked, unanswered(server)) == (1, 1)
        assert held(server) <= ONE_READ
        app.may.set()
        for _ in range(asked):
            assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), PATIENCE_S)
        assert (app.asked, held(server)) == (asked, 0)
        writer.close()


async def test_a_body_waits_for_its_handler() -> None:
    app, length = Answering(), 4 * ONE_READ
    async with listening(app) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length + b"b" * length)
        await until(lambda: held(server) > 0)
        (one,) = protocols(server)
        assert HIGH_WATER_LIMIT < len(one.cycle.body) <= HIGH_WATER_LIMIT + BODY_PORTION
        assert held(server) <= ONE_READ
        app.may.set()
        assert await asyncio.wait_for(reader.readuntil(b"%d" % length), PATIENCE_S)
        writer.write(GET)
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), PATIENCE_S)
        writer.close()


async def test_a_body_in_crumbs_leaves_others_their_turn() -> None:
    """Chunks of a byte cost a call each: a read of them is parsed in several turns of the loop."""
    app, crumb = Answering(), b"1\r\nb\r\n"
    async with listening(app) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await app.changed.wait()
        (one,) = protocols(server)
        number = 4 * PORTIONS * PORTION // len(crumb)
        one.data_received(crumb * number + b"0\r\n\r\n")
        assert 0 < len(one.cycle.body) <= PORTIONS * PORTION // len(crumb) + PORTIONS
        app.may.set()
        assert await asyncio.wait_for(reader.readuntil(b"%d" % number), PATIENCE_S)
        writer.close()


async def test_what_all_connections_hold_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little each has received, there is one too many at last: the first is disconnected."""
    monkeypatch.setattr("engine.web.server.uvicorn_server.MOST_HELD", ONE_READ)
    app = Answering()
    async with listening(app) as (server, port), contextlib.AsyncExitStack() as stack:
        while len(protocols(server)) == app.asked:
            asked = app.asked + 1
            assert asked <= ONE_READ // PORTION
            await say_much(stack, port)
            await until(lambda asked=asked: app.asked == asked)  # type: ignore[misc]
            assert held(server) <= ONE_READ
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)  # who sends one request at a time holds nothing, and stays
        app.may.set()
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), PATIENCE_S)
        writer.close()


async def say_much(stack: contextlib.AsyncExitStack, port: int) -> None:
    """Open a connection and say far more on it than one read takes."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.push_async_callback(gone, writer)
    writer.write(GET * (2 * ONE_READ // len(GET)))


class Counted:
    """A connection that notes when it is given up."""

    def __init__(self, given_up: list[Counted]) -> None:
        self._given_up = given_up

    def give_up(self) -> None:
        self._given_up.append(self)


def test_who_made_no_progress_for_the_longest_goes_first() -> None:
    gone: list[Counted] = []
    one, two, three = (Counted(gone) for _ in range(3))
    held = HeldBytes(10)
    held.set(one, 5)
    held.set(two, 5)
    assert (held.total, gone) == (10, [])
    held.set(one, 4)  # progress
    held.set(two, 5)  # none
    held.set(three, 2)
    assert (held.total, gone) == (6, [two])
    held.set(two, 0)
    held.set(three, 6)
    assert (held.total, gone) == (10, [two])
    held.set(three, 11)
    assert (held.total, gone) == (0, [two, one, three])


async def gone(writer: asyncio.StreamWriter) -> None:
    """Disconnect without a word, and let the loop see it."""
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.server.timeouts.ANSWER_TAKEN_WITHIN_S", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_who_never_reads_its_answer_is_disconnected() -> None:
    async with listening(Talking()) as (server, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(GET)
        await until(lambda: len(server.server_state.connections) == 1)
        await until(lambda: len(server.server_state.connections) == 0)
        await gone(writer)


async def test_who_reads_again_in_time_stays() -> None:
    """However often it stops; as `Talking` makes the transport say."""
    async with listening(Talking()) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(GET)
        for _ in range(3):
            await until(lambda: any(one._stalled for one in protocols(server)))
            async with asyncio.timeout(PATIENCE_S):
                while any(one._stalled for one in protocols(server)):
                    assert await reader.read(1 << 20)
        await gone(writer)


@pytest.mark.slow
async def test_two_hundred_connections_that_send_and_never_read_leave_others_in_peace() -> None:
    """6,000 requests each, 1.2 million; nobody reads an answer."""
    app = Answering()
    app.may.set()
    async with listening(app) as (server, port), contextlib.AsyncExitStack() as stack:
        for _ in range(200):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            stack.push_async_callback(gone, writer)
            writer.write(GET * 6_000)
        for _ in range(50):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), PATIENCE_S)
            writer.close()
            assert unanswered(server) <= 2 * 200
            assert held(server) <= 200 * ONE_READ


class Full(Answering):
    """One that has no place left."""

    def __init__(self, known: bool) -> None:
        super().__init__()
        self.may.set()
        self.places = Bulkhead("decisions", 1, PrometheusMeter())
        self.places.enter()
        self.early_refusal = EarlyRefusal({b"POST /": self.places})
        self.known_heads = KnownHeads({b"/": FastRoute(_not_asked, self.places)})
        if known:
            self.known_heads.learn(REFUSED, b"/", [(b"host", b"x"), (b"content-length", b"0")], len(REFUSED))


REFUSED = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


async def _not_asked(request: Request) -> Response:
    raise AssertionError("there is no place")


@pytest.mark.parametrize("known", [True, False])
async def test_who_reads_no_refusals_is_sent_no_more_of_them(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.server.load_shedding.REST_S", 0.0)
    app, loop = Full(known), asyncio.get_running_loop()
    async with listening(app) as (server, port), asyncio.timeout(PATIENCE_S):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(("127.0.0.1", port))
            client.setblocking(False)
            for sent in range(40_000):  # more than the system takes
                await loop.sock_sendall(client, REFUSED)
                while app.places.turned_away == sent and not unanswered(server):
                    await asyncio.sleep(0)
                if unanswered(server):
                    break
            waiting = protocols(server)[0].transport.get_write_buffer_size()
            assert waiting <= HIGH_WATER_LIMIT + 2 * len(REFUSAL)
