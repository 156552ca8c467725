"""Rows of a store that lost data are unavailable until the workers have caught up from Kafka.

A Redis restarted from an old snapshot, or empty, answers at once, and customers it forgot look like new ones; one
emptied by FLUSHALL does not even break a connection: until the next look, decisions take them for strangers.
Rows stay unavailable until the workers have replayed Kafka up to the offsets that the store had reached. What
Kafka no longer holds cannot be recovered: then the wait ends and the loss is reported.

The number of lost records follows from two counts that each commit changes together: per partition, records
settled ever, and the next offset. Their difference is what was settled before the log's first record, so it
shrinks only when such records are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from engine.customer_id import CustomerId
from engine.errors import Unavailable
from engine.ports.decision_store import DecisionStore, Reservation, Taking
from engine.ports.health import CommitPoint
from engine.ports.offer_history import View

STALLED_S = 30.0  # no progress for so long: no worker is running, so nothing more will be recovered
AT_MOST_S = 600.0  # workers make progress, but do not report that they caught up
BEHIND = "Redis has older data than before, or none: what it lost is being replayed from Kafka"


class Loss(msgspec.Struct, frozen=True):
    """What the store held and nothing can recover: settled records, and customers it no longer knows."""

    records: int
    customers: int


class StalenessDetector:
    """Knows from periodic observations whether the store is behind an earlier state of its own. ``now`` is in
    seconds of any monotonic clock. ``losses`` are those that were found, oldest first."""

    def __init__(self) -> None:
        self.behind = False
        self.connection = 0  # the last observed
        self.losses: list[Loss] = []
        self._held: Sequence[CommitPoint] = ()
        self._last: Sequence[CommitPoint] = ()
        self._suspect = False
        self._began = self._moved = 0.0
        self._sum = -1

    def look(self, connection: int, found: Sequence[CommitPoint], caught_up: Sequence[bool], now: float) -> bool:
        """`found` was read over `connection`. ``caught_up[p]``: the partition's worker reported zero lag since the
        store last lost data, so far as is known. Returns whether it lost data and kept this connection (FLUSHALL):
        what was reported before this look counts no more."""
        emptied = connection == self.connection and _fell(self._last, found)
        if emptied or connection != self.connection:
            self.connection, self._began, self._sum = connection, now, -1
            # the settled count only grows, unless the store lost data
            self._suspect |= any(new.settled < old.settled for old, new in zip(self._held, found, strict=False))
        if self._suspect:
            self._follow(found, () if emptied else caught_up, now)
        if not self._suspect:
            self._held = found
        self._last = found
        return emptied

    def _follow(self, found: Sequence[CommitPoint], caught_up: Sequence[bool], now: float) -> None:
        if (total := sum(point.offset for point in found)) != self._sum:
            self._sum, self._moved = total, now
        pairs = list(zip(self._held, found, strict=False))
        done = [*caught_up, *(False for _ in pairs)]  # no report: not caught up
        incomplete = any(new.offset < old.offset and not done[p] for p, (old, new) in enumerate(pairs))
        timed_out = now - self._began >= AT_MOST_S
        self._suspect = incomplete and not timed_out
        self.behind = self._suspect and now - self._moved < STALLED_S
        if not incomplete and (loss := _loss(pairs)).records:
            self.losses.append(loss)


def _fell(before: Sequence[CommitPoint], found: Sequence[CommitPoint]) -> bool:
    """Whether a partition lost both counts. One alone is no loss: a log that began anew has lower offsets, and a
    tally may be deleted or overwritten."""
    pairs = zip(before, found, strict=False)
    return any(new.settled < old.settled and new.offset < old.offset for old, new in pairs)


def _loss(pairs: Sequence[tuple[CommitPoint, CommitPoint]]) -> Loss:
    records = sum(_lost(old, new) for old, new in pairs)
    return Loss(records, sum(max(old.customers - new.customers, 0) for old, new in pairs) if records else 0)


def _lost(old: CommitPoint, new: CommitPoint) -> int:
    """Lost records settled before the log's first offset; or, where the log itself was recreated meanwhile, what
    is missing after all of it was applied."""
    before_log = (old.settled - old.offset) - (new.settled - new.offset)
    return max(before_log, old.settled - new.settled if new.offset < old.offset else 0, 0)


class CommitProgress(Protocol):
    """The part of the store that shows the workers' progress."""

    @property
    def connections(self) -> int:
        """How often a connection was made."""

    async def commit_points(self) -> list[CommitPoint]:
        """How far each partition is."""


class StalenessGuard:
    """`store` (a `DecisionStore`), whose rows are `Unavailable` while its `progress` is behind. `now` is a
    monotonic clock in seconds; `caught_up` gives for each partition whether its worker has reported zero lag
    since that connection to the store was made, and since `forget` was called."""

    def __init__(
        self,
        store: DecisionStore,
        progress: CommitProgress,
        now: Callable[[], float],
        caught_up: Callable[[int], Sequence[bool]] = lambda connection: (),
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._progress = progress
        self._detector = StalenessDetector()
        self._now = now
        self._caught_up = caught_up
        self._forget = forget

    @property
    def behind(self) -> bool:
        """Whether the store lacks data it held before that may still be recovered."""
        return self._detector.behind

    @property
    def losses(self) -> Sequence[Loss]:
        """What was lost for good since this process started; oldest first."""
        return self._detector.losses

    @property
    def connections(self) -> int:
        """How often a connection to the store was made."""
        return self._progress.connections

    async def look(self) -> None:
        """Observe the store's progress; to be called periodically. Raises `Unavailable`."""
        points, connection = await self._progress.commit_points(), self._progress.connections
        if self._detector.look(connection, points, self._caught_up(connection), self._now()):
            self._forget()

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        """As the store's. Raises `Unavailable` also while it is behind."""
        found = await self._store.views(customers)
        while self._progress.connections != self._detector.connection:
            await self.look()
            found = await self._store.views(customers)  # the first may have been read before the reconnect
        if self._detector.behind:
            raise Unavailable(BEHIND)
        return found

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        """As the store's."""
        return await self._store.reserve(reservations)

    async def decision(self, decision_id: str) -> bytes | None:
        """As the store's."""
        return await self._store.decision(decision_id)
