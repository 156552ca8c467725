"""Values of MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md): those that an event may hold."""

from __future__ import annotations

import numpy as np

from engine.kernels.big_endian import big_endian
from engine.kernels.jit import kernel

LONG_ARRAY, NIL = 0xDC, 0xC0  # first bytes


@kernel
def integer(data, at, end):
    """(value, next position); position -1: not an integer, or past the end."""
    if at >= end:
        return np.int64(0), -1
    tag = data[at]
    if tag <= 0x7F:
        return np.int64(tag), at + 1
    if tag >= 0xE0:
        return np.int64(tag) - 256, at + 1
    if 0xCC <= tag <= 0xCF:
        width = 1 << (tag - 0xCC)
        if at + 1 + width > end:
            return np.int64(0), -1
        value = big_endian(data, at + 1, width)
        if value > np.uint64(0x7FFFFFFFFFFFFFFF):
            return np.int64(0), -1
        return np.int64(value), at + 1 + width
    if 0xD0 <= tag <= 0xD3:
        width = 1 << (tag - 0xD0)
        if at + 1 + width > end:
            return np.int64(0), -1
        shift = np.uint64(64 - 8 * width)
        return np.int64(big_endian(data, at + 1, width) << shift) >> np.int64(shift), at + 1 + width
    return np.int64(0), -1


@kernel
def text(data, at, end):
    """(start, length, next position) of a string, or of nil as the empty one; position -1: neither."""
    if at >= end:
        return 0, 0, -1
    tag = data[at]
    if tag == NIL:
        return at, 0, at + 1
    if 0xA0 <= tag <= 0xBF:
        start, length = at + 1, np.int64(tag & 0x1F)
    elif 0xD9 <= tag <= 0xDB:
        width = 1 << (tag - 0xD9)
        if at + 1 + width > end:
            return 0, 0, -1
        start, length = at + 1 + width, np.int64(big_endian(data, at + 1, width))
    else:
        return 0, 0, -1
    if start + length > end:
        return 0, 0, -1
    return start, length, start + length


@kernel
def number(data, at, end):
    """(float, next position); integers count."""
    if at < end and data[at] == 0xCB:
        if at + 9 > end:
            return 0.0, -1
        return np.uint64(big_endian(data, at + 1, 8)).view(np.float64), at + 9
    if at < end and data[at] == 0xCA:
        if at + 5 > end:
            return 0.0, -1
        return np.float64(np.uint32(big_endian(data, at + 1, 4)).view(np.float32)), at + 5
    whole, after = integer(data, at, end)
    return np.float64(whole), after
