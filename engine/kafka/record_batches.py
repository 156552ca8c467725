"""What aiokafka's fetcher keeps, made columns: the events topic is never unpacked into one object a record.

aiokafka turns each record into an object with eight attributes, 0.8 µs of the 3.2 that an event cost. Its fetcher
makes its parts by the names of its module; `install` puts ours there. They behave as aiokafka's own for every
other topic, and in two cases: the old message formats, and transactions read as committed. What we rely on is held
by ``tests/contracts/test_aiokafka_fetcher.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from aiokafka import codec
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from numpy.typing import NDArray

from engine.kernels import records as kernels
from engine.ports.records import FetchedRecords
from engine.ports.sources import SOURCE_HEADER

_SOURCE = np.frombuffer(SOURCE_HEADER.encode(), np.uint8)
_MOST_BYTES = 2**31 - 1  # columns hold starts as 32 bits

#: Codec of a batch -> whether it can be read here, and its decoder.
_CODECS: dict[int, tuple[Callable[[], bool], Callable[[bytes], Any]]] = {
    1: (codec.has_gzip, codec.gzip_decode),
    2: (codec.has_snappy, codec.snappy_decode),
    3: (codec.has_lz4, codec.lz4_decode),
    4: (codec.has_zstd, codec.zstd_decode),
}

_topics: set[str] = set()  # those that are read as columns


def install(topic: str) -> None:
    """From now on consumers of this process get `topic` as `FetchedRecords`."""
    _topics.add(topic)
    fetcher.MemoryRecords = KeptRecords
    fetcher.FetchResult = ColumnarResult


class KeptRecords:
    """aiokafka's `MemoryRecords`, which is compiled and keeps its bytes to itself, with them as ``raw``."""

    Stock = fetcher.MemoryRecords

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        stock = self.Stock(raw)
        self.has_next, self.next_batch, self.size_in_bytes = stock.has_next, stock.next_batch, stock.size_in_bytes


class ColumnarResult(fetcher.FetchResult):  # type: ignore[misc]
    """The records of one partition's fetch, given out as columns where their topic is ours."""

    _partition_records: Any
    _left: FetchedRecords | None = None  # what was parsed and not given out
    _end = 0  # the offset behind all of them

    def getall(self, max_records: int | None = None) -> Any:
        """Up to `max_records` records. Raises `CorruptRecordException` and `UnsupportedCodecError`."""
        if self._topic_partition.topic not in _topics or not self._parse():
            return super().getall(max_records)
        if self._left is None:
            return []
        given = self._left[:max_records]
        self._left = self._left[len(given) :]
        self._partition_records.next_fetch_offset = self._left.first if self._left else self._end
        self._update_position()
        if not self._left:
            self._partition_records = None
        return given

    def _parse(self) -> bool:
        """Whether the records can be given out as columns, which are then in ``_left``, or are to be discarded."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            self._left = None
        elif self._left is None:
            records = self._partition_records
            if records._isolation_level == fetcher.READ_COMMITTED:
                return False
            parsed = read(records._records.raw, records.next_fetch_offset)
            if parsed is None:
                return False
            self._left, self._end = parsed
        return True


def read(raw: bytes, first: int) -> tuple[FetchedRecords, int] | None:
    """The records in the batches `raw` from offset `first` on, and the offset behind them, where a batch's records
    may be gone; None for the message formats before v2. Raises `CorruptRecordException`, `UnsupportedCodecError`.
    """
    data = np.frombuffer(raw, np.uint8)
    batches = np.zeros(len(raw) // kernels.HEADER_BYTES + 1, kernels.BATCH)
    found = kernels.scan(data, batches)
    batches = batches[: max(found, 0)]
    if found < 0:
        raise CorruptRecordException("the header of a record batch")
    if (batches["format"] != kernels.FORMAT).any():
        return None
    if (batches["attributes"] & kernels.CODEC).any():
        raw, batches = _uncompressed(raw, batches)
        data = np.frombuffer(raw, np.uint8)
    end = max(int(batches["last_offset"][-1]) + 1, first) if found else first
    return FetchedRecords(raw, _parsed(data, batches, first)), end


def _parsed(data: NDArray[np.uint8], batches: NDArray[np.void], first: int) -> NDArray[np.void]:
    count = int(batches["records"].sum())
    if count > len(data) // kernels.LEAST_RECORD_BYTES or len(data) > _MOST_BYTES:
        raise CorruptRecordException(f"{count} records in {len(data)} bytes")
    columns = np.empty(count, kernels.RECORD)
    read = kernels.parse(data, batches, first, _SOURCE, columns)
    if read < 0:
        raise CorruptRecordException("a record batch")
    return columns[:read]


def _uncompressed(raw: bytes, batches: NDArray[np.void]) -> tuple[bytes, NDArray[np.void]]:
    """The records of all batches without their headers, and the batches with their new places."""
    parts, end = [], 0
    for batch in batches:
        part, used = raw[batch["start"] : batch["end"]], int(batch["attributes"]) & kernels.CODEC
        if used:
            part = bytes(_decoder(used)(part))
        batch["start"], batch["end"] = end, end + len(part)
        end += len(part)
        parts.append(part)
    return b"".join(parts), batches


def _decoder(used: int) -> Callable[[bytes], Any]:
    has, decode = _CODECS.get(used, (lambda: False, bytes))
    if not has():
        raise UnsupportedCodecError(f"codec {used} of a record batch")
    return decode
