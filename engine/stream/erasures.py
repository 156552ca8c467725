"""Customers who were erased: what happened before has no effect any more, whenever it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from engine.errors import Unavailable
from engine.kernels.decode import OK, TOMBSTONE
from engine.ports.stream_store import CustomerConsent, Erasure, StreamStore, digest_of
from engine.stream.decode import DecodedBatch
from engine.stream.partition_state import PartitionState

#: How long an erasure is remembered: nothing older is taken over HTTP (`engine.sources.times`).
KEPT_MS = 400 * 86_400_000


class Erasures:
    """Erases in the log's order, and keeps out what comes late."""

    def __init__(self, store: StreamStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    async def look(self, states: Iterable[PartitionState]) -> None:
        """Read the tombstones that are not known, and drop those that are over; where the store is away the
        partitions have failed."""
        unknown = [state for state in states if state.erased is None]
        found = await asyncio.gather(*map(self._read, unknown), return_exceptions=True)
        for state, tombstones in zip(unknown, found, strict=True):
            if isinstance(tombstones, Unavailable):
                state.failed = True
            elif isinstance(tombstones, BaseException):
                raise tombstones
            else:
                state.erased = tombstones

    async def _read(self, state: PartitionState) -> dict[str, int]:
        kept = await self._store.tombstones(state.partition)
        over = [digest for digest, at in kept.items() if at < self._now() - KEPT_MS]
        await self._store.drop_tombstones(state.partition, over)
        return {digest: at for digest, at in kept.items() if digest not in over}

    def keep_out(self, state: PartitionState, batch: DecodedBatch, start: int, stop: int) -> int:
        """Let the events among ``[start, stop)`` that happened before their customer was erased have no effect;
        returns how many."""
        if not state.erased:
            return 0
        events, until = batch.events[start:stop], state.erased.get
        erased = np.array([until(digest_of(one), 0) for one in batch.customers[start:stop]], np.int64)
        out = (events["status"] == OK) & (events["at"] <= erased)
        events["status"][out] = TOMBSTONE
        return int(np.count_nonzero(out))

    def consents(self, state: PartitionState, stated: Sequence[CustomerConsent]) -> list[CustomerConsent]:
        """Those of `stated` that were not said before their customer was erased."""
        until = (state.erased or {}).get
        return [one for one in stated if one.statement.at > until(digest_of(one.customer), 0)]

    async def with_cues(self, state: PartitionState, erasure: Erasure) -> Erasure:
        """`erasure` with what the cue stream has of the customer; where the store is away the partition has
        failed. Every commit before it must have been sent."""
        await state.drained()
        try:
            cues = await self._store.cues_of(state.partition, erasure.customer)
        except Unavailable:
            state.failed = True
            return erasure
        return msgspec.structs.replace(erasure, cues=cues)

    def done(self, state: PartitionState, erasure: Erasure) -> None:
        """Forget the customer in memory, once the commit is made."""
        state.cache.forget(erasure.customer)
        known = state.erased if state.erased is not None else {}
        state.erased = {**known, erasure.digest: max(erasure.at, known.get(erasure.digest, 0))}
