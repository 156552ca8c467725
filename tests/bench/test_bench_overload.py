"""The load generator against a server of a few lines, and the whole benchmark in short. No figure is asserted."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import Unavailable
from engine.local.loopback import HOST
from engine.rulebook.directory import load
from loadtest.flood import Flood, Tally, flooded
from loadtest.http_load import post
from loadtest.many_rules import write_rules
from loadtest.overload import peak_of, resident_mb, sum_of
from loadtest.processors import processors

RULES = Path(__file__).parent.parent.parent / "rules"
GOOD = b'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{"a"}'
FALLBACK = b'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{"f"}'
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
BAD = b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"
ASKED = [post("/a", b"{}"), post("/b", b"[1]")]


@asynccontextmanager
async def server(answer: Callable[[int], bytes], delay_s: float = 0.0) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers the n-th request by `answer`, in two pieces; b"" hangs up. Gives its port and what was asked."""
    asked: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                asked.append(head + await reader.readexactly(length))
                said = answer(len(asked))
                await asyncio.sleep(delay_s)
                for part in (said[:7], said[7:]):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                if not said:
                    break
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as listening:
        yield listening.sockets[0].getsockname()[1], asked
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def flood(port: int, **more: object) -> Flood:
    plan = Flood(HOST, port, ASKED, 4, 200.0, 0.5, 60.0, b'{"f"}', -1, 1)
    return msgspec.structs.replace(plan, **more)


async def test_every_request_that_was_planned_is_counted_once() -> None:
    async with server(lambda number: (GOOD, FALLBACK, BUSY, BAD)[number % 4]) as (port, asked):
        tally = await flooded(flood(port))
    sent = len(asked)
    assert tally.planned == tally.good + tally.fallbacks + tally.refused + tally.failed + tally.late + tally.unsent
    assert tally.unsent == tally.planned - sent  # no connection was free
    assert [tally.good, tally.fallbacks, tally.refused, tally.failed] == [
        len([number for number in range(1, sent + 1) if number % 4 == kind]) for kind in range(4)
    ]
    assert set(asked) == set(ASKED)


async def test_an_answer_after_its_time_is_late_whatever_it_is() -> None:
    async with server(lambda number: (GOOD, BUSY)[number % 2], delay_s=0.05) as (port, _):
        tally = await flooded(flood(port, late_s=0.01, per_second=20.0))
    assert (tally.good, tally.refused, tally.fallbacks) == (0, 0, 0)
    assert tally.late + tally.unsent == tally.planned
    assert tally.late > 0


async def test_the_plan_does_not_wait_for_the_server() -> None:
    """One connection, an answer that never comes: everybody else finds none free."""
    async with server(lambda number: GOOD, delay_s=60.0) as (port, asked):
        tally = await flooded(flood(port, connections=1))
    assert (len(asked), tally.failed, tally.unsent) == (1, 1, tally.planned - 1)


async def test_a_connection_that_is_hung_up_is_made_anew() -> None:
    async with server(lambda number: b"" if number % 2 else GOOD) as (port, asked):
        tally = await flooded(flood(port))
    assert tally.failed >= len(asked) // 2
    assert tally.good > 0


async def test_a_generator_that_fails_says_why() -> None:
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        await flooded(flood(1))


def test_the_peak_is_the_most_that_was_good_at_one_rate() -> None:
    below, at, above = Tally(planned=1_000, good=1_000), Tally(planned=2_000, good=1_900), Tally(4_000, 1_899)
    assert peak_of([below, at, above], 2.0) == 950.0
    with pytest.raises(Unavailable):
        peak_of([Tally(planned=5)], 1.0)


def test_what_became_of_requests_is_added_by_kind() -> None:
    one, other = Tally(1, 2, 3, 4, 5, 6, 7), Tally(10, 20, 30, 40, 50, 60, 70)
    assert sum_of(one, other) == Tally(11, 22, 33, 44, 55, 66, 77)


def test_the_rules_that_are_swapped_in_compile(tmp_path: Path) -> None:
    revisions = set()
    for value in (10.0, 20.0):
        write_rules(tmp_path, 501, value)
        rulebook = load(tmp_path)
        revisions.add(rulebook.revision)
        assert (len(rulebook.indicators), len(rulebook.offers)) == (501, 501)
    assert len(revisions) == 2


def test_memory_of_a_process_is_in_megabytes() -> None:
    assert 10 < resident_mb(os.getpid()) < 10_000
    assert set(processors()) == os.sched_getaffinity(0)


@pytest.mark.slow
def test_the_whole_benchmark_in_short() -> None:
    cores = os.sched_getaffinity(0)
    asked = {"--seconds": 1, "--connections": 20, "--customers": 200, "--swapped-rules": 20, "--rules": RULES}
    options = [str(part) for option in asked.items() for part in option]
    result = CliRunner().invoke(app, ["bench", "overload", *options, "--json"])
    assert result.exit_code == 0, result.output
    printed = msgspec.json.decode(result.stdout)
    assert {"seconds", "peakPerSecond", "goodputAtFiveTimes", "refused", "late", "fallbacks"} <= set(printed)
    assert {"probeMaxMs", "rssGrowthMb", "swapStallMaxMs", "quietStallMaxMs"} <= set(printed)
    assert printed["peakPerSecond"] > 0
    assert printed["probeMaxMs"] > 0
    assert printed["offeredPerSecond"] >= 4 * printed["peakPerSecond"]
    assert os.sched_getaffinity(0) == cores
