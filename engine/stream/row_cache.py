"""The rows of one partition that a worker holds in memory: a cache in front of the store.

Write-through: every change is sent to the store in the step that makes it, so a row may be evicted at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from engine.identity.ties import NO_TIES, Ties, packed, ties_in
from engine.kernels.advance import touched
from engine.state.row_codec import BLANK, as_words, read_into, write
from engine.state.tied_rows import is_tied, tied, ties_before
from engine.stream.row_memory import RowMemory

FIRST_CAPACITY = 1 << 16  # where the limit is no lower: addresses are free, a move of rows that are held is not
GROWTH = 4  # times the capacity
EMPTY = np.iinfo(np.int64).max  # when an empty slot was used: it is never the least recent
AT_ONCE = 1  # when a timer is due that nothing waits for
EVICTED_SHARE = 4  # a full cache evicts the least recently used quarter


class RowCache:
    """Rows by customer, at most `limit` beside those in use; the least recently used are evicted. A row stays in
    its slot for as long as it is held."""

    def __init__(self, limit: int, first_capacity: int = FIRST_CAPACITY) -> None:
        self.limit = limit
        self.evictions = 0
        self._memory = RowMemory(0)
        self._words = as_words(self._memory.rows)
        self.timers = np.zeros(0, np.int64)  # when each slot's timer in the store is due (0: not known)
        self._ties: dict[int, Ties] = {}  # of the slots that have any
        self.merged = np.zeros(0, np.bool_)  # of each slot, whether its customer is another's
        self._owes = np.zeros(0, np.bool_)  # or owes others a history
        self._slots: dict[bytes, int] = {}
        self._customers: list[bytes] = []  # of the slots that were ever used
        self._free: list[int] = []  # those of them that are empty now
        self._written = 0  # slots from here on hold nothing but 0
        self._used = np.zeros(0, np.int64)
        self._stamps = np.zeros(0, np.int64)
        self._unseen = np.zeros(0, np.bool_)
        self._tick = 0
        self._grow(min(limit, first_capacity))

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def rows(self) -> NDArray[np.void]:
        """The rows (`ROW`) of all slots."""
        return self._memory.rows

    def locate(self, customers: Sequence[bytes]) -> NDArray[np.int32]:
        """Slots of `customers`, -1 where not cached; marks those found as used."""
        found = np.fromiter(map(self._slots.get, customers, repeat(-1)), np.int32, len(customers))
        self._tick += 1
        self._used[found[found >= 0]] = self._tick
        return found

    def place(self, customers: Sequence[bytes], stored: Sequence[bytes | None]) -> None:
        """Add rows as read from the store (None: a customer never seen).

        Raises `BadState`, and adds none, where one of them cannot be read.
        """
        self._make_room(len(customers))
        slots = self._next_slots(len(customers))
        zeros_from, self._written = self._written, max(self._written, int(slots.max(initial=-1)) + 1)
        self._memory.make_ready(self._written)
        read_into(stored, self._words, slots, zeros_from)
        pairs = zip(slots.tolist(), stored, strict=True)
        ties = {slot: ties_in(ties_before(row)) for slot, row in pairs if is_tied(row)}
        self._take(customers, slots)
        for slot, found in ties.items():
            self.tie(slot, found)
        self._used[slots] = self._tick
        self._unseen[slots] = [data is None for data in stored]
        self.timers[slots] = 0

    def forget(self, customer: bytes) -> None:
        """The customer is one never seen, if there is a row here."""
        slot = self._slots.get(customer)
        if slot is not None:
            self._words[slot] = BLANK
            self.timers[slot], self._unseen[slot] = 0, True
            self.tie(slot, NO_TIES)

    @property
    def has_ties(self) -> bool:
        """Whether any customer here has to do with others."""
        return bool(self._ties)

    def ties(self, slot: int) -> Ties:
        """What the customer in `slot` has to do with others."""
        return self._ties.get(slot, NO_TIES)

    def tie(self, slot: int, ties: Ties) -> None:
        """Replace the `ties` of a slot."""
        self.merged[slot], self._owes[slot] = ties.is_merged, bool(ties.owes)
        if ties == NO_TIES:
            self._ties.pop(slot, None)
        else:
            self._ties[slot] = ties

    def call_debtors(self, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of `slots` are customers who owe others their histories: their timers are due at once."""
        owe = self._owes[slots]
        if not self._ties:
            return owe
        self.timers[slots[owe]] = AT_ONCE
        return owe

    def row(self, slot: int) -> NDArray[np.void]:
        """A copy of the row (`ROW`, 1) in `slot`."""
        return self.rows[slot : slot + 1].copy()

    def replace(self, slot: int, row: NDArray[np.void] | None) -> None:
        """Put `row` (`ROW`, 1; None: as of a customer never seen) into `slot`."""
        self._words[slot] = BLANK if row is None else as_words(row)[0]

    def cut(self, customer: bytes) -> None:
        """The customer keeps nothing of the row that was sent on, if there is one here."""
        slot = self._slots.get(customer)
        if slot is not None:
            self.tie(slot, self.ties(slot).without_kept)

    def newest_at(self, customer: bytes) -> int:
        """When the newest event of the customer's row happened (epoch ms); 0: none is here."""
        slot = self._slots.get(customer)
        return 0 if slot is None else int(self.rows["life_last_at"][slot])

    def customers(self, slots: NDArray[np.int32]) -> list[bytes]:
        """The customers whose rows are in `slots`."""
        names = self._customers
        return [names[slot] for slot in slots.tolist()]

    def encode(self, slots: NDArray[np.int32]) -> Sequence[bytes]:
        """The rows in `slots` as they are stored, with their ties."""
        rows = write(self._words, slots)
        if not self._ties:
            return rows
        pairs = zip(slots.tolist(), rows, strict=True)
        return [tied(packed(self._ties[slot]), row) if slot in self._ties else row for slot, row in pairs]

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

    def _next_slots(self, count: int) -> NDArray[np.int32]:
        """Slots that nobody has: empty ones first."""
        reused, first = self._free[:count], len(self._customers)
        return np.array([*reused, *range(first, first + count - len(reused))], np.int32)

    def _take(self, customers: Sequence[bytes], slots: NDArray[np.int32]) -> None:
        """Give `customers` the `_next_slots`."""
        reused = self._free[: len(customers)]
        del self._free[: len(customers)]
        for slot, customer in zip(reused, customers, strict=False):
            self._customers[slot] = customer
        self._customers += customers[len(reused) :]
        self._slots.update(zip(customers, slots.tolist(), strict=True))

    def _make_room(self, wanted: int) -> None:
        if len(self) + wanted > self.limit:
            self._evict(wanted)
        needed = len(self._customers) + wanted - len(self._free)
        if needed > len(self.rows):
            self._grow(max(min(GROWTH * len(self.rows), self.limit), needed))

    def _grow(self, capacity: int) -> None:
        memory, end = RowMemory(capacity), len(self._customers)
        words = as_words(memory.rows)  # quicker to copy than records
        memory.make_ready(end)
        words[:end] = self._words[:end]
        self._memory, self._words = memory, words
        more = capacity - len(self._used)
        self.timers, self._used, self._stamps = (
            np.concatenate([held, np.zeros(more, np.int64)]) for held in (self.timers, self._used, self._stamps)
        )
        self._unseen, self.merged, self._owes = (
            np.concatenate([held, np.zeros(more, np.bool_)]) for held in (self._unseen, self.merged, self._owes)
        )

    def _evict(self, wanted: int) -> None:
        used = self._used[: len(self._customers)]
        idle = int(np.count_nonzero(used < self._tick))
        evicted = min(idle, max(len(self) // EVICTED_SHARE, len(self) + wanted - self.limit))
        if evicted == 0:
            return
        leaving = np.sort(np.argpartition(used, evicted - 1)[:evicted])
        used[leaving] = EMPTY
        for slot in leaving.tolist():
            del self._slots[self._customers[slot]]
            if slot in self._ties:
                self.tie(slot, NO_TIES)
            self._customers[slot] = b""
        self._free += leaving.tolist()
        self.evictions += evicted
