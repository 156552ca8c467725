"""When two ids of orders are the same. Of an order that a row of version 1 knew there is the upper half alone."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel

_HALF, _LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)


@kernel
def is_one_id(one, other):
    """Whether two ids are the same, as far as both are known: of one whose lower half is 0 only the upper is."""
    if one == other:
        return True
    half = one & _LOWER == 0 or other & _LOWER == 0
    return half and one >> _HALF == other >> _HALF and one >> _HALF != 0
