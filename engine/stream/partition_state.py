"""One partition as its worker sees it: where it stands, its rows, and its commits that are under way."""

from __future__ import annotations

import asyncio
from collections import deque

from engine.clock import wall_ms
from engine.ports.store import Position
from engine.stream.row_cache import RowCache

MAX_IN_FLIGHT = 4


class PartitionState:
    """State of one owned partition.

    ``next`` is the offset the next record to apply must have; ``committed`` what the store has
    acknowledged. A lane that ``failed`` had a commit refused or lost: nothing in memory counts any more.
    A ``closed`` one has been handed on: nothing of it may change.
    """

    def __init__(self, partition: int, position: Position, cache: RowCache, connection: int = 0) -> None:
        self.partition = partition
        self.epoch = position.epoch
        self.next = position.offset
        self.committed = position.offset
        self.cache = cache
        self.connection = connection  # which connection to the store it was claimed or restored over
        self.failed = False
        self.closed = False
        self.refused_at = 0.0  # monotonic s of the refusal, 0: the store was away
        self.behind: int | None = None  # records up to Kafka's end, as last looked; None: not known yet
        self.mismatch_at = -1  # offset at which fetched records did not fit once
        self.watermark = 0  # largest event time applied, epoch ms
        self.written_at = wall_ms()  # when the newest record handled was written to Kafka; none yet: now
        self.pending: deque[asyncio.Task[None]] = deque()

    @property
    def live(self) -> bool:
        """Whether its rows may be changed and committed."""
        return not self.failed and not self.closed

    async def room(self) -> None:
        """Wait until another commit may be sent."""
        while len(self.pending) >= MAX_IN_FLIGHT:
            await asyncio.wait([self.pending[0]])
            self.settle()

    async def drained(self) -> None:
        """Wait until every commit under way has been answered."""
        if self.pending:
            await asyncio.wait(self.pending)
            self.settle()

    def settle(self) -> None:
        """Forget the commits that were answered; raises what a commit failed of, beside the store."""
        while self.pending and self.pending[0].done():
            answered = self.pending.popleft()
            if not answered.cancelled():
                answered.result()
