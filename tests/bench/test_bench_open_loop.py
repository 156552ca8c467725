"""Planned load against a server that obeys the test, and the whole measurement in short. No figure is asserted."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import BadSettings, Unavailable
from engine.local.loopback import HOST
from loadtest import open_loop
from loadtest.decisions_open import histogram, latency, turns
from loadtest.http_load import connect, post
from loadtest.open_loop import OpenLoad, OpenLoop, poisson, precise_loop

RULES = Path(__file__).parent.parent.parent / "rules"
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
BAD = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
ASKED = post("/", b"")


class Gate:
    """A server that answers as `answer` says, and not while it is shut."""

    def __init__(self, answer: Callable[[int], bytes] = lambda number: GOOD) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> int:
        """The port."""
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                await self.open.wait()
                writer.write(self._answer(self.asked))
                if not self._answer(self.asked):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def run(port: int, connections: int, planned: list[float]) -> OpenLoad:
    lines = await connect(HOST, port, connections)
    load = await OpenLoop(lines, itertools.repeat(ASKED), np.array(planned)).run()
    for line in lines:
        line.close()
    return load


async def test_everything_planned_is_asked_once() -> None:
    gate = Gate(lambda number: BAD if number % 4 == 0 else GOOD)
    async with gate as port:
        load = await run(port, 3, [0.0, 0.0, 0.001, 0.002, 0.002, 0.01, 0.02, 0.03])
    assert gate.asked == 8
    assert (len(load.latencies), load.failed) == (6, 2)


async def test_nothing_planned_ends_at_once() -> None:
    async with Gate() as port:
        load = await run(port, 2, [])
    assert (len(load.latencies), load.failed, load.late) == (0, 0, 0)


async def test_a_stall_is_counted_for_each_who_would_have_asked() -> None:
    """One connection, and a server that stands until all were due: the k-th has waited since its planned time,
    though it could be sent only when the one before was answered."""
    gate, planned, loop = Gate(), [0.0, 0.05, 0.1, 0.15, 0.2], asyncio.get_running_loop()
    gate.open.clear()
    async with gate as port:
        lines = await connect(HOST, port, 1)
        running = asyncio.ensure_future(OpenLoop(lines, itertools.repeat(ASKED), np.array(planned)).run())
        await asyncio.sleep(0)  # its time has begun
        loop.call_later(0.5, gate.open.set)
        load = await running
        lines[0].close()
    assert gate.asked == 5
    assert load.late >= 4
    for seen, at in zip(load.latencies, planned, strict=True):
        assert seen >= 0.5 - at


async def test_who_is_never_answered_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "PATIENCE_S", 0.1)
    gate = Gate()
    gate.open.clear()
    async with gate as port:
        load = await run(port, 2, [0.0, 0.0, 0.0])
        gate.open.set()
    assert (len(load.latencies), load.failed) == (0, 3)


async def test_a_server_that_hangs_up_on_all_ends_the_turn() -> None:
    async with Gate(lambda number: b"") as port:
        load = await run(port, 2, [0.0] * 5)
    assert (len(load.latencies), load.failed) == (0, 5)


def test_arrivals_are_as_many_as_wanted_and_their_gaps_exponential() -> None:
    planned = poisson(5_000, 20, np.random.default_rng(3))
    gaps = np.diff(planned)
    assert len(planned) == pytest.approx(100_000, rel=0.02)  # six standard deviations
    assert (gaps >= 0).all()
    assert planned[-1] < 20
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)
    assert np.mean(gaps > 1 / 5_000) == pytest.approx(np.exp(-1), abs=0.01)
    np.testing.assert_array_equal(planned, poisson(5_000, 20, np.random.default_rng(3)))


def test_the_loop_counts_less_than_milliseconds() -> None:
    async def selector() -> str:
        return type(asyncio.get_running_loop()._selector).__name__  # type: ignore[attr-defined]

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        assert runner.run(selector()) == "SelectSelector"


def test_figures_of_several_turns() -> None:
    loads = [OpenLoad(np.full(980, 0.001), 3, 2), OpenLoad(np.array([0.02] * 19 + [0.3]), 4, 5)]
    figures = latency(loads)
    assert (figures.requests, figures.failed, figures.late_starts) == (1_007, 7, 7)
    assert figures.p50_ms == pytest.approx(1.0, rel=0.001)
    assert figures.p99_ms == pytest.approx(20.0, rel=0.001)
    assert figures.p999_ms == pytest.approx(20.0, rel=0.001)
    with pytest.raises(Unavailable, match="none of 2"):
        latency([OpenLoad(np.empty(0), 2, 0)])
    assert [turns(seconds) for seconds in (0.1, 4, 20)] == [1, 1, 5]


def test_what_is_longer_than_the_histogram_counts_as_its_longest() -> None:
    assert latency([OpenLoad(np.array([1e-9, 1e9]), 0, 0)]).p999_ms == pytest.approx(60_000, rel=0.001)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hdrh.histogram", None)
    with pytest.raises(BadSettings, match="hdrhistogram"):
        histogram()


@pytest.mark.slow
def test_the_whole_measurement_in_short() -> None:
    asked = {"--seconds": 2, "--customers": 200, "--rules": RULES}
    options = [str(part) for option in asked.items() for part in option]
    result = CliRunner().invoke(app, ["bench", "decisions", "--open-loop", *options, "--json"])
    assert result.exit_code == 0, result.output
    printed = msgspec.json.decode(result.stdout)
    assert {"p50Ms", "p99Ms", "p999Ms", "failed", "lateStarts"} <= set(printed["engine"]) == set(printed["bare"])
    assert printed["perSecond"] == pytest.approx(printed["barePeakPerSecond"] / 2, rel=0.01)
    assert printed["engine"]["requests"] == printed["bare"]["requests"] > 0
    assert printed["p99Ratio"] == pytest.approx(printed["engine"]["p99Ms"] / printed["bare"]["p99Ms"], rel=0.01)
