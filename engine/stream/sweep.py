"""Deletes the rows of customers who did nothing for very long: slowly, and so that no row ever shows it.

A row that is deleted is one that its next event would find forgotten (`engine.kernels.forgetting`), because every
record to come is later than those applied, give or take `SKEW_MS` between producers' clocks. It goes in a commit
that names epoch and offset, as every other: another worker, or a store that came back older, refuses it. What ties
a key to others has no age: such rows stay, but for what they sent on long ago.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from engine.errors import BadState, Unavailable
from engine.identity.ties import KEPT_MS, packed, ties_in
from engine.kernels.forgetting import FORGOTTEN_AFTER_MS
from engine.ports.stream_store import Commit, StreamStore, Timers
from engine.state.row_codec import read
from engine.state.tied_rows import is_tied, row_behind, tied, ties_before
from engine.stream.commit import NOBODY, CommitSender, PreparedCommit
from engine.stream.partition_state import PartitionState

SKEW_MS = 86_400_000  # how much older than those applied a record may be
LONGEST_PAUSE_S = 1.0  # what was not looked at meanwhile is not made up for


class Sweep:
    """Looks at some of the store's keys at a time, round and round. ``now`` is engine time (epoch ms)."""

    def __init__(
        self, store: StreamStore, committer: CommitSender, now: Callable[[], int], per_second: int
    ) -> None:
        self._store = store
        self._committer = committer
        self._now = now
        self._per_second = per_second
        self._cursor = 0
        self._looked_at: float | None = None

    async def go_on(self, states: Mapping[int, PartitionState], at: float) -> None:
        """Look at as many keys as the time (monotonic s) since the last call allows; where the store is away the
        partitions concerned have failed."""
        since = min(at - self._looked_at, LONGEST_PAUSE_S) if self._looked_at is not None else LONGEST_PAUSE_S
        count = int(since * self._per_second)
        if count < 1:
            return
        self._looked_at = at - (since - count / self._per_second)  # what is left of a key's time counts
        try:
            self._cursor, found = await self._store.rows_from(self._cursor, count)
        except Unavailable:  # the round goes on from here
            return
        ours = [(states[partition], customers) for partition, customers in found.items() if partition in states]
        await asyncio.gather(*(self._forget(state, customers) for state, customers in ours))

    async def _forget(self, state: PartitionState, customers: Sequence[bytes]) -> None:
        before = min(self._now(), state.came_in) - SKEW_MS - FORGOTTEN_AFTER_MS
        if before <= 0 or not state.live:
            return
        try:
            stored = await self._store.read(state.partition, customers)
            newest = read(stored)["life_last_at"].tolist()
            cut = _cut(dict(zip(customers, stored, strict=True)), before + FORGOTTEN_AFTER_MS - KEPT_MS)
        except Unavailable:
            state.failed = True
            return
        except BadState:  # whoever needs the row says so
            return
        idle = [
            customer
            for customer, row, at in zip(customers, stored, newest, strict=True)
            # of traits alone nobody knows how old they are
            if row is not None and not is_tied(row) and 0 < at < before
        ]
        await state.room()
        if (idle or cut) and state.live:
            self._commit(state, list(dict.fromkeys(idle)), cut)

    def _commit(self, state: PartitionState, idle: Sequence[bytes], cut: Mapping[bytes, bytes]) -> None:
        for customer in idle:
            state.cache.forget(customer)
        for customer in cut:
            state.cache.cut(customer)
        commit = Commit(
            partition=state.partition,
            epoch=state.epoch,
            expected=state.next,
            offset=state.next,
            customers=list(cut),
            rows=list(cut.values()),
            timers=Timers(idle, [0] * len(idle)),
            cues=(),
            tallies={"forgotten": len(idle)},
            connection=state.connection,
            forgotten=idle,
        )
        self._committer.send(state, PreparedCommit(commit, NOBODY))


def _cut(stored: Mapping[bytes, bytes | None], before: int) -> dict[bytes, bytes]:
    """Those of the `stored` rows that keep what they sent on before a time (epoch ms), without that. Raises
    `BadState`."""
    found: dict[bytes, bytes] = {}
    for customer, row in stored.items():
        if row is None or not is_tied(row):
            continue
        ties = ties_in(ties_before(row))
        if ties.kept and ties.marker.since < before:
            found[customer] = tied(packed(ties.without_kept), row_behind(row) or b"")
    return found
