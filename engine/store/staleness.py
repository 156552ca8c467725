"""State that is not shown until a store that came back older holds again what Kafka can give it back.

A Redis that lost its end, or everything, answers at once, and what it answers looks like customers who never came.
Until the workers have applied again what lies in Kafka up to where the store had been, rows are not there. What
Kafka no longer holds never comes back: then the wait ends, and the loss is said.

How many records that was follows from two counts that a commit changes together: of each partition, records
settled ever, and the next offset. Their difference is what was settled before the log began, so it only
shrinks when such records are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.customer_id import CustomerId
from engine.errors import Unavailable
from engine.events import Outcome
from engine.ports.health import CommitPoint
from engine.ports.store import DecisionStore, Reservation, View

STALLED_S = 30.0  # nobody applies anything: no worker is there, and what is there is all there will be
AT_MOST_S = 600.0  # workers apply, but do not say how far they are
BEHIND = "Redis came back older than it was: what it lost is being applied again"


class Loss(msgspec.Struct, frozen=True):
    """What the store held and nothing can give back: settled records, and customers it no longer knows."""

    records: int
    customers: int


class StalenessDetector:
    """Looked at now and then, it knows whether the store is behind itself. ``now`` is in seconds of any clock
    that only goes on. ``losses`` are those that were found, oldest first."""

    def __init__(self) -> None:
        self.behind = False
        self.connection = 0  # the last that was looked at
        self.losses: list[Loss] = []
        self._held: Sequence[CommitPoint] = ()
        self._suspect = False
        self._began = self._moved = 0.0
        self._sum = -1

    def look(self, connection: int, found: Sequence[CommitPoint], caught_up: Sequence[bool], now: float) -> None:
        """`found` was read over `connection`: only a new one can have lost something. ``caught_up[p]``: the
        partition's worker says that it has applied all of Kafka's log, since that connection was new."""
        if connection != self.connection:
            self.connection, self._began, self._sum = connection, now, -1
            # what was settled only grows, unless the store lost some of it
            self._suspect |= any(new.settled < old.settled for old, new in zip(self._held, found, strict=False))
        if self._suspect:
            self._follow(found, caught_up, now)
        if not self._suspect:
            self._held = found

    def _follow(self, found: Sequence[CommitPoint], caught_up: Sequence[bool], now: float) -> None:
        if (total := sum(point.offset for point in found)) != self._sum:
            self._sum, self._moved = total, now
        pairs = list(zip(self._held, found, strict=False))
        done = [*caught_up, *(False for _ in pairs)]  # who does not say so is not
        lacking = any(new.offset < old.offset and not done[p] for p, (old, new) in enumerate(pairs))
        waited_out = now - self._began >= AT_MOST_S
        self._suspect = lacking and not waited_out
        self.behind = self._suspect and now - self._moved < STALLED_S
        if not lacking and (loss := _loss(pairs)).records:
            self.losses.append(loss)


def _loss(pairs: Sequence[tuple[CommitPoint, CommitPoint]]) -> Loss:
    records = sum(_lost(old, new) for old, new in pairs)
    return Loss(records, sum(max(old.customers - new.customers, 0) for old, new in pairs) if records else 0)


def _lost(old: CommitPoint, new: CommitPoint) -> int:
    """Records settled before the log's beginning that are settled no more; or, where the log itself began anew
    meanwhile, what is missing although all of it was applied."""
    before_log = (old.settled - old.offset) - (new.settled - new.offset)
    return max(before_log, old.settled - new.settled if new.offset < old.offset else 0, 0)


class CommitProgress(Protocol):
    """What of the store tells how far the workers are."""

    @property
    def connections(self) -> int:
        """How often a connection was made."""

    async def commit_points(self) -> list[CommitPoint]:
        """How far each partition is."""


class StalenessGuard:
    """`store` (`engine.ports.store.DecisionStore`), whose rows are `Unavailable` while its `progress` is behind.
    ``behind`` says so too, and ``losses`` what will not come back. `now` is in seconds of a clock that only goes
    on; `caught_up` says of each partition whether its worker, since that connection to the store was made, has
    applied all that Kafka holds."""

    def __init__(
        self,
        store: DecisionStore,
        progress: CommitProgress,
        now: Callable[[], float],
        caught_up: Callable[[int], Sequence[bool]] = lambda connection: (),
    ) -> None:
        self._store = store
        self._progress = progress
        self._detector = StalenessDetector()
        self._now = now
        self._caught_up = caught_up

    @property
    def behind(self) -> bool:
        """Whether the store lacks what it held before, and may get it back."""
        return self._detector.behind

    @property
    def losses(self) -> Sequence[Loss]:
        """What was lost for good, since this process began; oldest first."""
        return self._detector.losses

    @property
    def connections(self) -> int:
        """How often a connection to the store was made."""
        return self._progress.connections

    async def look(self) -> None:
        """See how far the store is; to be called now and then. Raises `Unavailable`."""
        points, connection = await self._progress.commit_points(), self._progress.connections
        self._detector.look(connection, points, self._caught_up(connection), self._now())

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
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
