"""Words for the hashes by which rows know items and categories, told to the store so that people can read them."""

from __future__ import annotations

import asyncio

import numpy as np

from engine.errors import Unavailable
from engine.kernels.hash_set import meet
from engine.ports.store import StatsStore
from engine.stream.decode import DecodedBatch

TABLE = 1 << 18  # hashes remembered as told: 1 MB
MOST = 1_000_000  # words told by one process: what senders invent must not fill the store


class WordDictionary:
    """Tells each word once, best effort and beside the stream."""

    def __init__(self, stats: StatsStore) -> None:
        self._stats = stats
        self._met = np.zeros(TABLE, np.uint32)
        self._told = 0
        self._telling: set[asyncio.Task[None]] = set()

    def tell(self, batch: DecodedBatch) -> None:
        """Let people read what is new in `batch`."""
        new = {**self._new(batch, "item"), **self._new(batch, "category")}
        if not new or self._told >= MOST:
            return
        self._told += len(new)
        task = asyncio.ensure_future(self._stats.name(new))
        self._telling.add(task)
        task.add_done_callback(self._ended)

    def _new(self, batch: DecodedBatch, name: str) -> dict[int, str]:
        codes = np.ascontiguousarray(batch.events[name])
        places = np.empty(len(codes), np.int32)
        events = batch.events[places[: meet(codes, self._met, places)]]
        starts, lengths = events[f"{name}_start"].tolist(), events[f"{name}_length"].tolist()
        texts = (batch.data[start : start + length] for start, length in zip(starts, lengths, strict=True))
        return {
            code: text.decode(errors="replace") for code, text in zip(events[name].tolist(), texts, strict=True)
        }

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, Unavailable):
            raise error
        self._met[:] = 0  # they are told again when they are next met
