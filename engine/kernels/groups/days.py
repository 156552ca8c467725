"""On which days something happened: a bit a day, bit 0 the day of the last time. A day is one of UTC."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel

DAYS = 32  # bits: how far back
DAY_S = 86_400
_ALL = 0xFFFFFFFF


@kernel
def joined_days(at, days, other_at, other_days):
    """The days of both, as seen from the later of `at` and `other_at` (seconds since `wire.EARLIEST_S`, which is a
    midnight)."""
    later = np.int64(at) // DAY_S - np.int64(other_at) // DAY_S
    if later >= 0:
        return np.int64(days) | _earlier(other_days, later)
    return np.int64(other_days) | _earlier(days, -later)


@kernel
def _earlier(days, by):
    return (np.int64(days) << by) & _ALL if by < DAYS else np.int64(0)


@kernel
def how_many(days):
    """The days among them."""
    left, count = np.int64(days), 0
    while left:
        left &= left - 1
        count += 1
    return count
