"""Keeps a replay's clock set although the store may lose it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.errors import Unavailable
from engine.ports.clock import ClockAnchor
from engine.replay.run import SetClock

AGAIN_EVERY_S = 0.25


class ClockKeeper:
    """The engine's clock, set by `set_clock`: the last anchor is set again periodically while it is kept."""

    def __init__(self, set_clock: SetClock) -> None:
        self._set_clock = set_clock
        self._anchor: ClockAnchor | None = None

    async def set(self, anchor: ClockAnchor | None) -> None:
        """Set it (None: to the wall's time). Raises `Unavailable`."""
        self._anchor = anchor
        await self._set_clock(anchor)

    async def keep(self) -> None:
        """Set it periodically until cancelled, also across outages of the store."""
        while True:
            await asyncio.sleep(AGAIN_EVERY_S)
            if self._anchor is not None:
                with contextlib.suppress(Unavailable):
                    await self._set_clock(self._anchor)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep it while ``async with`` lasts."""
        task = asyncio.create_task(self.keep(), name="replay clock")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
