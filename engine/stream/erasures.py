"""Customers who were erased: what happened before has no effect any more, whenever it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from engine.errors import Unavailable
from engine.identity.erased_ids import ErasedIds
from engine.kernels.decode import LINK, OK, TOMBSTONE
from engine.ports.stream_store import CustomerConsent, Erasure, StreamStore
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.partition_state import PartitionState

#: How long an erasure is remembered: nothing older is taken over HTTP (`engine.sources.times`).
KEPT_MS = 400 * 86_400_000


class Erasures:
    """Erases in the log's order, and keeps out what comes late."""

    def __init__(self, store: StreamStore, now: Callable[[], int], ids: ErasedIds) -> None:
        self._store = store
        self._now = now
        self._ids = ids

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
                state.erased, state.erased_at = tombstones, max(tombstones.values(), default=0)

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
        events = batch.events[start:stop]
        taken = (events["status"] == OK) | (events["status"] == LINK)
        early = taken & (events["at"] <= state.erased_at)  # hardly any, so few hashes
        out = [
            i
            for i in np.flatnonzero(early).tolist()
            if events["at"][i] <= self._until(state, batch.customers[start + i])
        ]
        events["status"][out] = TOMBSTONE
        return len(out)

    def consents(self, state: PartitionState, stated: Sequence[CustomerConsent]) -> list[CustomerConsent]:
        """Those of `stated` that were not said before their customer was erased."""
        return [one for one in stated if one.statement.at > self._until(state, one.customer)]

    def _until(self, state: PartitionState, customer: bytes) -> int:
        erased = state.erased or {}
        return max(erased.get(digest, 0) for digest in self._ids.digests(customer))

    async def prepared(self, state: PartitionState, erasure: Erasure) -> Erasure:
        """`erasure` with what the cue stream has of the customer, and of all that the row has; where the store is
        away the partition has failed. Every commit before it must have been sent.

        What is erased may have happened, by another process's clock, after the erasure was asked for. It counts
        until then: so all of a row happened before its erasure or after it, and a reservation can see which.
        """
        await state.drained()
        try:
            cues = await self._store.cues_of(state.partition, erasure.customer)
        except Unavailable:
            state.failed = True
            return erasure
        newest = state.cache.newest_at(erasure.customer)
        return Erasure(erasure.customer, max(erasure.at, newest), cues)

    def done(self, state: PartitionState, erasure: Erasure) -> None:
        """Forget the customer in memory, once the commit is made."""
        state.cache.forget(erasure.customer)
        known, digest = state.erased or {}, self._ids.digest(erasure.customer)
        state.erased = {**known, digest: max(erasure.at, known.get(digest, 0))}
        state.erased_at = max(state.erased_at, erasure.at)
