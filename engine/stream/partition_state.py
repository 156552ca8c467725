"""One partition as its worker sees it: its offsets, its rows, and its commits in flight."""

from __future__ import annotations

import asyncio
from collections import deque

from engine.clock import wall_ms
from engine.ports.stream_store import Intake, Pause, Position
from engine.post.ledger import Ledger
from engine.stream.row_cache import RowCache

MAX_IN_FLIGHT = 4


class PartitionState:
    """State of one owned partition.

    ``next`` is the offset the next record to apply must have; ``committed`` what the store has
    acknowledged. After a fenced or lost commit it has ``failed``: its memory is invalid. A ``closed`` one was
    replaced by a later assignment and must not change.
    """

    def __init__(self, partition: int, position: Position, cache: RowCache, connection: int = 0) -> None:
        self.partition = partition
        self.epoch = position.epoch
        self.next = position.offset
        self.committed = position.offset
        self.cache = cache
        self.connection = connection  # to the store, over which it was claimed or restored
        self.failed = False
        self.closed = False
        self.refused_at = 0.0  # monotonic s of the first fenced commit, 0: none
        self.behind: int | None = None  # lag in records, as last observed; None: not known yet
        self.mismatch_at = -1  # expected offset at which a fetch did not match, -1: none
        self.intake: Intake | None = None  # what the store keeps of it, None: not known yet
        self.pause: Pause | None = None  # why no records are taken for now
        self.ledger: Ledger | None = None  # of its post, None: not known yet
        self.erased: dict[str, int] | None = None  # who was erased (digests), until when; None: not known yet
        self.erased_at = 0  # the latest of these
        self.checked = (0, 0)  # records and dead letters since the last were checked
        self.last_fault = ""  # why the last dead letter could not be applied
        self.watermark = 0  # largest event time applied, epoch ms
        self.came_in = 0  # the newest time at which one of them came in, by its record, epoch ms
        self.newest_record_at = wall_ms()  # Kafka timestamp of the newest record handled; none yet: now
        self.pending: deque[asyncio.Task[None]] = deque()

    @property
    def live(self) -> bool:
        """Whether its rows may be changed and committed."""
        return not self.failed and not self.closed

    async def room(self) -> None:
        """Backpressure: wait until another commit may be sent."""
        while len(self.pending) >= MAX_IN_FLIGHT:
            await asyncio.wait([self.pending[0]])
            self.settle()

    async def drained(self) -> None:
        """Wait until every commit in flight has been answered."""
        if self.pending:
            await asyncio.wait(self.pending)
            self.settle()

    def settle(self) -> None:
        """Forget the commits that were answered; raises any error of theirs that is not the store's."""
        while self.pending and self.pending[0].done():
            answered = self.pending.popleft()
            if not answered.cancelled():
                answered.result()
