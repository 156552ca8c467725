"""Kafka's default partitioner, so that a customer's partition is the same for every producer.

Murmur2 as in the Java client (``org.apache.kafka.common.utils.Utils.murmur2``), 32 bits, seed 0x9747b28c.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engine.kernels.jit import kernel

_SEED = np.uint32(0x9747B28C)
_M = np.uint32(0x5BD1E995)


@kernel
def murmur2(data, start, length):
    """Murmur2 of ``data[start:start + length]`` (uint8 array), as an unsigned 32-bit integer.

    >>> int(murmur2(np.frombuffer(b"ann", np.uint8), 0, 3))
    4170284722
    """
    h = np.uint32(_SEED ^ np.uint32(length))
    end = start + (length & ~3)
    i = start
    while i < end:
        k = np.uint32(data[i]) | np.uint32(data[i + 1]) << np.uint32(8)
        k = k | np.uint32(data[i + 2]) << np.uint32(16) | np.uint32(data[i + 3]) << np.uint32(24)
        k = np.uint32(np.uint32(k) * _M)
        k = np.uint32(np.uint32(k ^ np.uint32(k >> np.uint32(24))) * _M)
        h = np.uint32(np.uint32(h * _M) ^ k)
        i += 4
    tail = length & 3
    if tail == 3:
        h = np.uint32(h ^ np.uint32(np.uint32(data[end + 2]) << np.uint32(16)))
    if tail >= 2:
        h = np.uint32(h ^ np.uint32(np.uint32(data[end + 1]) << np.uint32(8)))
    if tail >= 1:
        h = np.uint32(np.uint32(h ^ np.uint32(data[end])) * _M)
    h = np.uint32(np.uint32(h ^ np.uint32(h >> np.uint32(13))) * _M)
    return np.uint32(h ^ np.uint32(h >> np.uint32(15)))


@kernel
def partition(data, start, length, partitions):
    """Partition of the key ``data[start:start + length]``: positive murmur2 modulo `partitions`."""
    return np.int64(murmur2(data, start, length) & np.uint32(0x7FFFFFFF)) % partitions


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Partition of one customer's key (UTF-8 bytes).

    >>> partition_of(b"ann", 16)
    2
    """
    return int(partition(np.frombuffer(key, np.uint8), 0, len(key), partitions))
