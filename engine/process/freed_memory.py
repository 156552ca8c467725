"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes

#: Of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

KEPT_BYTES = 64 << 20
MAPPED_BYTES = 8 << 20  # blocks from here on, such as the rows in memory, are mapped by themselves


def keep_freed_memory() -> bool:
    """Have the process keep up to `KEPT_BYTES` that were freed, for what it needs next; returns whether it does,
    which only glibc can.

    A commit is a frame of 3 MB, freed once it is sent. By default each goes back to the system, which zeroes every
    page of the next: 0.8 µs a row, as much as copying it twice.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
