"""Hashes of short byte strings inside compiled code."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel

_OFFSET = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX2 = np.uint64(0xC4CEB9FE1A85EC53)
_S33 = np.uint64(33)


@kernel
def hash64(data, start, length):
    """FNV-1a over ``data[start:start + length]`` with MurmurHash3's final mix; never 0 but for no bytes."""
    if length == 0:
        return np.uint64(0)
    h = _OFFSET
    for i in range(start, start + length):
        h = (h ^ np.uint64(data[i])) * _PRIME
    h = (h ^ (h >> _S33)) * _MIX1
    h = (h ^ (h >> _S33)) * _MIX2
    h = h ^ (h >> _S33)
    return h if h != np.uint64(0) else np.uint64(1)


@kernel
def upper(h):
    """The upper half of a `hash64`; never 0 but for no bytes."""
    half = np.uint32(h >> np.uint64(32))
    if half == np.uint32(0) and h != np.uint64(0):
        return np.uint32(1)
    return half


@kernel
def hash32(data, start, length):
    """The `upper` half of the `hash64` of the same bytes."""
    return upper(hash64(data, start, length))


def word_hash(word: str) -> int:
    """The 32-bit hash under which a row knows a category or item.

    >>> word_hash("tv"), word_hash("")
    (2267575248, 0)
    """
    data = word.encode()
    return int(hash32(np.frombuffer(data, np.uint8), 0, len(data)))
