"""Fetched records of one partition, as columns: what the consumer passes to the stream core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.kernels.records import RECORD
from engine.kernels.wire import EARLIEST_MS, EARLIEST_S, LATEST_MS
from engine.ports import record_headers
from engine.ports.sources import SOURCE_HEADER
from engine.post.seal import SIGNATURE_HEADER

NO_TIMESTAMP = -1  # Kafka's own word
_PARTS = ("key", "value", "source", "signature", "headers")


class KafkaRecord(Protocol):
    """What is used of a record that another parser read, aiokafka's; ``timestamp`` is in epoch milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int | None: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class DamagedBatch(msgspec.Struct, frozen=True):
    """A record batch that cannot be read: where it begins, why, and its bytes as the broker gave them."""

    offset: int
    detail: str
    data: bytes


class FetchedRecords(msgspec.Struct, frozen=True, eq=False):
    """All that may be applied of the log's offsets ``[start, end)``, and what cannot be read of them.

    ``columns`` (`RECORD`, N) in the order of the log; what they point to lies in ``data``. Offsets
    without a record hold a transaction's marker, what was aborted or the beginning of a `DamagedBatch`, except for
    ``missing`` of them, the rest of a damaged batch among these.
    """

    data: bytes
    columns: NDArray[np.void]
    start: int
    end: int
    missing: int = 0
    damaged: tuple[DamagedBatch, ...] = ()

    def __len__(self) -> int:
        return len(self.columns) + len(self.damaged)

    def split(self, count: int) -> tuple[FetchedRecords, FetchedRecords]:
        """The first `count` records and damaged batches (one or more), and the others; what is missing is counted
        with the first."""
        border = self._border(count)
        place = int(np.searchsorted(self.columns["offset"], border)) if self.damaged else count
        before = tuple(batch for batch in self.damaged if batch.offset < border)
        behind = self.damaged[len(before) :]
        return (
            FetchedRecords(self.data, self.columns[:place], self.start, border, self.missing, before),
            FetchedRecords(self.data, self.columns[place:], border, self.end, 0, behind),
        )

    def _border(self, count: int) -> int:
        """The offset of the first that is not among the first `count`."""
        if count >= len(self):
            return self.end
        if not self.damaged:
            return int(self.columns["offset"][count])
        offsets: list[int] = self.columns["offset"].tolist()
        return sorted([*offsets, *(batch.offset for batch in self.damaged)])[count]

    def times(self) -> tuple[NDArray[np.int64], int]:
        """The records' own times (N, epoch ms), and how many of them were in seconds. Read as milliseconds, a time
        in seconds lies in the first weeks of 1970, where no record does."""
        times = self.columns["timestamp"].copy()
        if not len(times) or times.min() >= EARLIEST_MS:
            return times, 0
        seconds = (times >= EARLIEST_S) & (times <= LATEST_MS // 1_000)
        times[seconds] *= 1_000
        return times, int(np.count_nonzero(seconds))

    def key(self, place: int) -> bytes | None:
        """The key of the record at `place`."""
        return self._bytes(place, "key")

    def value(self, place: int) -> bytes | None:
        """The value of the record at `place`."""
        return self._bytes(place, "value")

    def source(self, place: int) -> str:
        """What the record at `place` says its format is; empty where it says nothing."""
        return (self._bytes(place, "source") or b"").decode(errors="replace")

    def signature(self, place: int) -> bytes | None:
        """What signs the record at `place`, a letter."""
        return self._bytes(place, "signature")

    def headers(self, place: int) -> dict[str, str]:
        """All headers of the record at `place`, as `engine.ports.record_headers.read` has them."""
        return record_headers.read(self._bytes(place, "headers") or b"")

    def _bytes(self, place: int, name: str) -> bytes | None:
        start, length = int(self.columns[name][place]), int(self.columns[f"{name}_length"][place])
        return None if length < 0 else self.data[start : start + length]


def as_columns(records: Sequence[KafkaRecord]) -> FetchedRecords:
    """Records that some other parser has read."""
    columns = np.empty(len(records), RECORD)
    parts: list[bytes] = []
    end = 0
    for place, record in enumerate(records):
        columns["offset"][place] = record.offset
        columns["timestamp"][place] = NO_TIMESTAMP if record.timestamp is None else record.timestamp
        named = _header(record, SOURCE_HEADER), _header(record, SIGNATURE_HEADER)
        found = (record.key, record.value, *named, record_headers.written(record.headers))
        for name, part in zip(_PARTS, found, strict=True):
            columns[name][place] = end
            columns[f"{name}_length"][place] = -1 if part is None else len(part)
            parts.append(part or b"")
            end += len(parts[-1])
    start, after = (records[0].offset, records[-1].offset + 1) if records else (0, 0)
    return FetchedRecords(b"".join(parts), columns, start, after)


def _header(record: KafkaRecord, wanted: str) -> bytes | None:
    return next((value for name, value in record.headers if name == wanted and value is not None), None)
