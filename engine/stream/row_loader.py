"""Rows that are not cached, read from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import Unavailable
from engine.ports.meter import Meter
from engine.ports.stream_store import StreamStore
from engine.stream.partition_state import PartitionState


class RowLoader:
    """Reads into the caches of partitions."""

    def __init__(self, store: StreamStore, meter: Meter) -> None:
        self._store = store
        self._meter = meter

    async def load(self, wanted: Sequence[tuple[PartitionState, Sequence[bytes]]]) -> list[NDArray[np.int32]]:
        """Read the rows of these customers that are not cached, of all partitions at once; returns the slots of
        each partition's. Where the store is away the partitions have failed, and slots are missing (-1)."""
        reads, slots = [], []
        for place, (state, customers) in enumerate(wanted):
            found = state.cache.locate(customers)
            slots.append(found)
            absent = list(dict.fromkeys(customers[i] for i in np.flatnonzero(found < 0).tolist()))
            if absent:
                read = asyncio.ensure_future(self._store.read(state.partition, absent))
                reads.append((place, state, absent, read))
        for place, state, absent, read in reads:
            try:
                stored = await read
            except Unavailable:
                state.failed = True
                continue
            if state.live:
                before = state.cache.evictions
                state.cache.place(absent, stored)
                slots[place] = state.cache.locate(wanted[place][1])
                self._meter.add("rows_read", len(absent))
                self._meter.add("arena_evictions", state.cache.evictions - before)
        return slots
