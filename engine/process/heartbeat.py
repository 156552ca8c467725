"""Signs of life: of the store, asked now and then so that a probe need not wait for it, and of a loop."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable


class Heartbeat:
    """When the store last answered; `ping` raises `Unavailable` when it does not in time."""

    def __init__(self, ping: Callable[[], Awaitable[None]]) -> None:
        self._ping = ping
        self._answered = time.monotonic()

    async def beat(self) -> None:
        """Ask now. Raises `Unavailable`."""
        await self._ping()
        self._answered = time.monotonic()

    @property
    def seconds_ago(self) -> float:
        """Seconds since the last answer."""
        return time.monotonic() - self._answered


class LoopLiveness:
    """When a loop, which calls it, last turned."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def __call__(self) -> None:
        self._at = time.monotonic()

    @property
    def seconds_ago(self) -> float:
        """Seconds since."""
        return time.monotonic() - self._at
