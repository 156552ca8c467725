"""Which partitions are ours: claimed, let go, and brought back after a refusal or an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from engine.errors import Unavailable
from engine.ports.meter import Meter
from engine.ports.store import Position, StreamStore
from engine.stream.partition_state import PartitionState
from engine.stream.row_cache import RowCache

LEAST_ROWS = 2_048  # of one partition's arena
UNCLAIMED = Position(-1, 0)


class Ownership:
    """The lanes of one process. `partition_states` is replaced whole when the assignment changes."""

    def __init__(self, store: StreamStore, rows_in_memory: int, meter: Meter) -> None:
        self.partition_states: dict[int, PartitionState] = {}
        self._store = store
        self._rows_in_memory = rows_in_memory
        self._meter = meter

    async def own(self, partitions: Sequence[int]) -> dict[int, int]:
        """Claim `partitions`, and no others; returns the offset at which each goes on.

        A partition that nobody else claimed in between keeps its rows. One that cannot be claimed now
        is a failed lane, which `restore` brings back.
        """
        before, self.partition_states = self.partition_states, {}
        for partition_state in before.values():
            partition_state.closed = True
        for partition_state in before.values():
            await partition_state.drained()
        limit = max(self._rows_in_memory // max(len(partitions), 1), LEAST_ROWS)
        connection = max(self._store.connections, 1)  # the first claim makes the first
        partition_states = await asyncio.gather(
            *(self._claimed(p, before.get(p), limit, connection) for p in partitions)
        )
        self.partition_states = {
            partition_state.partition: partition_state for partition_state in partition_states
        }
        self._meter.set("partitions_owned", len(self.partition_states))
        return {
            partition: partition_state.next
            for partition, partition_state in self.partition_states.items()
            if partition_state.live
        }

    async def _claimed(
        self, partition: int, old: PartitionState | None, limit: int, connection: int
    ) -> PartitionState:
        try:
            claim = await self._store.claim(partition)
        except Unavailable:
            partition_state = PartitionState(partition, UNCLAIMED, RowCache(limit), connection)
            partition_state.failed = True
            return partition_state
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
        """Let `partitions` go once their commits under way have been answered."""
        for partition in partitions:
            partition_state = self.partition_states.get(partition)
            if partition_state is not None:
                await partition_state.drained()

    def distrust(self) -> None:
        """Fail the lanes claimed over an earlier connection: a store that was away may have come back older."""
        for partition_state in self.partition_states.values():
            if partition_state.connection != self._store.connections:
                partition_state.failed = True

    async def restore(self, still_ours: Callable[[], bool], patience_s: float) -> dict[int, int]:
        """Bring failed lanes back to what the store holds; returns the offsets to fetch them from.

        A lane whose epoch is no longer the store's may belong to another worker: it waits for `patience_s`
        (in which the group would have told us) and claims it again only when it is `still_ours`. That
        happens when the store itself came back older than the claim.
        """
        seeks: dict[int, int] = {}
        for partition, partition_state in list(self.partition_states.items()):
            if not partition_state.failed:
                continue
            await partition_state.drained()
            connection = self._store.connections
            try:
                # claimed anew: what the old connection still holds somewhere must not take effect later
                position = await self._store.claim(partition, partition_state.epoch)
                if position.previous != partition_state.epoch:
                    partition_state.refused_at = partition_state.refused_at or time.monotonic()
                    if time.monotonic() - partition_state.refused_at < patience_s or not still_ours():
                        continue
                    position = await self._store.claim(partition)
            except Unavailable:
                continue
            if self.partition_states.get(partition) is partition_state:
                self.partition_states[partition] = PartitionState(
                    partition, position, RowCache(partition_state.cache.limit), connection
                )
                seeks[partition] = position.offset
        return seeks

    async def drain(self) -> None:
        """Wait until everything sent has been answered."""
        for partition_state in self.partition_states.values():
            await partition_state.drained()
