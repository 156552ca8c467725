"""The rows of one partition that a worker holds in memory: a cache in front of the store.

Write-through: every change is sent to the store in the step that makes it, so a row may be evicted at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.advance import touched
from engine.kernels.row import ROW
from engine.state.row_codec import as_words, mark_blank, read, write

FIRST_CAPACITY = 1024
EVICTED_SHARE = 4  # a full cache evicts the least recently used quarter


class RowCache:
    """Rows by customer, at most `limit` beside those in use; the least recently used are evicted."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.evictions = 0
        self.rows: NDArray[np.void] = np.zeros(0, ROW)
        self.timers = np.zeros(0, np.int64)  # when each slot's timer in the store is due (0: not known)
        self._slots: dict[bytes, int] = {}
        self._customers: list[bytes] = []
        self._used = np.zeros(0, np.int64)
        self._stamps = np.zeros(0, np.int64)
        self._unseen = np.zeros(0, np.bool_)
        self._tick = 0
        self._grow(FIRST_CAPACITY)

    def __len__(self) -> int:
        return len(self._slots)

    def locate(self, customers: Sequence[bytes]) -> NDArray[np.int32]:
        """Slots of `customers`, -1 where not cached; marks those found as used."""
        found = np.fromiter(map(self._slots.get, customers, repeat(-1)), np.int32, len(customers))
        self._tick += 1
        self._used[found[found >= 0]] = self._tick
        return found

    def place(self, customers: Sequence[bytes], stored: Sequence[bytes | None]) -> None:
        """Add rows as read from the store (None: a customer never seen).

        Raises `BadState`, and changes nothing, where one of them cannot be read.
        """
        known = [place for place, data in enumerate(stored) if data is not None]
        found = as_words(read([stored[place] for place in known]))
        self._make_room(len(customers))
        first, end = len(self._customers), len(self._customers) + len(customers)
        self._customers += customers
        self._slots.update(zip(customers, range(first, end), strict=True))
        self._used[first:end] = self._tick
        mark_blank(self.rows[first:end])
        self._unseen[first:end] = True
        if known:
            slots = first + np.array(known)
            self._words[slots] = found
            self._unseen[slots] = False

    def customers(self, slots: NDArray[np.int32]) -> list[bytes]:
        """The customers whose rows are in `slots`."""
        names = self._customers
        return [names[slot] for slot in slots.tolist()]

    def encode(self, slots: NDArray[np.int32]) -> list[memoryview]:
        """The rows in `slots` as they are stored, copied once."""
        return write(self._words, slots)

    def touched(self, slots: NDArray[np.int32], outcomes: NDArray[np.uint8]) -> NDArray[np.int32]:
        """The distinct slots of applied events, in order of the first."""
        self._tick += 1
        out = np.empty(len(slots), np.int32)
        return out[: touched(slots, outcomes, self._stamps, self._tick, out)]

    def mark_seen(self, slots: NDArray[np.int32]) -> int:
        """Mark the customers of the (distinct) `slots` as seen; returns how many were new."""
        new = int(np.count_nonzero(self._unseen[slots]))
        if new:
            self._unseen[slots] = False
        return new

    def _make_room(self, wanted: int) -> None:
        if len(self._customers) + wanted > self.limit:
            self._evict(wanted)
        if len(self._customers) + wanted > len(self.rows):
            self._grow(max(2 * len(self.rows), len(self._customers) + wanted))

    def _grow(self, capacity: int) -> None:
        more = capacity - len(self.rows)
        self.rows = np.concatenate([self.rows, np.zeros(more, ROW)])
        self._words = as_words(self.rows)
        self.timers, self._used, self._stamps = (
            np.concatenate([held, np.zeros(more, np.int64)]) for held in (self.timers, self._used, self._stamps)
        )
        self._unseen = np.concatenate([self._unseen, np.zeros(more, np.bool_)])

    def _evict(self, wanted: int) -> None:
        held = len(self._customers)
        idle = int(np.count_nonzero(self._used[:held] < self._tick))
        evicted = min(idle, max(held // EVICTED_SHARE, held + wanted - self.limit))
        if evicted == 0:
            return
        order = np.argpartition(self._used[:held], evicted - 1)
        kept = np.sort(order[evicted:])
        for column in (self._words, self.timers, self._used, self._unseen):
            _compact(column, kept)
        self._stamps[:] = 0
        self._customers = [self._customers[slot] for slot in kept.tolist()]
        self._slots = {customer: slot for slot, customer in enumerate(self._customers)}
        self.evictions += evicted


def _compact(held: NDArray[Any], kept: NDArray[np.intp]) -> None:
    held[: len(kept)] = held[kept]
    held[len(kept) :] = 0
