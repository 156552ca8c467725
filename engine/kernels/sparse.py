"""Feature vectors as bytes: most values are 0, so only the others are kept."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel


@kernel
def pack(features, packed):
    """Write `features` (float64, F) into `packed` (uint8, at least ``2 + ceil(F / 8) + 8 F``); returns how many
    bytes that took.

    F (two bytes, little-endian), a bit for each value (big-endian in its byte) that is not 0, then those values.
    """
    count = features.shape[0]
    source = features.view(np.uint8)
    packed[0], packed[1] = count & 255, count >> 8
    end = 2 + (count + 7) // 8
    for i in range(2, end):
        packed[i] = 0
    for i in range(count):
        if features[i] != 0.0:
            packed[2 + i // 8] |= 128 >> (i % 8)
            for byte in range(8):  # slices would double the time
                packed[end + byte] = source[8 * i + byte]
            end += 8
    return end


@kernel
def pack_many(features, packed, ends):
    """`pack` each of `features` (float64, N x F), one behind the other, into `packed` (uint8, long enough for N);
    `ends` (int64, N) gets where each ends. One call for many: a call costs as much as packing several."""
    end = 0
    for i in range(features.shape[0]):
        end += pack(features[i], packed[end:])
        ends[i] = end
