"""A fetch read batch by batch, where it could not be read at once: what is damaged is passed, all else counts.

Where a batch lies among the bytes is the broker's word, which finds its own batches by it. What a damaged batch
says of its offsets is believed where it fits its neighbours; else the least is passed: what lies before the next
batch, or one offset.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import cramjam
import numpy as np
from aiokafka.errors import KafkaError
from aiokafka.record.memory_records import MemoryRecords
from numpy.typing import NDArray

from engine.errors import BadBatch
from engine.kafka.batch_records import Aborted, applicable, records_of
from engine.kernels import records as kernels
from engine.ports.records import DamagedBatch, FetchedRecords, as_columns

_PLACE = struct.Struct(">qi")  # a batch's first offset, and its length from there on
_FORMAT_AT = 16
_NO_BATCH: NDArray[np.void] = np.zeros(0, kernels.BATCH)

#: What aiokafka's reader of the old formats raises for bytes that are none.
_OLD_FAULTS = (
    KafkaError, cramjam.DecompressionError, zlib.error, struct.error, EOFError, OSError, ValueError,
    ArithmeticError, LookupError, TypeError, MemoryError,
)  # fmt: skip


class _Frame(NamedTuple):
    """One batch among the bytes; ``header`` (`BATCH`) is empty where it is of another format or cannot be."""

    start: int
    stop: int
    base: int
    format: int
    header: NDArray[np.void]


def read_each(raw: bytes, first: int, aborted: Aborted, below: int) -> FetchedRecords:
    """The records of the batches in `raw` from offset `first` on, and the batches that cannot be read; no offset
    is `below` or above. Raises nothing for what `raw` holds."""
    frames = list(_frames(raw))
    headers = np.concatenate([_NO_BATCH, *(frame.header for frame in frames)])
    counts = iter(applicable(raw, headers, aborted).tolist())
    whole, damaged, at, without = list[FetchedRecords](), list[DamagedBatch](), first, 0
    for frame, following in zip_longest(frames, frames[1:]):
        behind = None if following is None else following.base
        counted = next(counts) if len(frame.header) else True
        limit = below if behind is None or behind <= at else min(behind, below)
        try:
            read = _read(raw, frame, at, counted)
            if not at <= read.end <= limit:
                raise BadBatch("its offsets do not lie between those of its neighbours")
            without += 0 if counted else read.end - read.start
            whole.append(read)
            at = read.end
        except BadBatch as fault:
            start = frame.base if at <= frame.base < limit else at
            end = _end(frame, start, limit, behind is not None)
            if frame.base >= at:  # else its beginning was passed, and counted, before
                detail = f"offsets {start} to {end - 1} cannot be read: {fault}"
                damaged.append(DamagedBatch(start, detail, raw[frame.start : frame.stop]))
            at = end
    data, columns = _joined(whole)
    missing = at - first - len(columns) - len(damaged) - without
    return FetchedRecords(data, columns, first, at, max(missing, 0), tuple(damaged))


def gaps(raw: bytes, first: int) -> Iterator[tuple[int, int]]:
    """The batches in `raw`, fetched from offset `first` on, before which offsets are missing: where each begins
    among the bytes, and its first offset. Behind one whose header does not say where it ends nothing is known."""
    at: int | None = first
    for frame in _frames(raw):
        if at is not None and frame.base > at:
            yield frame.start, frame.base
        at = max(int(frame.header["last_offset"][0]) + 1, first) if len(frame.header) else None


def _frames(raw: bytes) -> Iterator[_Frame]:
    """The batches in `raw`, without one that its end cuts off; where a length cannot be, nothing more is found."""
    at = 0
    while at + _FORMAT_AT < len(raw):
        base, length = _PLACE.unpack_from(raw, at)
        stop = at + _PLACE.size + length
        if not at + _FORMAT_AT < stop <= len(raw):
            return
        yield _Frame(at, stop, base, raw[at + _FORMAT_AT], _header(raw[at:stop], at))
        at = stop


def _header(part: bytes, at: int) -> NDArray[np.void]:
    header: NDArray[np.void] = np.zeros(1, kernels.BATCH)
    found = kernels.scan(np.frombuffer(part, np.uint8), header)
    if found < 1 or header["format"][0] != kernels.FORMAT:
        return _NO_BATCH
    header["start"] += at
    header["end"] += at
    return header


def _read(raw: bytes, frame: _Frame, at: int, counted: bool) -> FetchedRecords:
    """The records of one batch from offset `at` on; none where it is not `counted`. Raises `BadBatch`."""
    if frame.format < kernels.FORMAT:
        return _old(raw[frame.start : frame.stop], frame, at)
    if not len(frame.header):
        raise BadBatch("its header cannot be" if frame.format == kernels.FORMAT else _unknown(frame.format))
    end = max(int(frame.header["last_offset"][0]) + 1, at)
    start = max(frame.base, at)
    if not counted:
        return FetchedRecords(b"", np.empty(0, kernels.RECORD), start, end)
    data, columns, _ = records_of(raw, frame.header, at)
    return checked(FetchedRecords(data, columns, start, end))


def _old(part: bytes, frame: _Frame, at: int) -> FetchedRecords:
    """Of the message formats before v2, which aiokafka reads: an object a record."""
    try:
        batch = MemoryRecords(part).next_batch()
        records = [record for record in batch or () if record.offset >= at]
    except _OLD_FAULTS as fault:
        raise BadBatch(f"{type(fault).__name__}: {fault}") from None
    end = records[-1].offset + 1 if records else max(frame.base + 1, at)
    made = as_columns(records)
    return checked(FetchedRecords(made.data, made.columns, min(max(frame.base, at), end), end))


def _unknown(format: int) -> str:
    return f"message format {format} is not known"


def checked(read: FetchedRecords) -> FetchedRecords:
    """`read`, whose records lie one after the other in its offsets. Raises `BadBatch`."""
    offsets = read.columns["offset"]
    if len(offsets) and not (offsets[0] >= read.start and offsets[-1] < read.end and (np.diff(offsets) > 0).all()):
        raise BadBatch("its records do not follow one another")
    return read


def _end(frame: _Frame, start: int, limit: int, followed: bool) -> int:
    """The offset behind a damaged batch that begins at `start`. It is at most `limit`, where the next begins if
    it is `followed` by one."""
    if len(frame.header):
        end, records = int(frame.header["last_offset"][0]) + 1, int(frame.header["records"][0])
        if start < end <= limit and (followed or end - frame.base == records):
            return end
    return limit if followed and limit > start else start + 1


def _joined(parts: list[FetchedRecords]) -> tuple[bytes, NDArray[np.void]]:
    """The bytes of all `parts`, and their columns with the places in these."""
    columns, end = [np.empty(0, kernels.RECORD)], 0
    for part in parts:
        moved = part.columns.copy()
        for name in ("key", "value", "source", "signature", "headers"):
            moved[name] += end
        columns.append(moved)
        end += len(part.data)
    return b"".join(part.data for part in parts), np.concatenate(columns)
