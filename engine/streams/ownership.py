"""Which partitions are ours: claimed, let go, and brought back after a refusal or an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from engine.errors import Unavailable
from engine.ports import Meter, Position, StreamStore
from engine.streams.arena import Arena
from engine.streams.lane import Lane

LEAST_ROWS = 2_048  # of one partition's arena
UNCLAIMED = Position(-1, 0)


class Ownership:
    """The lanes of one process. `lanes` is replaced whole when the assignment changes."""

    def __init__(self, store: StreamStore, rows_in_memory: int, meter: Meter) -> None:
        self.lanes: dict[int, Lane] = {}
        self._store = store
        self._rows_in_memory = rows_in_memory
        self._meter = meter

    async def own(self, partitions: Sequence[int]) -> dict[int, int]:
        """Claim `partitions`, and no others; returns the offset at which each goes on.

        A partition that nobody else claimed in between keeps its rows. One that cannot be claimed now
        is a failed lane, which `restore` brings back.
        """
        before, self.lanes = self.lanes, {}
        for lane in before.values():
            lane.closed = True
        for lane in before.values():
            await lane.drained()
        limit = max(self._rows_in_memory // max(len(partitions), 1), LEAST_ROWS)
        connection = max(self._store.connections, 1)  # the first claim makes the first
        lanes = await asyncio.gather(*(self._claimed(p, before.get(p), limit, connection) for p in partitions))
        self.lanes = {lane.partition: lane for lane in lanes}
        self._meter.set("partitions_owned", len(self.lanes))
        return {partition: lane.next for partition, lane in self.lanes.items() if lane.live}

    async def _claimed(self, partition: int, old: Lane | None, limit: int, connection: int) -> Lane:
        try:
            claim = await self._store.claim(partition)
        except Unavailable:
            lane = Lane(partition, UNCLAIMED, Arena(limit), connection)
            lane.failed = True
            return lane
        ours = (
            old is not None
            and not old.failed
            and old.epoch == claim.previous
            and old.next == claim.offset
            and old.connection == connection
        )
        arena = old.arena if old is not None and ours else Arena(limit)
        arena.limit = limit
        return Lane(partition, claim, arena, connection)

    async def release(self, partitions: Sequence[int]) -> None:
        """Let `partitions` go once their commits under way have been answered."""
        for partition in partitions:
            lane = self.lanes.get(partition)
            if lane is not None:
                await lane.drained()

    def distrust(self) -> None:
        """Fail the lanes claimed over an earlier connection: a store that was away may have come back older."""
        for lane in self.lanes.values():
            if lane.connection != self._store.connections:
                lane.failed = True

    async def restore(self, still_ours: Callable[[], bool], patience_s: float) -> dict[int, int]:
        """Bring failed lanes back to what the store holds; returns the offsets to fetch them from.

        A lane whose epoch is no longer the store's may belong to another worker: it waits for `patience_s`
        (in which the group would have told us) and claims it again only when it is `still_ours`. That
        happens when the store itself came back older than the claim.
        """
        seeks: dict[int, int] = {}
        for partition, lane in list(self.lanes.items()):
            if not lane.failed:
                continue
            await lane.drained()
            connection = self._store.connections
            try:
                # claimed anew: what the old connection still holds somewhere must not take effect later
                position = await self._store.claim(partition, lane.epoch)
                if position.previous != lane.epoch:
                    lane.refused_at = lane.refused_at or time.monotonic()
                    if time.monotonic() - lane.refused_at < patience_s or not still_ours():
                        continue
                    position = await self._store.claim(partition)
            except Unavailable:
                continue
            if self.lanes.get(partition) is lane:
                self.lanes[partition] = Lane(partition, position, Arena(lane.arena.limit), connection)
                seeks[partition] = position.offset
        return seeks

    async def drain(self) -> None:
        """Wait until everything sent has been answered."""
        for lane in self.lanes.values():
            await lane.drained()
