"""Whether a partition's records are taken: not where so many cannot be applied that the topic is hardly what it
should be. To drain it into the dead letters would hide that, to end the worker would stop all other partitions.

A pause is kept in the store with the offset at which it was decided, so that it outlives restarts and rebalances.
It ends when an operator lets the records below some offset pass, or the limit is raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

from engine.errors import Unavailable
from engine.ports.meter import Meter
from engine.ports.stream_store import Pause, StreamStore
from engine.settings import Stream
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.partition_state import PartitionState

log = logging.getLogger("cueline.worker")


class IntakeCheck:
    """Checks the micro-batches of each partition by the share of dead letters in a window of its records."""

    def __init__(self, settings: Stream, store: StreamStore, meter: Meter) -> None:
        self._settings = settings
        self._store = store
        self._meter = meter

    async def look(self, states: Iterable[PartitionState]) -> None:
        """Read what is kept of partitions of which it is not known; where the store is away they have failed."""
        unknown = [state for state in states if state.intake is None]
        kept = await asyncio.gather(*(self._store.intake(s.partition) for s in unknown), return_exceptions=True)
        for state, found in zip(unknown, kept, strict=True):
            if isinstance(found, Unavailable):
                state.failed = True
            elif isinstance(found, BaseException):
                raise found
            else:
                state.intake, state.pause = found, found.paused_at(state.next)
                if state.pause and not self._too_many(state.pause.records, state.pause.dead):
                    state.pause = None  # the limit was raised since

    async def admits(self, state: PartitionState, batch: DecodedBatch) -> bool:
        """Whether `batch` may be applied. If not, nothing more of its partition may, until `follow` says so."""
        if state.intake is None or state.pause is not None:
            return False
        counts = batch.counts(max(batch.first, state.intake.let_below), batch.end)
        records, dead = state.checked[0] + counts["events"], state.checked[1] + counts["deadletters"]
        why = batch.dead[-1].detail if batch.dead else state.last_fault
        if records >= self._settings.dead_letter_window:
            if self._too_many(records, dead):
                await self._pause(state, Pause(state.next, records, dead, why))
                return False
            records, dead = 0, 0
        state.checked, state.last_fault = (records, dead), why
        return True

    async def _pause(self, state: PartitionState, pause: Pause) -> None:
        state.pause = pause
        log.error("partition %d takes no records: %s", state.partition, pause.reason)
        try:
            await self._store.pause(state.partition, pause)
        except Unavailable:
            state.failed = True

    async def follow(self, states: Mapping[int, PartitionState]) -> None:
        """End the pauses that an operator ended. Raises `Unavailable`."""
        paused = [state for state in states.values() if state.pause and state.live]
        self._meter.set("partitions_paused", len(paused))
        kept = await asyncio.gather(*(self._store.intake(state.partition) for state in paused))
        for state, found in zip(paused, kept, strict=True):
            if found.let_below > state.next:
                log.warning(
                    "partition %d takes records again, whatever they are below %d",
                    state.partition,
                    found.let_below,
                )
                state.intake, state.pause, state.checked = found, None, (0, 0)

    def _too_many(self, records: int, dead: int) -> bool:
        return dead > self._settings.dead_letter_ratio * records
