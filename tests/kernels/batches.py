"""Record batches written byte by byte (`struct`), and what the kernels read of them."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from engine.kernels.records import BATCH, RECORD, parse, scan

NAMES = np.frombuffer(b"source", np.uint8), np.frombuffer(b"signature", np.uint8)
LAYOUT = struct.Struct(">qiibIhiqqqhii")
OVERHEAD = LAYOUT.size - 12  # of a batch's length, which counts from behind itself
NULL, EMPTY, NO_HEADERS = b"\x01", b"\x00", b"\x00"
LEAST, MOST = -(2**63), 2**63 - 1


class Batch(NamedTuple):
    """One to write; ``length`` None: what it is."""

    body: bytes = b""
    records: int = 0
    base_offset: int = 0
    attributes: int = 0
    last_delta: int = 0
    first_timestamp: int = 0
    newest_timestamp: int = 0
    producer: int = -1
    length: int | None = None
    format: int = 2

    def written(self) -> bytes:
        length = OVERHEAD + len(self.body) if self.length is None else self.length
        epoch, checksum, producer_epoch, sequence = -1, 2**32 - 1, -1, -1
        before = self.base_offset, length, epoch, self.format, checksum, self.attributes, self.last_delta
        times = self.first_timestamp, self.newest_timestamp
        return LAYOUT.pack(*before, *times, self.producer, producer_epoch, sequence, self.records) + self.body


def varint(value: int) -> bytes:
    """Zig-zag, seven bits a byte, the lowest first."""
    left, written = 2 * value if value >= 0 else -2 * value - 1, bytearray()
    while left > 0x7F:
        written.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*written, left])


def text(value: bytes) -> bytes:
    return varint(len(value)) + value


def record(
    key: bytes = NULL,
    value: bytes = NULL,
    headers: bytes = NO_HEADERS,
    delta: bytes = EMPTY,
    step: bytes = EMPTY,
    extra: int = 0,
) -> bytes:
    """A record of fields as they are written, whose length is `extra` more than it is."""
    body = b"\x00" + delta + step + key + value + headers
    return varint(len(body) + extra) + body


def read(raw: bytes, first: int = LEAST, room: int = 8) -> list[dict[str, Any]] | None:
    """What the kernels find in `raw`; None: it is corrupt."""
    data, batches = np.frombuffer(raw, np.uint8), np.zeros(room, BATCH)
    found = scan(data, batches)
    assert found >= -1
    if found < 0:
        return None
    records = np.full(int(batches["records"].sum()) + 1, -77, RECORD)
    count = parse(data, batches[:found], first, *NAMES, records)
    assert count >= -1
    return None if count < 0 else [_words(raw, column) for column in records[:count]]


def _words(raw: bytes, column: np.void) -> dict[str, Any]:
    words: dict[str, Any] = {name: int(column[name]) for name in ("offset", "timestamp")}
    for name in ("key", "value", "source", "signature"):
        start, length = int(column[name]), int(column[f"{name}_length"])
        words[name] = None if length == -1 else raw[start : start + length]
    return words


def one(body: bytes, **fields: int) -> dict[str, Any] | None:
    """The record in a batch of one; None: it is corrupt."""
    found = read(Batch(body, 1, **fields).written())
    return found[0] if found else None
