"""The learned counts of outcomes, polled from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from engine.ports.store import DecisionStore
from engine.process.periodic import every

LEARNED_EVERY_S = 0.4


class LearnedCounts:
    """``counts``: (offer, channel) -> (successes, failures), replaced whole; then `on_change` is awaited."""

    def __init__(self, store: DecisionStore) -> None:
        self._store = store
        self.on_change: Callable[[], Awaitable[None]] = _nothing
        self.counts: Mapping[tuple[str, str], tuple[int, int]] = {}

    async def refresh(self) -> None:
        """Read them now. Raises `Unavailable`."""
        counts = await self._store.propensities()
        if counts != self.counts:
            self.counts = counts
            await self.on_change()

    async def follow(self, stop: asyncio.Event) -> None:
        """Poll until `stop`."""
        await every(LEARNED_EVERY_S, self.refresh, stop)


async def _nothing() -> None:
    """No listener yet."""
