"""State that is not shown until a store that came back older holds again what it held.

A Redis that lost its end, or everything, answers at once, and what it answers looks like customers who never came.
What was counted tells: until the workers have settled again as many records as were seen settled before, rows are
not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.errors import Unavailable
from engine.events import Outcome
from engine.ports import DecisionStore, Reservation, View

STALLED_S = 30.0  # nobody applies anything: no worker is there, and what is there is all there will be
AT_MOST_S = 600.0  # Kafka lost records as well: they are never counted again
BEHIND = "Redis came back older than it was: what it lost is being applied again"


class StalenessDetector:
    """Looked at now and then, it knows whether the store is behind itself. ``now`` is in seconds of any clock
    that only goes on."""

    def __init__(self) -> None:
        self.behind = False
        self.connection = 0  # the last that was looked at
        self._held: Sequence[int] = ()
        self._suspect = False
        self._began = self._moved = 0.0
        self._sum = -1

    def look(self, connection: int, settled: Sequence[int], now: float) -> None:
        """`settled` of all partitions was read over `connection`: only a new one can have lost something."""
        if connection != self.connection:
            self.connection, self._suspect, self._began, self._sum = connection, True, now, -1
        if self._suspect and sum(settled) != self._sum:
            self._sum, self._moved = sum(settled), now
        lacking = any(count < held for count, held in zip(settled, self._held, strict=False))
        self._suspect = self._suspect and lacking and now - self._began < AT_MOST_S
        self.behind = self._suspect and now - self._moved < STALLED_S
        if not self._suspect:
            self._held = settled


class CommitProgress(Protocol):
    """What of the store tells how far the workers are."""

    @property
    def connections(self) -> int:
        """How often a connection was made."""

    async def settled(self) -> list[int]:
        """How many records of each partition were settled."""


class StalenessGuard:
    """`store` (`engine.ports.DecisionStore`), whose rows are `Unavailable` while its `progress` is behind.
    ``behind`` says so too. `now` is in seconds of a clock that only goes on."""

    def __init__(self, store: DecisionStore, progress: CommitProgress, now: Callable[[], float]) -> None:
        self._store = store
        self._progress = progress
        self._detector = StalenessDetector()
        self._now = now

    @property
    def behind(self) -> bool:
        """Whether the store lacks what it held before."""
        return self._detector.behind

    async def look(self) -> None:
        """See how far the store is; to be called now and then. Raises `Unavailable`."""
        settled = await self._progress.settled()
        self._detector.look(self._progress.connections, settled, self._now())

    async def views(self, customers: Sequence[str]) -> list[View]:
        """As the store's. Raises `Unavailable` also while it is behind."""
        found = await self._store.views(customers)
        while self._progress.connections != self._detector.connection:
            await self.look()
            found = await self._store.views(customers)  # those before were read over who knows which
        if self._detector.behind:
            raise Unavailable(BEHIND)
        return found

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[bool]]:
        """As the store's."""
        return await self._store.reserve(reservations)

    async def decision(self, decision_id: str) -> bytes | None:
        """As the store's."""
        return await self._store.decision(decision_id)

    async def learn(self, outcome: Outcome, success: bool | None) -> bool:
        """As the store's."""
        return await self._store.learn(outcome, success)

    async def propensities(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """As the store's."""
        return await self._store.propensities()
