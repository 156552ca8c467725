"""A bounded set of hashes for deduplication, so that a name is written once and not with every event."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel


@kernel
def add_new(codes, table, out):
    """Put ``codes`` (uint32, N) into `table` (uint32, a power of two long, 0: free); `out` (int32, N) gets the
    places of those that were new, each once. Returns how many.

    0 is no hash. A table that is three quarters full is emptied first: names are written again then.
    """
    mask = np.uint32(table.shape[0] - 1)
    room = table.shape[0] * 3 // 4 - np.count_nonzero(table)
    new = 0
    for i in range(codes.shape[0]):
        code = codes[i]
        if code == 0:
            continue
        slot = code & mask
        while table[slot] != 0 and table[slot] != code:
            slot = (slot + np.uint32(1)) & mask
        if table[slot] == code:
            continue
        if room <= 0:
            table[:] = 0
            slot, room = code & mask, table.shape[0] * 3 // 4
        table[slot] = code
        room -= 1
        out[new] = i
        new += 1
    return new
