"""Numbers as networks write them, the highest byte first."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel


@kernel
def big_endian(data, start, width):
    """The unsigned number in the `width` bytes of `data` (uint8) from `start` on."""
    value = np.uint64(0)
    for i in range(start, start + width):
        value = (value << np.uint64(8)) | np.uint64(data[i])
    return value
