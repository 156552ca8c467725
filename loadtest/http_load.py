"""HTTP load that costs little itself: prebuilt requests on kept-alive connections, answers delimited by
their ``content-length`` alone, so that a generator sharing the machine takes little from the server.

It is a closed loop: each connection asks again as soon as it is answered. That finds the highest rate; while
the server stalls nobody asks, so the latencies show a stall once for each connection and no more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray


class Load(msgspec.Struct, frozen=True, eq=False):
    """What was seen: ``latencies`` in seconds, one for each good answer, ``failed`` the other answers,
    ``seconds`` from the first request to the last answer. Good is a 200 without the connection's `refused`."""

    latencies: NDArray[np.float64]
    failed: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return len(self.latencies) / self.seconds

    def quantile_ms(self, q: float) -> float:
        """A quantile (0..1) of the latencies in milliseconds; NaN without any."""
        return float(np.quantile(self.latencies, q) * 1_000) if len(self.latencies) else float("nan")


def post(path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A POST of JSON as it goes over the wire."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def joined(loads: Sequence[Load]) -> Load:
    """Several slices as one."""
    latencies = np.concatenate([load.latencies for load in loads]) if loads else np.empty(0)
    return Load(latencies, sum(load.failed for load in loads), sum(load.seconds for load in loads))


class HttpConnection(asyncio.Protocol):
    """One connection with one request in flight. `answered` is called for each answer with whether it was
    good: its status 200, and `refused` (bytes; empty for none) not at its end."""

    def __init__(self, refused: bytes = b"") -> None:
        self._refused = refused
        self.answered: Callable[[HttpConnection, bool], None] = _nobody
        self.asked_at = 0.0
        self._busy = False
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    @property
    def connected(self) -> bool:
        """Whether the server is still there."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by class

    def ask(self, request: bytes) -> None:
        """Send `request`; its latency counts from now (`asked_at`, of `time.perf_counter`)."""
        assert self._transport is not None
        self.asked_at, self._busy = time.perf_counter(), True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = _end(buffer)
        if end == 0 or len(buffer) < end:
            self._buffer = buffer
            return
        self._buffer, self._busy = buffer[end:], False
        good = buffer[9:12] == b"200" and not (self._refused and buffer.endswith(self._refused, 0, end))
        self.answered(self, good)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._busy:
            self._busy = False
            self.answered(self, False)

    def close(self) -> None:
        """Close it."""
        self.answered = _nobody
        if self._transport is not None:
            self._transport.close()


async def connect(host: str, port: int, connections: int, refused: bytes = b"") -> list[HttpConnection]:
    """Open `connections` of them. Raises OSError when nobody listens."""
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: HttpConnection(refused), host, port) for _ in range(connections)
    ]
    return [connection for _, connection in opened]


async def closed_loop(connections: Sequence[HttpConnection], requests: Iterator[bytes], seconds: float) -> Load:
    """Each connection asks, one request after the other, for `seconds`, or until there are no more `requests` or
    the server closes it; one that was closed before has failed once. The last answer ends it."""
    latencies: list[float] = []
    start = time.perf_counter()
    until, failed, busy = start + seconds, 0, len(connections)
    finished = asyncio.get_running_loop().create_future()

    def answered(connection: HttpConnection, good: bool) -> None:
        nonlocal failed
        now = time.perf_counter()
        if good:
            latencies.append(now - connection.asked_at)
        else:
            failed += 1
        if not (now < until and ask(connection)):
            leave(now)

    def ask(connection: HttpConnection) -> bool:
        request = next(requests, None) if connection.connected else None
        if request is not None:
            connection.ask(request)
        return request is not None

    def leave(now: float) -> None:
        nonlocal busy
        busy -= 1
        if busy == 0 and not finished.done():
            finished.set_result(now)

    for connection in connections:
        connection.answered = answered
        if not connection.connected:
            answered(connection, False)
        elif not ask(connection):
            leave(start)
    ended = await finished
    return Load(np.array(latencies), failed, ended - start)


def _nobody(connection: HttpConnection, good: bool) -> None:
    """No listener."""


def _end(buffer: bytes) -> int:
    """Where the first answer in `buffer` ends; 0 while its head is not complete."""
    head = buffer.find(b"\r\n\r\n")
    if head < 0:
        return 0
    at = buffer.find(b"content-length:", 0, head)
    if at < 0:
        at = buffer[:head].lower().find(b"content-length:")
    if at < 0:
        return head + 4
    return head + 4 + int(buffer[at + 15 : buffer.find(b"\r\n", at)])
