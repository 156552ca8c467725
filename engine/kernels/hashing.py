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


def word_hash(word: str) -> int:
    """The hash under which a row knows a category or item; 0 for none.

    >>> word_hash("tv"), word_hash("")
    (9739161534919151965, 0)
    """
    data = word.encode()
    return int(hash64(np.frombuffer(data, np.uint8), 0, len(data))) if data else 0
