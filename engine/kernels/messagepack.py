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


@kernel
def passed_over(data, at, end):
    """The position behind one value of any form, and all that lies in it; -1: it ends early, or is none."""
    left = 1
    while left > 0:
        if at >= end:
            return -1
        tag = data[at]
        head, size, inner = _extent(data, at, end, tag)
        if head < 0 or size > end - at - 1 - head:
            return -1
        at += 1 + head + size
        left += inner - 1
    return at


@kernel
def _extent(data, at, end, tag):
    """(bytes of the length behind `tag`, bytes of the value behind those, values within it); -1: no such form."""
    if tag <= 0x7F or tag >= 0xE0:
        return 0, 0, 0
    if tag <= 0x8F:
        return 0, 0, 2 * np.int64(tag & 0x0F)
    if tag <= 0x9F:
        return 0, 0, np.int64(tag & 0x0F)
    if tag <= 0xBF:
        return 0, np.int64(tag & 0x1F), 0
    if tag == 0xC1:
        return -1, 0, 0
    if tag <= 0xC3:
        return 0, 0, 0
    if tag <= 0xD8:  # binaries, extensions, floats, integers: of a width, or of a length that is written
        return _extent_of_bytes(data, at, end, tag)
    if tag <= 0xDB:
        width = 1 << (tag - 0xD9)
        return width, _length(data, at, end, width), 0
    width = 2 if tag == 0xDC or tag == 0xDE else 4
    return width, 0, _length(data, at, end, width) * (2 if tag >= 0xDE else 1)


@kernel
def _extent_of_bytes(data, at, end, tag):
    if tag <= 0xC6:
        width = 1 << (tag - 0xC4)
        return width, _length(data, at, end, width), 0
    if tag <= 0xC9:
        width = 1 << (tag - 0xC7)
        return width, _length(data, at, end, width) + 1, 0
    if tag <= 0xCB:
        return 0, 4 << (tag - 0xCA), 0
    if tag <= 0xD3:
        return 0, 1 << ((tag - 0xCC) & 3), 0
    return 0, (1 << (tag - 0xD4)) + 1, 0


@kernel
def _length(data, at, end, width):
    """The number in the `width` bytes behind `at`; more than there can be where they are not all there."""
    if at + 1 + width > end:
        return np.int64(0x7FFFFFFF)
    return np.int64(big_endian(data, at + 1, width))
