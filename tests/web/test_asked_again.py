"""What a client asks right after it was refused: it waits for its turn, is held within bounds, and is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from blacksheep import Content, Request, Response

from engine.web.server.fast_path import FastRoute, KnownHeads
from engine.web.server.load_shedding import REFUSAL, REST_S
from tests.patience import PATIENCE_S
from tests.web.test_requests_ahead import ONE_READ, REFUSED, Full, held, listening, protocols, until

REFUSED_AGAIN, GIVEN = b"HTTP/1.1 503 ", b"HTTP/1.1 200 "
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Crowded(Full):
    """One whose only place is taken until `places.leave`; its answers are numbers."""

    def __init__(self, known: bool) -> None:
        super().__init__(known=False)
        self.known_heads = KnownHeads({b"/": FastRoute(self.answer, self.places)})
        if known:
            self.known_heads.learn(REFUSED, b"/", [(b"host", b"x"), (b"content-length", b"0")], len(REFUSED))

    async def answer(self, request: Request) -> Response:
        """On the fast path."""
        self.asked += 1
        return Response(200, content=Content(b"text/plain", b"0"))


@asynccontextmanager
async def refused(app: Crowded) -> AsyncIterator[tuple[uvicorn.Server, Client]]:
    """A client that was refused a moment ago, and does not heed when to come back."""
    async with listening(app) as (server, port), asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REFUSED)
        assert await reader.readexactly(len(REFUSAL)) == REFUSAL
        yield server, (reader, writer)
        writer.close()


def counted(server: uvicorn.Server) -> int:
    """What all connections hold, by the process's count."""
    (one,) = protocols(server)
    return one._held.total


@pytest.fixture(params=[True, False], ids=["known head", "unknown head"])
def app(request: pytest.FixtureRequest) -> Crowded:
    return Crowded(request.param)


async def test_it_is_refused_again_after_the_rest_only(app: Crowded) -> None:
    loop = asyncio.get_running_loop()
    async with refused(app) as (server, (reader, writer)):
        began = loop.time()
        writer.write(REFUSED)
        await until(lambda: held(server) > 0)
        assert (app.places.turned_away, counted(server)) == (1, len(REFUSED))
        assert await reader.readexactly(len(REFUSAL)) == REFUSAL
        assert loop.time() - began >= REST_S / 2
        assert (app.places.turned_away, held(server), counted(server)) == (2, 0, 0)


async def test_where_there_is_room_again_it_is_answered(app: Crowded) -> None:
    async with refused(app) as (server, (reader, writer)):
        writer.write(REFUSED)
        await until(lambda: held(server) > 0)
        assert app.asked == 0
        app.places.leave()
        assert await reader.readexactly(len(GIVEN)) == GIVEN
        assert (app.asked, held(server), counted(server)) == (1, 0, 0)


@pytest.mark.parametrize("cuts", [[1], [9, 20], [20, 30, len(REFUSED) - 1]])
async def test_so_it_is_in_pieces(app: Crowded, cuts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.server.load_shedding.REST_S", 1.0)
    async with refused(app) as (server, (reader, writer)):
        app.places.leave()
        writer.write(REFUSED[: cuts[0]])
        await until(lambda: held(server) == cuts[0])
        for start, end in zip(cuts, [*cuts[1:], len(REFUSED)], strict=True):
            writer.write(REFUSED[start:end])
            await asyncio.sleep(0.01)  # so that each is read by itself
        assert app.asked == 0
        assert await reader.readexactly(len(GIVEN)) == GIVEN
        await until(lambda: (app.asked, held(server), counted(server)) == (1, 0, 0))


async def test_several_at_once_are_answered_in_turn(app: Crowded) -> None:
    async with refused(app) as (server, (reader, writer)):
        app.places.leave()
        writer.write(REFUSED * 3)
        for _ in range(3):
            assert GIVEN in await reader.readuntil(b"\r\n\r\n0")
        assert (app.asked, held(server), counted(server)) == (3, 0, 0)


async def test_no_more_of_it_is_held_than_two_reads(app: Crowded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.server.load_shedding.REST_S", PATIENCE_S)
    async with refused(app) as (server, (_, writer)):
        writer.write(REFUSED * (4 * ONE_READ // len(REFUSED)))
        (one,) = protocols(server)
        await until(lambda: one.flow.holding)
        assert held(server) == counted(server) <= 2 * ONE_READ


async def test_who_leaves_is_held_no_more(app: Crowded) -> None:
    async with refused(app) as (server, (_, writer)):
        writer.write(REFUSED)
        await until(lambda: held(server) > 0)
        (one,) = protocols(server)
        writer.transport.abort()
        await until(lambda: not protocols(server))
        assert one._held.total == 0


@pytest.mark.parametrize("room", [True, False])
async def test_who_sends_no_more_gets_an_answer(app: Crowded, room: bool) -> None:
    async with refused(app) as (_, (reader, writer)):
        if room:
            app.places.leave()
        writer.write(REFUSED)
        writer.write_eof()
        answer = await reader.read()
        assert answer.startswith(GIVEN if room else REFUSED_AGAIN)
        assert answer.count(b"HTTP/1.1") == 1


async def test_who_asked_during_the_rest_is_not_taken_for_idle(
    app: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.server.load_shedding.REST_S", 0.3)
    async with refused(app) as (server, (reader, writer)):
        (one,) = protocols(server)
        one.timeout_keep_alive_handler()  # the time is up since the last answer
        app.places.leave()
        writer.write(REFUSED)
        await until(lambda: held(server) > 0)
        one.timeout_keep_alive_handler()
        assert await reader.readexactly(len(GIVEN)) == GIVEN


async def test_who_asks_nothing_after_the_rest_is_idle(app: Crowded, monkeypatch: pytest.MonkeyPatch) -> None:
    async with refused(app) as (server, (reader, _)):
        (one,) = protocols(server)
        monkeypatch.setattr(one, "timeout_keep_alive", 0.01)
        assert await reader.read() == b""  # disconnected
