"""Record batches decompressed, within a bound: a few bytes may claim to hold more than there is memory.

The codecs are those of https://kafka.apache.org/documentation/#recordbatch; snappy comes bare, or in the blocks of
https://github.com/xerial/snappy-java, which Java's client writes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import cramjam
import numpy as np

from engine.errors import BadBatch

MOST_BYTES = 64 * 1024 * 1024  # of one batch's records; brokers take a compressed one of 1 MB by default
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
_GZIP = 31  # zlib's word for a gzip member with any window


def uncompressed(codec: int, data: bytes, most: int = MOST_BYTES) -> bytes:
    """The records in `data`, which `codec` (1 to 4) compressed. Raises `BadBatch` for what is no such data, for a
    codec that is not known, and for records of more than `most` bytes."""
    if codec not in _CODECS:
        raise BadBatch(f"codec {codec} is not known")
    name, decode = _CODECS[codec]
    try:
        return decode(data, most)
    except (cramjam.DecompressionError, zlib.error, struct.error) as error:
        raise BadBatch(f"{name} cannot read it, or not within {most} bytes: {error}") from None


def _gzip(data: bytes, most: int) -> bytes:
    parts, left = [], most
    while data:
        member = zlib.decompressobj(_GZIP)
        parts.append(member.decompress(data, left + 1))
        left -= len(parts[-1])
        if left < 0 or not member.eof:
            raise zlib.error("too large" if left < 0 else "cut off")
        data = member.unused_data
    return b"".join(parts)


def _snappy(data: bytes, most: int) -> bytes:
    if not data.startswith(_XERIAL):
        return _snappy_block(data, most)
    parts, at = [], _XERIAL_HEADER
    while at < len(data):
        (size,) = struct.unpack_from("!i", data, at)
        at += 4
        if not 0 < size <= len(data) - at:
            raise struct.error(f"a block of {size} bytes")
        parts.append(_snappy_block(data[at : at + size], most))
        at += size
        most -= len(parts[-1])
    return b"".join(parts)


def _snappy_block(data: bytes, most: int) -> bytes:
    if (size := cramjam.snappy.decompress_raw_len(data)) > most:
        raise struct.error(f"{size} bytes")
    return bytes(cramjam.snappy.decompress_raw(data))


def _lz4(data: bytes, most: int) -> bytes:
    room = _room(most)
    return bytes(room[: cramjam.lz4.decompress_into(data, room)])


def _zstd(data: bytes, most: int) -> bytes:
    room = _room(most)
    return bytes(room[: cramjam.zstd.decompress_into(data, room)])


def _room(most: int) -> memoryview:
    """Memory of which no page is touched before it is filled."""
    return np.empty(most, np.uint8).data


#: Codec -> its name and its decoder.
_CODECS: dict[int, tuple[str, Callable[[bytes, int], bytes]]] = {
    1: ("gzip", _gzip),
    2: ("snappy", _snappy),
    3: ("lz4", _lz4),
    4: ("zstd", _zstd),
}
