"""Refuses decisions that cannot be made in time: early, before they are parsed, so that refusing costs little.

While the event loop keeps up, every place of their bulkhead may be taken. While it lags, no more are let in at
once than are answered within half of their deadline at the rate at which they are answered now (Little's
law: L = rate x wait; J. Little, Operations Research 9, 1961), since a request waits in its socket and for its
turn, too. A slow Redis makes the loop wait and not lag, and is not what is dealt with here.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from engine.web.server.bulkheads import LEAST, Bulkhead

LOOK_EVERY_S = 0.05
LAG_S = 0.003
SHARE_OF_DEADLINE = 0.5
GROWTH = 1.1  # of the limit, at each look without lag
SHRINKING = 0.6  # of it, at the most: before a flood few were answered because few asked
SMOOTHING = 0.3  # of the newest rate in the mean

REFUSAL_BODY = (
    b'{"title":"Overloaded","status":503,"detail":"more requests than can be answered in time",'
    b'"code":"overloaded"}'
)
#: Of any site: it says nothing of anybody, and a script must see that it is to come back.
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n"
    b"access-control-allow-origin: *\r\naccess-control-expose-headers: retry-after\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(REFUSAL_BODY), REFUSAL_BODY)
)

REST_S = 0.05
WAKE_TOGETHER_S = 0.002

_LONGEST_LINE = 64
_LONGEST_HEAD = 4_096
_FRAMING = re.compile(
    rb"\r\n(?:content-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)"
    rb"|((?:transfer-encoding|expect|content-length)[ \t]*:|connection:[^\r\n]*close))",
    re.IGNORECASE,
)


class RefusedClient(Protocol):
    """The connection that a request came on."""

    def refuse(self, answer: bytes) -> None:
        """Send `answer` at once. What it asks from now on waits."""

    def go_on(self) -> None:
        """Take up what it has asked meanwhile."""


class EarlyRefusal:
    """Where requests are turned away that find no place. `by_line`: whose places a request takes, by what its
    first line says, such as ``POST /v1/decisions``.

    A refusal is sent in the next turn of the event loop, and says when to come back. What a client asks again at
    once waits for `REST_S`: of five times the load most are refusals, and each takes up to a fifth of a decision's
    time (15 of 73 µs, while reading was paused and resumed for each). One that heeds `Retry-After` never notices.
    """

    def __init__(self, by_line: Mapping[bytes, Bulkhead]) -> None:
        self._by_line = by_line
        self._refused: list[RefusedClient] = []
        self._resting: deque[tuple[float, list[RefusedClient]]] = deque()  # until when, the earliest first

    def turn_away(self, content: bytes, connection: RefusedClient) -> bool:
        """Refuse `content`, read where a request begins, if it is exactly one request for a bulkhead without a
        place. One that is not yet whole, or that more follows, goes the long way."""
        end = content.find(b" HTTP/1.1\r\n", 0, _LONGEST_LINE)
        bulkhead = self._by_line.get(content[:end]) if end > 0 else None
        if bulkhead is None:
            return False
        if not bulkhead.full:
            bulkhead.arrive()
            return False
        end = content.find(b"\r\n\r\n", end, _LONGEST_HEAD)
        if end < 0 or request_size(content[:end]) != len(content):
            return False
        self.refuse(bulkhead, connection)
        return True

    def refuse(self, bulkhead: Bulkhead, connection: RefusedClient) -> None:
        """Refuse the request that has come on `connection`, where no answer is on its way."""
        bulkhead.turned_away += 1
        if not self._refused:
            asyncio.get_running_loop().call_soon(self._send)
        self._refused.append(connection)

    def _send(self) -> None:
        refused, self._refused = self._refused, []
        for connection in refused:
            connection.refuse(REFUSAL)
        loop = asyncio.get_running_loop()
        if not self._resting:
            loop.call_later(REST_S, self._wake)
        self._resting.append((loop.time() + REST_S, refused))

    def _wake(self) -> None:
        loop = asyncio.get_running_loop()
        while self._resting and self._resting[0][0] <= loop.time() + WAKE_TOGETHER_S:
            for connection in self._resting.popleft()[1]:
                connection.go_on()
        if self._resting:
            loop.call_at(self._resting[0][0], self._wake)


def request_size(head: bytes) -> int:
    """Bytes of a request by its head (without the empty line that ends it); -1 unless a length is stated, once,
    and nothing else says how long the body is, that the sender waits before it sends it, or that the connection is
    to close, whose end some wait for."""
    stated = _FRAMING.findall(head + b"\r\n")
    if len(stated) != 1 or stated[0][1]:
        return -1
    return len(head) + 4 + int(stated[0][0])


class LoadShedding:
    """Looks every `LOOK_EVERY_S` at the lag of the event loop, and limits `bulkhead`, whose requests are to be
    answered within `deadline_s`."""

    def __init__(self, bulkhead: Bulkhead, deadline_s: float) -> None:
        self._bulkhead = bulkhead
        self._wait_s = deadline_s * SHARE_OF_DEADLINE
        self._rate = 0.0  # answers a second
        self._answered = bulkhead.answered
        self._looked = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, _: object = None) -> None:
        """Begin to look."""
        loop = asyncio.get_running_loop()
        self._looked = loop.time()
        self._look_later(loop)

    async def stop(self, _: object = None) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def observe(self, lag_s: float, seconds: float) -> None:
        """The loop came `lag_s` later than it was to, `seconds` after it last came."""
        bulkhead = self._bulkhead
        rate, self._answered = (bulkhead.answered - self._answered) / seconds, bulkhead.answered
        if rate > self._rate or lag_s > LAG_S:  # when few ask, few answers say nothing of how many there could be
            self._rate += SMOOTHING * (rate - self._rate)
        if lag_s <= LAG_S:
            bulkhead.allow(round(bulkhead.allowed * GROWTH))
        elif bulkhead.wanted >= LEAST:  # else something else held the loop up
            bulkhead.allow(max(round(self._rate * self._wait_s), round(bulkhead.allowed * SHRINKING)))

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(LOOK_EVERY_S, self._look, loop, loop.time() + LOOK_EVERY_S)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self.observe(now - due, max(now - self._looked, LOOK_EVERY_S))
        self._looked = now
        self._look_later(loop)
