"""The rows of one partition that a worker holds in memory: a cache in front of the store.

Every change is sent to the store in the step that makes it, so a row may leave at any time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadState
from engine.kernels.layout import ROW, ROW_BYTES, VERSION

FIRST_CAPACITY = 1024
LEAVING_SHARE = 4  # a full arena drops the least recently used quarter


class Arena:
    """Rows by customer, at most `limit` of them beside those in use; the least recently used leave."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.evictions = 0
        self.rows: NDArray[np.void] = np.zeros(FIRST_CAPACITY, ROW)
        self._slots: dict[bytes, int] = {}
        self._customers: list[bytes] = []
        self._used = np.zeros(FIRST_CAPACITY, np.int64)
        self._tick = 0

    def __len__(self) -> int:
        return len(self._slots)

    def locate(self, customers: Sequence[bytes]) -> NDArray[np.int32]:
        """Slots of `customers`, -1 for one that is not here; marks those found as in use."""
        get = self._slots.get
        found = np.array([get(customer, -1) for customer in customers], np.int32)
        self._tick += 1
        self._used[found[found >= 0]] = self._tick
        return found

    def place(self, customers: Sequence[bytes], stored: Sequence[bytes | None]) -> int:
        """Put rows as read from the store in (None: a new customer); returns how many are new.

        Raises `BadState` for a row of another layout.
        """
        self._make_room(len(customers))
        new = 0
        for customer, data in zip(customers, stored, strict=True):
            slot = len(self._customers)
            self._customers.append(customer)
            self._slots[customer] = slot
            if data is None:
                self.rows[slot] = np.zeros((), ROW)
                new += 1
            else:
                self.rows[slot] = _row(data)
        self._used[len(self._customers) - len(customers) : len(self._customers)] = self._tick
        return new

    def customers(self, slots: NDArray[np.int32]) -> list[bytes]:
        """Whose rows lie in `slots`."""
        names = self._customers
        return [names[slot] for slot in slots.tolist()]

    def encode(self, slots: NDArray[np.int32]) -> list[memoryview]:
        """The rows in `slots` as they are stored, copied once."""
        block = self.rows[slots].view(np.uint8).data
        return [block[start : start + ROW_BYTES] for start in range(0, len(block), ROW_BYTES)]

    def _make_room(self, wanted: int) -> None:
        if len(self._customers) + wanted > self.limit:
            self._evict(wanted)
        need = len(self._customers) + wanted
        if need > len(self.rows):
            capacity = max(2 * len(self.rows), need)
            self.rows = np.concatenate([self.rows, np.zeros(capacity - len(self.rows), ROW)])
            self._used = np.concatenate([self._used, np.zeros(capacity - len(self._used), np.int64)])

    def _evict(self, wanted: int) -> None:
        held = len(self._customers)
        idle = int(np.count_nonzero(self._used[:held] < self._tick))
        leaving = min(idle, max(held // LEAVING_SHARE, held + wanted - self.limit))
        if leaving == 0:
            return
        order = np.argpartition(self._used[:held], leaving - 1)
        staying = np.sort(order[leaving:])
        self.rows[: len(staying)] = self.rows[staying]
        self._used[: len(staying)] = self._used[staying]
        self._customers = [self._customers[slot] for slot in staying.tolist()]
        self._slots = {customer: slot for slot, customer in enumerate(self._customers)}
        self.evictions += leaving


def _row(data: bytes) -> np.void:
    if len(data) != ROW_BYTES or data[0] != VERSION:
        version = data[0] if data else None
        raise BadState(f"a stored row has {len(data)} bytes and version {version}; this is version {VERSION}")
    return np.frombuffer(data, ROW)[0]  # type: ignore[no-any-return]
