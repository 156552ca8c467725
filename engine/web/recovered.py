"""State that is not shown until a store that came back older holds again what it held.

A Redis that lost its end, or everything, answers at once, and what it answers looks like customers who never came.
The offsets tell: until the workers have applied again as much as was seen applied before, rows are not there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.errors import Unavailable
from engine.events import Outcome
from engine.ports import DecisionStore, Position, Reservation, View

STALLED_S = 10.0  # nobody applies anything: what is there is all there will be
AT_MOST_S = 600.0  # a log that was lost as well never reaches the old offsets
BEHIND = "Redis came back older than it was: what it lost is being applied again"


class Recovery:
    """Looked at now and then, it knows whether the store is behind itself. ``now`` is in seconds of any clock
    that only goes on."""

    def __init__(self) -> None:
        self.behind = False
        self.connection = 0  # the last that was looked at
        self._held: Sequence[int] = ()
        self._began = self._moved = 0.0
        self._applied = 0

    def look(self, connection: int, offsets: Sequence[int], now: float) -> None:
        """`offsets` of all partitions were read over `connection`: only a new one can have lost something."""
        if connection != self.connection:
            self.connection = connection
            self._began = self._moved = now
            self.behind = True  # perhaps
        if not self.behind:
            self._held = offsets
            return
        if sum(offsets) != self._applied:
            self._applied, self._moved = sum(offsets), now
        lacking = any(offset < held for offset, held in zip(offsets, self._held, strict=False))
        self.behind = lacking and now - self._moved < STALLED_S and now - self._began < AT_MOST_S
        if not self.behind:
            self._held = offsets


class Offsets(Protocol):
    """What of `engine.ports.StreamStore` tells how far the workers are."""

    @property
    def connections(self) -> int:
        """How often a connection was made."""

    async def position(self, partition: int) -> Position:
        """Where a partition stands."""


class Recovered:
    """`store` (`engine.ports.DecisionStore`), whose rows are `Unavailable` while its ``offsets`` are behind.
    ``behind`` says so too."""

    def __init__(
        self, store: DecisionStore, offsets: Offsets, partitions: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._offsets = offsets
        self._partitions = range(partitions)
        self._recovery = Recovery()
        self._now = now

    @property
    def behind(self) -> bool:
        """Whether the store lacks what it held before."""
        return self._recovery.behind

    async def look(self) -> None:
        """See how far the store is; to be called now and then. Raises `Unavailable`."""
        found = await asyncio.gather(*map(self._offsets.position, self._partitions))
        self._recovery.look(self._offsets.connections, [position.offset for position in found], self._now())

    async def views(self, customers: Sequence[str]) -> list[View]:
        """As the store's. Raises `Unavailable` also while it is behind."""
        found = await self._store.views(customers)
        if self._offsets.connections != self._recovery.connection:
            await self.look()
            found = await self._store.views(customers)  # those before were read over who knows which
        if self._recovery.behind:
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
