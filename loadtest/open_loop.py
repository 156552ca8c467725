"""HTTP load that is planned beforehand: requests leave when they were planned to, answered or not.

A closed loop stops asking while the server stalls, and so hides the stall from its own quantiles ("coordinated
omission": Gil Tene, "How NOT to Measure Latency"). Here each latency counts from the moment at which its
request was *planned* to leave, also when it had to wait for a free connection.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadtest.http_load import HttpConnection

#: One that left this much after its plan is counted as late: no connection was free, or the generator was busy.
LATE_S = 0.001
#: How long the last answers are waited for.
PATIENCE_S = 10.0


class OpenLoad(msgspec.Struct, frozen=True, eq=False):
    """What was seen: ``latencies`` (s) of good answers, ``failed`` the other requests, unanswered ones too,
    ``late`` those that left late."""

    latencies: NDArray[np.float64]
    failed: int
    late: int


def precise_loop() -> asyncio.AbstractEventLoop:
    """An event loop that wakes within some 0.1 ms of the time asked for: epoll, and uvloop with it, count whole
    milliseconds, longer than most answers take."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def poisson(per_second: float, seconds: float, chance: np.random.Generator) -> NDArray[np.float64]:
    """When requests are to leave (s from the start, ascending) as independent callers send them:
    exponential gaps of mean 1 / `per_second`, up to `seconds`."""
    expected = per_second * seconds
    gaps = chance.exponential(1 / per_second, int(expected + 10 * np.sqrt(expected) + 10))
    planned = np.cumsum(gaps)
    return planned[planned < seconds]


class OpenLoop:
    """One turn of load over `connections` (each with one request in flight), `planned` as `poisson` gives it."""

    def __init__(
        self, connections: Sequence[HttpConnection], requests: Iterator[bytes], planned: NDArray[np.float64]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._free = deque(connection for connection in connections if connection.connected)
        self._requests = requests
        self._planned = planned.tolist()
        self._due = 0  # how many of `planned` have come
        self._waiting: deque[float] = deque()  # for a free connection
        self._in_flight: dict[HttpConnection, float] = {}
        self._latencies: list[float] = []
        self._failed = self._late = 0
        self._finished = asyncio.Event()
        self._start = 0.0
        for connection in connections:
            connection.answered = self._answered

    async def run(self) -> OpenLoad:
        """Send what is planned; returns after the last answer, or `PATIENCE_S` after the last request."""
        self._start = self._loop.time()
        self._tick()
        last = self._planned[-1] if self._planned else 0.0
        try:
            async with asyncio.timeout_at(self._start + last + PATIENCE_S):
                await self._finished.wait()
        except TimeoutError:
            self._failed += len(self._waiting) + len(self._in_flight)
        return OpenLoad(np.array(self._latencies), self._failed, self._late)

    def _tick(self) -> None:
        """Send what is due, and schedule the next."""
        now = self._loop.time() - self._start
        while self._due < len(self._planned) and self._planned[self._due] <= now:
            self._waiting.append(self._planned[self._due])
            self._due += 1
        self._send()
        if self._due < len(self._planned):
            self._loop.call_at(self._start + self._planned[self._due], self._tick)

    def _send(self) -> None:
        while self._waiting and self._free:
            connection = self._free.popleft()
            if not connection.connected:
                continue
            planned = self._waiting.popleft()
            self._late += self._loop.time() - self._start - planned > LATE_S
            self._in_flight[connection] = planned
            connection.ask(next(self._requests))
        self._end_when_done()

    def _answered(self, connection: HttpConnection, good: bool) -> None:
        planned = self._in_flight.pop(connection, None)
        if planned is None:
            return
        if good:
            self._latencies.append(self._loop.time() - self._start - planned)
        else:
            self._failed += 1
        if connection.connected:
            self._free.append(connection)
        self._send()

    def _end_when_done(self) -> None:
        nobody = not self._free and not self._in_flight  # every connection was closed
        if self._due == len(self._planned) and not self._in_flight and (nobody or not self._waiting):
            self._failed += len(self._waiting)
            self._waiting.clear()
            self._finished.set()
