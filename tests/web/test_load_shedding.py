"""Who is let in while the event loop lags, and what is turned away before it is parsed."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvicorn
import uvloop

from engine.meter import PrometheusMeter
from engine.web.server.bulkheads import LEAST, WINDOW, Bulkhead
from engine.web.server.load_shedding import (
    GROWTH,
    LAG_S,
    LOOK_EVERY_S,
    REFUSAL,
    REST_S,
    SHARE_OF_DEADLINE,
    SHRINKING,
    SMOOTHING,
    EarlyRefusal,
    LoadShedding,
    request_size,
)
from engine.web.server.uvicorn_server import ACCEPTED_AT_ONCE, _Server
from tests.patience import PATIENCE_S

MOST = 512
DEADLINE_S = 0.05
HEAD = b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nContent-Length: 4"
REQUEST = HEAD + b"\r\n\r\nbody"


class Client:
    """A connection that notes what is sent on it, and when it is read again."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.read_again = asyncio.Event()

    def refuse(self, answer: bytes) -> None:
        self.sent.append(answer)
        self.read_again.clear()

    def go_on(self) -> None:
        self.read_again.set()


def bulkhead(most: int = MOST) -> Bulkhead:
    return Bulkhead("decisions", most, PrometheusMeter())


def test_without_lag_every_place_may_be_taken() -> None:
    places = bulkhead()
    shedding = LoadShedding(places, DEADLINE_S)
    for _ in range(100):
        shedding.observe(LAG_S, LOOK_EVERY_S)
    assert places.allowed == MOST


@pytest.mark.parametrize("rate", [4_000, 8_000])
def test_with_lag_as_many_are_let_in_as_are_answered_in_time(rate: int) -> None:
    """Little's law: the rate times the wait."""
    places = bulkhead()
    shedding = LoadShedding(places, DEADLINE_S)
    for _ in range(50):  # until the mean is the rate
        places.answered += round(rate * LOOK_EVERY_S)
        shedding.observe(0.0, LOOK_EVERY_S)
    places.answered += round(rate * LOOK_EVERY_S)
    places.inside = LEAST
    shedding.observe(LAG_S + 0.001, LOOK_EVERY_S)
    limit = rate * DEADLINE_S * SHARE_OF_DEADLINE
    for _ in range(20):  # in steps
        places.answered += round(rate * LOOK_EVERY_S)
        shedding.observe(LAG_S + 0.001, LOOK_EVERY_S)
    assert places.allowed == pytest.approx(limit, rel=0.02)
    before = places.allowed
    shedding.observe(LAG_S, LOOK_EVERY_S)
    assert places.allowed == round(before * GROWTH)


def test_the_rate_is_a_mean_over_some_looks() -> None:
    places = bulkhead()
    shedding = LoadShedding(places, DEADLINE_S)
    places.answered, places.inside = 1_000, LEAST
    places.allow(LEAST)
    shedding.observe(1.0, 0.1)
    assert places.allowed == round(SMOOTHING * 10_000 * DEADLINE_S * SHARE_OF_DEADLINE)


def test_places_are_taken_away_in_steps() -> None:
    """Before a flood few were answered because few asked."""
    places = bulkhead()
    places.inside = LEAST
    shedding = LoadShedding(places, DEADLINE_S)
    shedding.observe(1.0, LOOK_EVERY_S)
    assert places.allowed == round(MOST * SHRINKING)
    shedding.observe(1.0, LOOK_EVERY_S)
    assert places.allowed == round(round(MOST * SHRINKING) * SHRINKING)


def test_while_few_ask_the_rate_that_was_reached_is_remembered() -> None:
    places = bulkhead()
    shedding = LoadShedding(places, DEADLINE_S)
    for _ in range(100):
        places.answered += round(8_000 * LOOK_EVERY_S)
        shedding.observe(0.0, LOOK_EVERY_S)
    for _ in range(100):  # nobody
        shedding.observe(0.0, LOOK_EVERY_S)
    places.inside = LEAST
    places.allow(LEAST)
    places.answered += round(8_000 * LOOK_EVERY_S)
    shedding.observe(1.0, LOOK_EVERY_S)
    assert places.allowed == pytest.approx(8_000 * DEADLINE_S * SHARE_OF_DEADLINE, rel=0.02)


@pytest.mark.parametrize(("most", "least"), [(MOST, LEAST), (LEAST, LEAST), (LEAST - 1, LEAST - 1), (2, 2)])
def test_some_are_always_let_in(most: int, least: int) -> None:
    places = bulkhead(most)
    places.inside = LEAST
    shedding = LoadShedding(places, DEADLINE_S)
    for _ in range(20):
        shedding.observe(10.0, LOOK_EVERY_S)
    assert places.allowed == least


@pytest.mark.parametrize(
    ("inside", "arriving", "cut"), [(LEAST - 1, 0, False), (LEAST - 1, 1, True), (LEAST, 0, True)]
)
def test_a_lag_that_few_decisions_cannot_have_made_takes_no_place(inside: int, arriving: int, cut: bool) -> None:
    places = bulkhead()
    places.inside, places.arriving = inside, arriving
    LoadShedding(places, DEADLINE_S).observe(10.0, LOOK_EVERY_S)
    assert (places.allowed < MOST) is cut


@pytest.mark.parametrize(
    ("more", "size"),
    [
        (b"", -1),
        (b"\r\nContent-Length: 4", 4),
        (b"\r\ncontent-length:4", 4),
        (b"\r\nCONTENT-LENGTH:\t 4 \t", 4),
        (b"\r\nContent-Length: 0", 0),
        (b"\r\nContent-Length: 999999999", 999_999_999),
        (b"\r\nContent-Length: 1000000000", -1),
        (b"\r\nContent-Length: -1", -1),
        (b"\r\nContent-Length: 4\r\nContent-Length: 4", -1),
        (b"\r\nContent-Length: 4\r\nContent-Length: -1", -1),
        (b"\r\nContent-Length: 4, 4", -1),
        (b"\r\nContent-Length: 4\r\nTransfer-Encoding: chunked", -1),
        (b"\r\ntransfer-encoding: chunked\r\nContent-Length: 4", -1),
        (b"\r\nContent-Length: 4\r\nExpect: 100-continue", -1),
        (b"\r\nContent-Length: 4\r\nConnection: close", -1),
        (b"\r\nConnection:TE, Close\r\nContent-Length: 4", -1),
        (b"\r\nConnection: keep-alive\r\nContent-Length: 4\r\nX: close", 4),
        (b"\r\nX-Content-Length: 7\r\nContent-Length: 4", 4),
    ],
)
def test_the_size_of_a_request_is_known_only_where_one_length_is_stated(more: bytes, size: int) -> None:
    head = b"POST /v1/decisions HTTP/1.1\r\nHost: x" + more
    assert request_size(head) == (size if size < 0 else len(head) + 4 + size)


async def test_one_too_many_in_a_turn_is_told_so_in_the_next() -> None:
    places = bulkhead(2)
    early, clients = EarlyRefusal({b"POST /v1/decisions": places}), [Client() for _ in range(3)]
    assert [early.turn_away(REQUEST, client) for client in clients] == [False, False, True]
    assert clients[2].sent == []
    await asyncio.sleep(0)
    assert [client.sent for client in clients] == [[], [], [REFUSAL]]
    places.enter()  # in the next turn those two take their places …
    assert not early.turn_away(REQUEST, clients[0])
    assert early.turn_away(REQUEST, clients[1])  # … of which the third arrival took the last
    places.leave()
    await asyncio.sleep(0)
    assert not early.turn_away(REQUEST, clients[0])
    assert (places.turned_away, len(clients[1].sent)) == (2, 1)


async def test_who_was_refused_is_read_again_after_a_rest() -> None:
    places = bulkhead(1)
    places.enter()
    early, loop = EarlyRefusal({b"POST /v1/decisions": places}), asyncio.get_running_loop()
    first, second = Client(), Client()
    began = loop.time()
    assert early.turn_away(REQUEST, first)
    await asyncio.sleep(REST_S / 2)
    assert early.turn_away(REQUEST, second)
    async with asyncio.timeout(PATIENCE_S):
        await first.read_again.wait()
        assert loop.time() - began >= REST_S * 0.9
        await second.read_again.wait()
        assert loop.time() - began >= REST_S * 1.4
        assert early.turn_away(REQUEST, first)  # and again
        await asyncio.sleep(0)
        await first.read_again.wait()
    assert [len(first.sent), len(second.sent)] == [2, 1]


async def test_who_takes_no_place_turns_nobody_away() -> None:
    """Whoever has no key, and who has one that does not open this, is refused before the bulkhead."""
    places, client = bulkhead(LEAST), Client()
    early = EarlyRefusal({b"POST /v1/decisions": places})
    for _ in range(WINDOW // LEAST):
        for _ in range(LEAST):
            early.turn_away(REQUEST, client)
        await asyncio.sleep(0)
    assert [early.turn_away(REQUEST, client) for _ in range(10 * LEAST)] == [False] * 10 * LEAST
    await asyncio.sleep(0)
    for _ in range(2 * WINDOW):
        places.enter()
        places.leave()
    early.turn_away(REQUEST, client)
    await asyncio.sleep(0)  # seen once in a turn
    assert [early.turn_away(REQUEST, client) for _ in range(LEAST + 1)] == [False] * LEAST + [True]


@pytest.mark.parametrize(
    "content",
    [
        REQUEST[:-1],
        REQUEST + b"P",
        REQUEST + REQUEST,
        HEAD,
        b"",
        HEAD + b"\r\nX: " + b"x" * 4_096 + b"\r\n\r\nbody",
        REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        REQUEST.replace(b"/v1/decisions", b"/v1/decisions?x=1"),
        REQUEST.replace(b"POST", b"GET"),
        REQUEST.replace(b"Content-Length: 4", b"Content-Length: 5"),
    ],
)
async def test_what_is_not_exactly_one_request_for_a_bulkhead_goes_the_long_way(content: bytes) -> None:
    places, client = bulkhead(1), Client()
    places.enter()
    early = EarlyRefusal({b"POST /v1/decisions": places})
    assert not early.turn_away(content, client)
    assert early.turn_away(REQUEST, client)
    assert places.turned_away == 1


async def test_what_has_no_end_goes_the_long_way() -> None:
    places, client = bulkhead(1), Client()
    places.enter()
    early = EarlyRefusal({b"POST /v1/decisions": places})
    for endless in (REQUEST[:50], HEAD + b"\r\nX: " + b"x" * 100_000):
        assert not early.turn_away(endless, client)


@pytest.mark.parametrize("allowed", [16, 17, 40])
@pytest.mark.parametrize("arriving", [0, 1, 2, 24])
@pytest.mark.parametrize("entered", [1, 5, 10, 11])
async def test_it_is_full_where_as_many_places_are_wanted_as_there_are(
    allowed: int, arriving: int, entered: int
) -> None:
    places = bulkhead(allowed)
    for _ in range(10):
        places.arrive()
    for _ in range(entered):
        with places:
            pass
    await asyncio.sleep(0)  # the share of those who came in is known
    places.inside, places.arriving = 15, arriving
    assert places.full is (places.wanted >= allowed)


async def test_who_is_turned_away_is_counted_when_somebody_reads() -> None:
    meter = PrometheusMeter()
    places = Bulkhead("decisions", 1, meter)
    places.enter()
    early = EarlyRefusal({b"POST /v1/decisions": places})
    for _ in range(5):
        early.turn_away(REQUEST, Client())
    assert meter.value("http_refused", "decisions") == 5
    assert meter.value("http_errors", "503") == 5
    assert meter.value("http_refused") == 5


async def _nothing(scope: object, receive: object, send: object) -> None:
    """An application that is not asked."""


def test_a_probe_waits_for_few_turns_behind_many_who_connect() -> None:
    """The loop of deployments accepts one connection of a listening socket in a turn."""
    clients = 4 * ACCEPTED_AT_ONCE

    async def turns() -> int:
        config = uvicorn.Config(_nothing, port=0, lifespan="off", log_level="error")
        config.load()
        server = _Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        address = server.servers[0].sockets[0].getsockname()
        lines = [socket.create_connection(address, PATIENCE_S) for _ in range(clients)]
        passed = 0
        while len(server.server_state.connections) < clients:
            await asyncio.sleep(0)
            passed += 1
        for line in lines:
            line.close()
        await server.shutdown()
        return passed

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(turns()) <= clients // ACCEPTED_AT_ONCE + 8
