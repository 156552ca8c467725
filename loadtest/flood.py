"""Planned load at rates that an event loop in Python cannot make: bare sockets and epoll, in its own process.

``python -m loadtest.flood`` reads a `Flood` (MessagePack) and writes what came of it (`Tally`). The plan does
not wait for the server: a request whose time has come leaves on a free connection. When none is free it is not
sent: a line of those who wait here would delay whoever came after them.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import itertools
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np

from engine.errors import Unavailable
from loadtest.open_loop import poisson

CONNECT_WITHIN_S = 10.0
#: How long the last answers are waited for.
PATIENCE_S = 3.0
CHUNK = 65_536
#: How often is looked what is due and what was answered. Each answer would wake one that waits in the kernel, in
#: the server's own time; one that never waits slows a server whose processor shares a core with its own.
LOOK_EVERY_S = 0.0002


class Flood(msgspec.Struct, frozen=True):
    """What to send: `requests` in turn, `per_second` of them (Poisson) for `seconds`, over so many connections; an
    answer later than `late_s` after its planned departure is late. ``fallback`` is how one ends that was not
    decided on the customer's state. ``core``: the processor to stay on; -1: any."""

    host: str
    port: int
    requests: list[bytes]
    connections: int
    per_second: float
    seconds: float
    late_s: float
    fallback: bytes
    core: int
    seed: int


class Tally(msgspec.Struct):
    """What became of the requests that were planned. Good, fallbacks and refused came in time; ``late`` are
    answers of any kind that did not, ``unsent`` requests that found no connection free, ``failed`` other answers,
    and none."""

    planned: int = 0
    good: int = 0
    refused: int = 0
    fallbacks: int = 0
    late: int = 0
    unsent: int = 0
    failed: int = 0


class Generator:
    """One run of a flood."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._tally = Tally()
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._sent_for: dict[int, float] = {}  # the planned departures of those in flight
        self._partial: dict[int, bytes] = {}
        self._free: deque[int] = deque()
        for _ in range(flood.connections):
            self._connect()

    def run(self) -> Tally:
        """Send what is planned, and wait for the answers."""
        flood = self._flood
        planned = poisson(flood.per_second, flood.seconds, np.random.default_rng(flood.seed)).tolist()
        self._tally.planned = len(planned)
        start = time.perf_counter()
        self._send_all(planned, start)
        until = time.perf_counter() + PATIENCE_S
        while self._sent_for and time.perf_counter() < until:
            self._receive(0.01, start)
        self._tally.failed += len(self._sent_for)
        return self._tally

    def _send_all(self, planned: Sequence[float], start: float) -> None:
        requests, due = itertools.cycle(self._flood.requests), 0
        while due < len(planned):
            come = bisect.bisect_right(planned, time.perf_counter() - start, due)
            leave = due + min(come - due, len(self._free))
            for moment in planned[due:leave]:
                self._send(self._free.popleft(), next(requests), moment)
            # nobody is asked to stand in a line here, which would delay all others
            self._tally.unsent += come - leave
            due = come
            time.sleep(LOOK_EVERY_S)
            self._receive(0.0, start)

    def _send(self, line: int, request: bytes, planned: float) -> None:
        try:
            self._sockets[line].send(request)
        except OSError:
            self._lost(line)
            self._tally.failed += 1
            return
        self._sent_for[line] = planned

    def _receive(self, wait: float, start: float) -> None:
        for line, _ in self._poll.poll(wait):
            try:
                content = self._sockets[line].recv(CHUNK)
            except OSError:
                content = b""
            if not content:
                self._tally.failed += line in self._sent_for
                self._lost(line)
                continue
            if line in self._partial:
                content = self._partial.pop(line) + content
            if len(content) < _length(content):
                self._partial[line] = content
                continue
            planned = self._sent_for.pop(line, None)
            self._free.append(line)
            if planned is not None:
                self._count(content, time.perf_counter() - start - planned)

    def _count(self, answer: bytes, took: float) -> None:
        tally, status = self._tally, answer[9:12]
        if status not in (b"200", b"503"):
            tally.failed += 1
        elif took > self._flood.late_s:
            tally.late += 1
        elif status == b"503":
            tally.refused += 1
        elif answer.endswith(self._flood.fallback):
            tally.fallbacks += 1
        else:
            tally.good += 1

    def _connect(self) -> None:
        made = socket.create_connection((self._flood.host, self._flood.port), CONNECT_WITHIN_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        self._sockets[made.fileno()] = made
        self._poll.register(made.fileno(), select.EPOLLIN)
        self._free.append(made.fileno())

    def _lost(self, line: int) -> None:
        """The server closed a connection: another takes its place."""
        self._sent_for.pop(line, None)
        self._partial.pop(line, None)
        if line in self._free:
            self._free.remove(line)
        self._poll.unregister(line)
        self._sockets.pop(line).close()
        with contextlib.suppress(OSError):  # fewer are left
            self._connect()


def _length(answer: bytes) -> int:
    """Bytes of the answer; more than there are while its head is incomplete."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return len(answer) + 1
    at = answer.find(b"content-length:", 0, head)
    return head + 4 + (int(answer[at + 15 : answer.find(b"\r\n", at)]) if at >= 0 else 0)


async def flooded(flood: Flood) -> Tally:
    """What comes of `flood`, sent by another process. Raises `Unavailable` when that fails."""
    command = [sys.executable, "-m", __name__]
    child = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        written, said = await child.communicate(msgspec.msgpack.encode(flood))
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise Unavailable(f"the load generator failed:\n{said.decode(errors='replace')[-1_000:]}")
    return msgspec.msgpack.decode(written, type=Tally)


def main() -> None:
    """Run the flood that standard input describes."""
    flood = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Flood)
    if flood.core >= 0:
        os.sched_setaffinity(0, {flood.core})
    sys.stdout.buffer.write(msgspec.msgpack.encode(Generator(flood).run()))


if __name__ == "__main__":
    main()
