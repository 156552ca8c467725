"""When requests are late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec

from engine.decisions.request import DecisionRequest

#: A timer may ring so much early: uvloop counts whole milliseconds.
EARLY_S = 0.0005


class PendingRequest(msgspec.Struct, frozen=True, eq=False):
    """A request, the future of its answer, when it came and when it is late (`time.perf_counter`)."""

    request: DecisionRequest
    answer: asyncio.Future[bytes]
    since: float
    due: float


class Deadlines:
    """Calls `late` with the requests that are late. Belongs to one event loop.

    One timer, set for the first of them, serves all: a timer each took 5 µs of a decision's 125.
    """

    def __init__(self, late: Callable[[Sequence[PendingRequest]], None]) -> None:
        self._late = late
        self._pending: set[PendingRequest] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._rings = 0.0  # when the timer does

    def add(self, asked: PendingRequest) -> None:
        """`asked` waits for its answer."""
        self._pending.add(asked)
        if self._timer is None or asked.due < self._rings:
            self._set(asked.due)

    def remove(self, asked: PendingRequest) -> None:
        """`asked` waits no longer. The timer stays as it is: it mostly rings for nobody, once in a deadline."""
        self._pending.discard(asked)

    def _set(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = due
        self._timer = asyncio.get_running_loop().call_later(max(due - time.perf_counter(), 0.0), self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = time.perf_counter() + EARLY_S
        late = [asked for asked in self._pending if asked.due <= now]
        self._pending.difference_update(late)
        if self._pending:
            self._set(min(asked.due for asked in self._pending))
        if late:
            self._late(late)
