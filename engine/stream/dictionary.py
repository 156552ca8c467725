"""A dictionary of the names behind item and category hashes, kept in the store for display."""

from __future__ import annotations

import asyncio

import numpy as np

from engine.errors import Unavailable
from engine.kernels.hash_set import add_new
from engine.ports.store import StatsStore
from engine.stream.decode import DecodedBatch

TABLE = 1 << 18  # hashes remembered as written: 1 MB
MOST = 1_000_000  # names written by one process: what senders invent must not fill the store


class NameDictionary:
    """Writes each name once, best effort and beside the stream."""

    def __init__(self, stats: StatsStore) -> None:
        self._stats = stats
        self._seen = np.zeros(TABLE, np.uint32)
        self._written = 0
        self._writing: set[asyncio.Task[None]] = set()

    def write(self, batch: DecodedBatch) -> None:
        """Write the names of `batch` that are new."""
        new = {**self._new(batch, "item"), **self._new(batch, "category")}
        if not new or self._written >= MOST:
            return
        self._written += len(new)
        task = asyncio.ensure_future(self._stats.name(new))
        self._writing.add(task)
        task.add_done_callback(self._ended)

    def _new(self, batch: DecodedBatch, name: str) -> dict[int, str]:
        codes = np.ascontiguousarray(batch.events[name])
        places = np.empty(len(codes), np.int32)
        events = batch.events[places[: add_new(codes, self._seen, places)]]
        starts, lengths = events[f"{name}_start"].tolist(), events[f"{name}_length"].tolist()
        texts = (batch.data[start : start + length] for start, length in zip(starts, lengths, strict=True))
        return {
            code: text.decode(errors="replace") for code, text in zip(events[name].tolist(), texts, strict=True)
        }

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, Unavailable):
            raise error
        self._seen[:] = 0  # written again when next seen
