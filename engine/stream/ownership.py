"""Which partitions are ours: claimed, released, and restored after fencing or an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from engine.errors import BadState, Unavailable
from engine.ports.meter import Meter
from engine.ports.stream_store import Position, StreamStore
from engine.stream.partition_state import PartitionState
from engine.stream.row_cache import RowCache

LEAST_ROWS = 2_048  # of one partition's cache
UNCLAIMED = Position(-1, 0)


class Ownership:
    """The partitions of one process. `states` is replaced whole when the assignment changes."""

    def __init__(self, store: StreamStore, rows_in_memory: int, meter: Meter) -> None:
        self.states: dict[int, PartitionState] = {}
        self._store = store
        self._rows_in_memory = rows_in_memory
        self._meter = meter

    async def own(self, partitions: Sequence[int]) -> dict[int, int]:
        """Claim `partitions`, and no others; returns the offset to resume each from.

        A partition that nobody else claimed in between keeps its rows. One that cannot be claimed now
        has failed until `restore` succeeds.
        """
        before, self.states = self.states, {}
        for state in before.values():
            state.closed = True
        for state in before.values():
            await state.drained()
        limit = max(self._rows_in_memory // max(len(partitions), 1), LEAST_ROWS)
        connection = max(self._store.connections, 1)  # the first claim makes the first
        states = await asyncio.gather(*(self._claimed(p, before.get(p), limit, connection) for p in partitions))
        self.states = {state.partition: state for state in states}
        self._meter.set("partitions_owned", len(self.states))
        return {partition: state.next for partition, state in self.states.items() if state.live}

    async def _claimed(
        self, partition: int, old: PartitionState | None, limit: int, connection: int
    ) -> PartitionState:
        try:
            claim = await self._store.claim(partition)
        except (Unavailable, BadState):
            state = PartitionState(partition, UNCLAIMED, RowCache(limit), connection)
            state.failed = True
            return state
        ours = (
            old is not None
            and not old.failed
            and old.epoch == claim.previous
            and old.next == claim.offset
            and old.connection == connection
        )
        cache = old.cache if old is not None and ours else RowCache(limit)
        cache.limit = limit
        return PartitionState(partition, claim, cache, connection)

    async def release(self, partitions: Sequence[int]) -> None:
        """Release `partitions` once their commits in flight have been answered."""
        for partition in partitions:
            state = self.states.get(partition)
            if state is not None:
                await state.drained()

    def check_connection(self) -> None:
        """Fail the partitions claimed over an earlier connection: the store may have lost data."""
        for state in self.states.values():
            if state.connection != self._store.connections:
                state.failed = True

    async def check_epochs(self) -> None:
        """Fail the partitions whose epoch is not the store's any more: it was emptied, or another worker claimed
        them. A commit would be refused too; without events there is none. Raises `Unavailable`, and `BadState`
        where an offset is none any more."""
        states = [*self.states.values()]
        positions = await asyncio.gather(*(self._store.position(state.partition) for state in states))
        for state, position in zip(states, positions, strict=True):
            if state.live and position.epoch != state.epoch:
                state.refused_at = state.refused_at or time.monotonic()
                state.failed = True

    async def restore(self, still_ours: Callable[[], bool], patience_s: float) -> dict[int, int]:
        """Reset failed partitions to what the store holds; returns the offsets to fetch them from.

        When the epoch is no longer the store's, another worker may own the partition: wait for `patience_s`
        (within which a rebalance would have reached us), then claim it again only when it is `still_ours`. That
        happens when the store lost the claim itself.
        """
        seeks: dict[int, int] = {}
        for partition, state in list(self.states.items()):
            if not state.failed:
                continue
            await state.drained()
            connection = self._store.connections
            try:
                # a new epoch fences commits that the old connection may still deliver
                position = await self._store.claim(partition, state.epoch)
                if position.previous != state.epoch:
                    state.refused_at = state.refused_at or time.monotonic()
                    if time.monotonic() - state.refused_at < patience_s or not still_ours():
                        continue
                    position = await self._store.claim(partition)
            except (Unavailable, BadState):
                continue
            if self.states.get(partition) is state:
                self.states[partition] = PartitionState(
                    partition, position, RowCache(state.cache.limit), connection
                )
                seeks[partition] = position.offset
        return seeks

    async def drain(self) -> None:
        """Wait until every commit in flight has been answered."""
        for state in self.states.values():
            await state.drained()
