"""Event streams outlive the request that opened them: they end when their key or token does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.clock import wall_ms
from engine.web.auth.principal import Principal
from engine.web.push.fan_out import CueFeed

EVERY_S = 1.0
AT_ONCE = 500  # streams looked at between two yields to the event loop: half a millisecond
LAST_FRAME = b": the key or token that opened this is not valid any more\n\n"


class Revocation:
    """Looks at all streams of `feed` every second; `is_valid` says whether a caller would be let in at a time
    (epoch ms)."""

    def __init__(self, feed: CueFeed, is_valid: Callable[[Principal, int], bool]) -> None:
        self._feed = feed
        self._is_valid = is_valid
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._looking = asyncio.create_task(self._look_on(), name="revocation")

    async def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def look(self, now: int) -> None:
        """End the streams of callers who would not be let in at `now`."""
        for number, listener in enumerate(self._feed.listeners(), 1):
            if not self._is_valid(listener.caller, now):
                listener.close(LAST_FRAME)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.look(wall_ms())
