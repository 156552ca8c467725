"""A bounded set of hashes for deduplication, so that a word is written once and not with every event."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel


@kernel
def add_new(codes, table, used, out):
    """Put the hashes ``codes`` (uint64, N) into `table` (uint64, a power of two long, 0: free), of which
    ``used[0]`` (int64) places are taken; `out` (int32, N) gets the places of those that were new, each once.
    Returns how many.

    Code 0 is no word. A table that is three quarters full is emptied first: words are written again then.
    """
    mask, most, new = np.uint64(table.shape[0] - 1), table.shape[0] * 3 // 4, 0
    for i in range(codes.shape[0]):
        if codes[i] == 0:
            continue
        key = codes[i]
        slot = key & mask
        while table[slot] != 0 and table[slot] != key:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] == key:
            continue
        if used[0] >= most:
            table[:] = 0
            slot, used[0] = key & mask, 0
        table[slot] = key
        used[0] += 1
        out[new] = i
        new += 1
    return new
