"""The learned counts of outcomes, polled from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from engine.ports.lesson_store import Lessons, LessonStore
from engine.process.periodic import every

LEARNED_EVERY_S = 0.4


class LearnedCounts:
    """``counts``: (offer, channel) -> (successes, failures), replaced whole; then `on_change` is awaited.

    Lessons of reporters whom nobody knows weigh `unsigned_weight`.
    """

    def __init__(self, store: LessonStore, unsigned_weight: float = 1.0) -> None:
        self._store, self._weight = store, unsigned_weight
        self._lessons: Mapping[tuple[str, str], Lessons] = {}
        self.on_change: Callable[[], Awaitable[None]] = _nothing
        self.counts: Mapping[tuple[str, str], tuple[float, float]] = {}

    def of_known_reporters(self, offer_id: str, channel: str) -> int:
        """How many trials of an offer on a channel somebody reported whom we know."""
        lessons = self._lessons.get((offer_id, channel), Lessons())
        return lessons.successes + lessons.failures

    async def refresh(self) -> None:
        """Read them now. Raises `Unavailable`."""
        lessons = await self._store.propensities()
        if lessons != self._lessons:
            self._lessons = lessons
            self.counts = {arm: _weighed(one, self._weight) for arm, one in lessons.items()}
            await self.on_change()

    async def follow(self, stop: asyncio.Event) -> None:
        """Poll until `stop`."""
        await every(LEARNED_EVERY_S, self.refresh, stop)


async def _nothing() -> None:
    """No listener yet."""


def _weighed(lessons: Lessons, weight: float) -> tuple[float, float]:
    return (
        lessons.successes + weight * lessons.unsigned_successes,
        lessons.failures + weight * lessons.unsigned_failures,
    )
