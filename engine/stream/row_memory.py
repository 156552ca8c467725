"""The memory of the rows that a worker holds: addresses for all that there may be, and pages for those in use."""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from engine.kernels.row import ROW, ROW_BYTES

AHEAD = 256 << 10  # bytes that are made ready at once: 48 rows
_POPULATE_WRITE = 23  # of Linux's madvise(2), from 5.14 on; `mmap` has no name for it


class RowMemory:
    """`rows` (`ROW`, `capacity`), all 0, which take no memory until they are used.

    Small pages, many made ready by one call: 2.5 µs a row, and 3 where each is made as it is touched. numpy asks
    for huge ones, which take 1 to 20, by where the system finds 2 MB.
    """

    def __init__(self, capacity: int) -> None:
        size = max(capacity, 1) * ROW_BYTES
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._ready = 0
        self.rows: NDArray[np.void] = np.ndarray(capacity, ROW, self._memory)
        if sys.platform == "linux":
            with suppress(OSError):  # a kernel without huge pages
                self._memory.madvise(mmap.MADV_NOHUGEPAGE)

    def make_ready(self, count: int) -> None:
        """Before the first `count` rows are used."""
        end = min(-(-count * ROW_BYTES // AHEAD) * AHEAD, len(self._memory))
        if end <= self._ready:
            return
        if sys.platform == "linux":
            with suppress(OSError):  # an older kernel: each page is made as it is touched
                self._memory.madvise(_POPULATE_WRITE, self._ready, end - self._ready)
        self._ready = end
