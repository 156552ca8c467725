"""Kafka's record batches (message format v2) to columns, with no object a record.

The format: https://kafka.apache.org/documentation/#recordbatch, integers in it are big-endian, lengths and
differences zig-zag varints. Bounds are checked at every step, since the bytes came over a network.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.big_endian import big_endian
from engine.kernels.jit import kernel

HEADER_BYTES = 61  # of a batch; its records follow
LEAST_RECORD_BYTES = 7  # one without key, value and headers
FORMAT = 2

CODEC, LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20  # bits of a batch's attributes

#: One batch: where its records start and end, and what they are relative to.
BATCH = np.dtype(
    [
        ("base_offset", "i8"),
        ("last_offset", "i8"),
        ("first_timestamp", "i8"),
        ("newest_timestamp", "i8"),
        ("producer", "i8"),
        ("start", "i8"),
        ("end", "i8"),
        ("records", "i8"),
        ("attributes", "i8"),
        ("format", "i8"),
    ],
    align=True,
)

#: One record: its place in the log, and where its key, value, two of its headers (length -1: it has none) and all
#: of them, with their count before them, lie.
RECORD = np.dtype(
    [
        ("offset", "i8"),
        ("timestamp", "i8"),
        ("key", "i4"),
        ("key_length", "i4"),
        ("value", "i4"),
        ("value_length", "i4"),
        ("source", "i4"),
        ("source_length", "i4"),
        ("signature", "i4"),
        ("signature_length", "i4"),
        ("headers", "i4"),
        ("headers_length", "i4"),
    ],
    align=True,
)


@kernel
def _int64(data, at):
    return np.int64(big_endian(data, at, 8))


@kernel
def _int32(data, at):
    return np.int64(np.int32(big_endian(data, at, 4)))


@kernel
def scan(data, batches):
    """Read the headers of the whole batches in `data` (uint8) into `batches` (`BATCH`); returns how many.

    A batch that the fetch's size cut off is left out. Returns -1 for a header that cannot be.
    """
    at = found = 0
    size = data.shape[0]
    while at + 17 <= size and found < batches.shape[0]:
        end = at + 12 + _int32(data, at + 8)
        if end > size:
            break
        batch = batches[found]
        batch.format = data[at + 16]
        if batch.format != FORMAT:
            return found + 1
        if end < at + HEADER_BYTES:
            return -1
        batch.base_offset = _int64(data, at)
        batch.attributes = np.int64(big_endian(data, at + 21, 2))
        batch.last_offset = batch.base_offset + _int32(data, at + 23)
        batch.first_timestamp = _int64(data, at + 27)
        batch.newest_timestamp = _int64(data, at + 35)
        batch.producer = _int64(data, at + 43)
        batch.records = _int32(data, at + 57)
        batch.start, batch.end = at + HEADER_BYTES, end
        if batch.records < 0 or batch.last_offset < batch.base_offset:
            return -1
        found += 1
        at = end
    return found


@kernel
def _varint(data, at, end):
    """(value, next position); position -1: past the end, or of more than 64 bits."""
    raw, shift = np.uint64(0), np.uint64(0)
    while at < end and shift <= np.uint64(63):
        byte = data[at]
        at += 1
        raw |= np.uint64(byte & 0x7F) << shift
        if byte < 0x80:
            return np.int64(raw >> np.uint64(1)) ^ -np.int64(raw & np.uint64(1)), at
        shift += np.uint64(7)
    return np.int64(0), -1


@kernel
def _bytes(data, at, end):
    """(start, length, next position) of a length and as many bytes, -1 for null; position -1: past the end."""
    length, start = _varint(data, at, end)
    if start < 0 or length < -1 or length > end - start:
        return 0, 0, -1
    return start, length, start + max(length, 0)


@kernel
def _equal(data, start, length, name):
    if length != name.shape[0]:
        return False
    for i in range(length):
        if data[start + i] != name[i]:
            return False
    return True


@kernel
def _headers(data, at, end, source, signature, out):
    """Note the values of the first header `source` and the first `signature` in the record `out`; returns the next
    position, or -1."""
    out.source, out.source_length = 0, -1
    out.signature, out.signature_length = 0, -1
    count, at = _varint(data, at, end)
    if at < 0 or count < 0:
        return -1
    for _ in range(count):
        start, length, at = _bytes(data, at, end)
        if at < 0 or length < 0:
            return -1
        value, value_length, at = _bytes(data, at, end)
        if at < 0:
            return -1
        if out.source_length < 0 and _equal(data, start, length, source):
            out.source, out.source_length = value, value_length
        elif out.signature_length < 0 and _equal(data, start, length, signature):
            out.signature, out.signature_length = value, value_length
    return at


@kernel
def _record(data, at, end, batch, source, signature, out):
    """Read the record that begins at `at` into `out`; returns where the next begins, -1: it is corrupt."""
    length, at = _varint(data, at, end)
    if at < 0 or length < 1 or length > end - at:
        return -1
    stop = at + length
    delta, at = _varint(data, at + 1, stop)  # past the attributes, of which none is defined
    if at < 0:
        return -1
    step, at = _varint(data, at, stop)
    if at < 0:
        return -1
    out.offset = batch.base_offset + step
    out.timestamp = batch.first_timestamp + delta
    if batch.attributes & LOG_APPEND_TIME:
        out.timestamp = batch.newest_timestamp
    out.key, out.key_length, at = _bytes(data, at, stop)
    if at < 0:
        return -1
    out.value, out.value_length, at = _bytes(data, at, stop)
    if at < 0:
        return -1
    out.headers, out.headers_length = at, stop - at
    return stop if _headers(data, at, stop, source, signature, out) == stop else -1


@kernel
def parse(data, batches, first, source, signature, records):
    """Read the records of `batches` from offset `first` on into `records` (`RECORD`, room for all of them).

    ``data`` (uint8) holds them uncompressed; ``source`` and ``signature`` (uint8) are the names of the headers to
    find. Returns how many were read; -1: a batch is corrupt.
    """
    read = 0
    for b in range(batches.shape[0]):
        batch = batches[b]
        at = batch.start
        for _ in range(batch.records):
            at = _record(data, at, batch.end, batch, source, signature, records[read])
            if at < 0:
                return -1
            if records[read].offset >= first:
                read += 1
        if at != batch.end:
            return -1
    return read
