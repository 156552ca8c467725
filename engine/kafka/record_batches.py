"""What aiokafka's fetcher keeps, made columns: the events topic is never unpacked into one object a record.

aiokafka turns each record into an object with eight attributes, 0.8 µs of the 3.2 that an event cost. Its fetcher
makes its parts by the names of its module; `install` puts ours there. They behave as aiokafka's own for every
other topic, and for the message formats before v2. What we rely on is held by
``tests/contracts/test_aiokafka_fetcher.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
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
_ABORT = b"\x00\x00"  # the type in a marker's key, behind two bytes of version

#: Codec of a batch -> whether it can be read here, and its decoder.
_CODECS: dict[int, tuple[Callable[[], bool], Callable[[bytes], Any]]] = {
    1: (codec.has_gzip, codec.gzip_decode),
    2: (codec.has_snappy, codec.snappy_decode),
    3: (codec.has_lz4, codec.lz4_decode),
    4: (codec.has_zstd, codec.zstd_decode),
}

#: Producer and first offset of a transaction that was aborted.
Aborted = Iterable[tuple[int, int]]

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

    def getall(self, max_records: int | None = None) -> Any:
        """Up to `max_records` records. Raises `CorruptRecordException` and `UnsupportedCodecError`."""
        if self._topic_partition.topic not in _topics or not self._parse():
            return super().getall(max_records)
        if self._left is None:
            return []
        given, self._left = self._left.split(len(self._left) if max_records is None else max_records)
        self._partition_records.next_fetch_offset = given.end
        self._update_position()
        if not self._left:
            self._partition_records = None
        return given

    def _parse(self) -> bool:
        """Whether the records can be given out as columns, which are then in ``_left``, or are to be discarded."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            self._left = None
        elif self._left is None:
            self._left = self._read(self._partition_records)
            return self._left is not None
        return True

    def _read(self, records: Any) -> FetchedRecords | None:
        """The fetch, with what earlier ones went over without finding a record: the fetcher keeps those back."""
        committed = records._isolation_level == fetcher.READ_COMMITTED
        read = read_batches(
            records._records.raw, records.next_fetch_offset, records._aborted_transactions if committed else ()
        )
        return None if read is None else self._with_those_before(read)

    def _with_those_before(self, read: FetchedRecords) -> FetchedRecords:
        state = self._assignment.state_value(self._topic_partition)
        before: FetchedRecords | None = getattr(state, "without_records", None)
        if before is not None and before.end == read.start:
            read = msgspec.structs.replace(read, start=before.start, missing=before.missing + read.missing)
        state.without_records = None if read else read
        return read


def read_batches(raw: bytes, first: int, aborted: Aborted = ()) -> FetchedRecords | None:
    """The records in the batches `raw` from offset `first` on, without those of transactions that were `aborted`;
    None for the message formats before v2. Raises `CorruptRecordException`, `UnsupportedCodecError`."""
    data = np.frombuffer(raw, np.uint8)
    batches = np.zeros(len(raw) // kernels.HEADER_BYTES + 1, kernels.BATCH)
    found = kernels.scan(data, batches)
    batches = batches[: max(found, 0)]
    if found < 0:
        raise CorruptRecordException("the header of a record batch")
    if (batches["format"] != kernels.FORMAT).any():
        return None
    end = max(int(batches["last_offset"][-1]) + 1, first) if found else first
    kept = _applicable(raw, batches, aborted)
    skipped = batches[~kept]
    batches = batches[kept]
    if (batches["attributes"] & kernels.CODEC).any():
        raw, batches = _uncompressed(raw, batches)
    columns = _parsed(raw, batches, first)
    without = int((skipped["last_offset"] + 1 - np.maximum(skipped["base_offset"], first)).clip(0).sum())
    return FetchedRecords(raw, columns, first, end, max(end - first - len(columns) - without, 0))


def _applicable(raw: bytes, batches: NDArray[np.void], aborted: Aborted) -> NDArray[np.bool_]:
    """Which batches hold records that count: no markers, and nothing of a transaction that was aborted."""
    control: NDArray[np.bool_] = (batches["attributes"] & kernels.CONTROL) != 0
    kept: NDArray[np.bool_] = ~control
    waiting, gone = sorted(aborted, key=lambda one: one[1]), set[int]()
    if not waiting:
        return kept
    for place, batch in enumerate(batches):
        while waiting and waiting[0][1] <= batch["base_offset"]:
            gone.add(waiting.pop(0)[0])
        producer = int(batch["producer"])
        if control[place]:
            if _aborts(raw, batches[place : place + 1]):
                gone.discard(producer)
        elif batch["attributes"] & kernels.TRANSACTIONAL and producer in gone:
            kept[place] = False
    return kept


def _aborts(raw: bytes, marker: NDArray[np.void]) -> bool:
    """Whether the only record of a control batch ends an aborted transaction."""
    found = FetchedRecords(raw, _parsed(raw, marker, 0), 0, 0)
    return len(found) > 0 and (found.key(0) or b"")[2:4] == _ABORT


def _parsed(raw: bytes, batches: NDArray[np.void], first: int) -> NDArray[np.void]:
    count = int(batches["records"].sum())
    if count > len(raw) // kernels.LEAST_RECORD_BYTES or len(raw) > _MOST_BYTES:
        raise CorruptRecordException(f"{count} records in {len(raw)} bytes")
    columns = np.empty(count, kernels.RECORD)
    read = kernels.parse(np.frombuffer(raw, np.uint8), batches, first, _SOURCE, columns)
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
