"""Fetched records of one partition, as columns: what the consumer passes to the stream core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.kernels.records import RECORD
from engine.ports.sources import SOURCE_HEADER


class KafkaRecord(Protocol):
    """What is used of a record that another parser read, aiokafka's; ``timestamp`` is in epoch milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class FetchedRecords(msgspec.Struct, frozen=True, eq=False):
    """All that may be applied of the log's offsets ``[start, end)``.

    ``columns`` (`RECORD`, N) in the order of the log; their keys, values and sources lie in ``data``. Offsets
    without a record hold a transaction's marker or what was aborted, except for ``missing`` of them.
    """

    data: bytes
    columns: NDArray[np.void]
    start: int
    end: int
    missing: int = 0

    def __len__(self) -> int:
        return len(self.columns)

    def split(self, count: int) -> tuple[FetchedRecords, FetchedRecords]:
        """The first `count` records (one or more), and the others; what is missing is counted with the first."""
        first, rest = self.columns[:count], self.columns[count:]
        border = int(rest["offset"][0]) if len(rest) else self.end
        return (
            FetchedRecords(self.data, first, self.start, border, self.missing),
            FetchedRecords(self.data, rest, border, self.end),
        )

    @property
    def newest_at(self) -> int:
        """Timestamp of the last record, epoch ms."""
        return int(self.columns["timestamp"][-1])

    def key(self, place: int) -> bytes | None:
        """The key of the record at `place`."""
        return self._bytes(place, "key")

    def value(self, place: int) -> bytes | None:
        """The value of the record at `place`."""
        return self._bytes(place, "value")

    def source(self, place: int) -> str:
        """What the record at `place` says its format is; empty where it says nothing."""
        return (self._bytes(place, "source") or b"").decode(errors="replace")

    def _bytes(self, place: int, name: str) -> bytes | None:
        start, length = int(self.columns[name][place]), int(self.columns[f"{name}_length"][place])
        return None if length < 0 else self.data[start : start + length]


def as_columns(records: Sequence[KafkaRecord]) -> FetchedRecords:
    """Records that some other parser has read."""
    columns = np.empty(len(records), RECORD)
    parts: list[bytes] = []
    end = 0
    for place, record in enumerate(records):
        columns["offset"][place], columns["timestamp"][place] = record.offset, record.timestamp
        for name, part in (("key", record.key), ("value", record.value), ("source", _source(record))):
            columns[name][place] = end
            columns[f"{name}_length"][place] = -1 if part is None else len(part)
            parts.append(part or b"")
            end += len(parts[-1])
    start, after = (records[0].offset, records[-1].offset + 1) if records else (0, 0)
    return FetchedRecords(b"".join(parts), columns, start, after)


def _source(record: KafkaRecord) -> bytes | None:
    return next((value for name, value in record.headers if name == SOURCE_HEADER and value is not None), None)
