"""Liveness of a service, probed periodically so that a health check need not wait for it, and of a loop."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from engine.errors import Unavailable


class Heartbeat:
    """When a service last answered; `ping` raises `Unavailable` when it does not in time. ``fault`` is the last
    error, empty while it answers."""

    def __init__(self, ping: Callable[[], Awaitable[None]]) -> None:
        self._ping = ping
        self._answered = time.monotonic()
        self.fault = ""

    async def beat(self) -> None:
        """Probe now. Raises `Unavailable`."""
        try:
            await self._ping()
        except Unavailable as error:
            self.fault = str(error)
            raise
        self._answered, self.fault = time.monotonic(), ""

    @property
    def seconds_ago(self) -> float:
        """Seconds since the last answer."""
        return time.monotonic() - self._answered


class LoopLiveness:
    """When a loop, which calls it, last completed an iteration."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def __call__(self) -> None:
        self._at = time.monotonic()

    @property
    def seconds_ago(self) -> float:
        """Seconds since the last iteration."""
        return time.monotonic() - self._at
