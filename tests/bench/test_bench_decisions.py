"""The load generator against a server of a few lines, and the whole benchmark in short. No figure is asserted."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import Unavailable
from engine.kernels.row import ROW, VERSION
from engine.local.loopback import HOST
from loadtest.decisions import requests_for, side, turns
from loadtest.http_load import Load, closed_loop, connect, joined, post
from loadtest.people import names, rows

RULES = Path(__file__).parent.parent.parent / "rules"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
BAD = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
FALLBACK = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\noops"


@asynccontextmanager
async def server(*answers: bytes, pieces: int = 1) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers requests in turn, each in so many pieces; b"" hangs up. Gives its port and what was asked."""
    turn, asked = itertools.cycle(answers), list[bytes]()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            asked.append(head + await reader.readexactly(length))
            answer = next(turn)
            size = -(-len(answer) // pieces) or 1
            for start in range(0, len(answer), size):
                writer.write(answer[start : start + size])
                await writer.drain()
                await asyncio.sleep(0)
            if not answer:
                break
        writer.close()

    async def tolerant(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError):
            await serve(reader, writer)

    async with await asyncio.start_server(tolerant, HOST, 0) as listening:
        yield listening.sockets[0].getsockname()[1], asked
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


ASKED = [post("/a", b"{}", [("x-api-key", "k")]), post("/b", b"[]")]


@pytest.mark.parametrize("pieces", [1, 3, 60])
async def test_every_answer_is_counted_however_it_arrives(pieces: int) -> None:
    async with server(GOOD, BAD, FALLBACK, pieces=pieces) as (port, asked):
        lines = await connect(HOST, port, 2, refused=b"oops")
        load = await closed_loop(lines, itertools.cycle(ASKED), 0.1)
        for line in lines:
            line.close()
    assert len(load.latencies) + load.failed == len(asked) > 2
    assert abs(load.failed - 2 * len(load.latencies)) <= 2
    assert set(asked) == set(ASKED)
    assert (load.latencies > 0).all()


async def test_a_server_that_hangs_up_ends_the_load() -> None:
    async with server(b"") as (port, _):
        lines = await connect(HOST, port, 3)
        for _ in range(2):  # the second time they are gone before the first question
            load = await closed_loop(lines, itertools.cycle(ASKED), 60)
            assert (len(load.latencies), load.failed) == (0, 3)


def test_figures_of_several_turns() -> None:
    slow, fast = Load(np.array([0.004] * 10), 1, 1.0), Load(np.array([0.001] * 90), 0, 1.0)
    figures = side([slow, fast])
    assert (figures.per_second, figures.failed) == (50.0, 1)
    assert figures.p50_ms == pytest.approx(1.0)
    assert figures.p99_ms == pytest.approx(4.0)
    assert joined([slow, fast]).seconds == 2.0
    with pytest.raises(Unavailable):
        side([Load(np.empty(0), 3, 1.0)])
    assert [turns(seconds) for seconds in (0.1, 2, 20)] == [1, 1, 10]


def test_both_sides_are_asked_about_the_same_customers() -> None:
    named = names(4)
    ours, bare = requests_for("engine", named, ["web", "agent"]), requests_for("bare", named, ["web", "agent"])
    bodies = [msgspec.json.decode(request.partition(b"\r\n\r\n")[2]) for request in ours]
    assert [body["customerId"] for body in bodies] == named
    assert [body["channel"] for body in bodies] == ["web", "agent", "web", "agent"]
    assert all(name.encode() in request for name, request in zip(named, bare, strict=True))


def test_people_are_rows_and_the_same_for_the_same_seed() -> None:
    made = rows(500, 1_700_000_000_000)
    assert made.dtype == ROW
    assert set(made["version"].tolist()) == {VERSION}
    np.testing.assert_array_equal(made.view("u1"), rows(500, 1_700_000_000_000).view("u1"))


@pytest.mark.slow
def test_the_whole_benchmark_in_short() -> None:
    asked = {"--seconds": 2, "--connections": 4, "--customers": 200, "--rules": RULES}
    options = [str(part) for option in asked.items() for part in option]
    result = CliRunner().invoke(app, ["bench", "decisions", *options, "--json"])
    assert result.exit_code == 0, result.output
    printed = msgspec.json.decode(result.stdout)
    assert {"engine", "bare", "ratio", "connections", "machine"} <= set(printed)
    assert set(printed["engine"]) == {"perSecond", "p50Ms", "p99Ms", "failed"}
    assert printed["engine"]["perSecond"] > 0
    assert printed["bare"]["failed"] == 0
    assert printed["ratio"] == pytest.approx(printed["engine"]["perSecond"] / printed["bare"]["perSecond"])
