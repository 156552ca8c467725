"""Rows that are not cached, read from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from engine.errors import Unavailable
from engine.ports.meter import Meter
from engine.ports.stream_store import StreamStore
from engine.stream.partition_state import PartitionState


class RowLoader:
    """Reads into the caches of partitions."""

    def __init__(self, store: StreamStore, meter: Meter) -> None:
        self._store = store
        self._meter = meter

    async def load(self, wanted: Sequence[tuple[PartitionState, Sequence[bytes]]]) -> None:
        """Read the rows of these customers that are not cached, of all partitions at once; where the store is away
        the partitions have failed."""
        reads = []
        for state, customers in wanted:
            found = state.cache.locate(customers)
            absent = list(dict.fromkeys(customers[i] for i in np.flatnonzero(found < 0).tolist()))
            if absent:
                reads.append((state, absent, asyncio.ensure_future(self._store.read(state.partition, absent))))
        for state, absent, read in reads:
            try:
                stored = await read
            except Unavailable:
                state.failed = True
                continue
            if state.live:
                before = state.cache.evictions
                state.cache.place(absent, stored)
                self._meter.add("rows_read", len(absent))
                self._meter.add("arena_evictions", state.cache.evictions - before)
