"""What aiokafka's fetcher keeps, made columns: the events topic is never unpacked into one object a record.

aiokafka turns each record into an object with eight attributes, 0.8 µs of the 3.2 that an event cost. Its fetcher
makes its parts by the names of its module; `install` puts ours there. They behave as aiokafka's own for every
other topic, but for two things: a batch that cannot be read is passed and ends no consumer, and one that comes
late (`engine.kafka.late_batches`) is waited for. What we rely on is held by
``tests/contracts/test_aiokafka_fetcher.py``.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
import numpy as np
from aiokafka.consumer import fetcher
from aiokafka.structs import ConsumerRecord

from engine.errors import BadBatch
from engine.kafka.batch_records import Aborted, applicable, records_of
from engine.kafka.late_batches import BEYOND_END, LogEnd
from engine.kafka.single_batches import checked, read_each
from engine.kernels import records as kernels
from engine.ports.records import DamagedBatch, FetchedRecords

log = logging.getLogger("cueline.worker")

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
        self._stock = self.Stock(raw)
        self.next_batch, self.size_in_bytes = self._stock.next_batch, self._stock.size_in_bytes
        self._asked = False

    def has_next(self) -> bool:
        """Whether there is a batch. At the first time also where the bytes hold no whole one: the fetcher would
        end the consumer, `ColumnarResult` passes it."""
        first, self._asked = not self._asked, True
        return self._stock.has_next() or (first and len(self.raw) > 0)


class ColumnarResult(fetcher.FetchResult):  # type: ignore[misc]
    """The records of one partition's fetch, given out as columns where their topic is ours."""

    _partition_records: Any
    _left: FetchedRecords | None = None  # what was parsed and not given out
    _whole = False  # of another topic, and to be read by aiokafka

    def getall(self, max_records: int | None = None) -> Any:
        """Up to `max_records` records."""
        ours = self._topic_partition.topic in _topics
        self._parse(ours)
        if self._whole:
            return super().getall(max_records)
        if self._left is None:
            return []
        given, self._left = self._left.split(len(self._left) if max_records is None else max_records)
        self._partition_records.next_fetch_offset = given.end
        self._update_position()
        if not self._left:
            self._partition_records = None
        return given if ours else self._objects(given)

    def _parse(self, ours: bool) -> None:
        """Read the records into ``_left``, unless they are to be discarded, or aiokafka can read them."""
        if self._whole:
            return
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            self._left = None
        elif self._left is None:
            self._left = self._read(self._partition_records, ours)
            self._whole = not (ours or self._left.damaged)

    def _read(self, records: Any, ours: bool) -> FetchedRecords:
        """The fetch, with what earlier ones went over without finding a record: the fetcher keeps those back. Of
        other topics aiokafka reads more at once, and what it goes over counts nowhere."""
        committed = records._isolation_level == fetcher.READ_COMMITTED
        raw, first = records._records.raw, records.next_fetch_offset
        state = self._assignment.state_value(self._topic_partition)
        below = sys.maxsize if state.highwater is None else max(state.highwater, first) + BEYOND_END
        aborted = records._aborted_transactions if committed else ()
        read = read_batches(raw, first, aborted, below)
        if (read.missing or not ours) and len(shown := self._shown(raw, first, state)) < len(raw):
            records._records, read = KeptRecords(shown), read_batches(shown, first, aborted, below)
            if read.end == first:
                return read
        if read.end == first:  # it would be fetched for ever
            nothing = DamagedBatch(first, f"offset {first} cannot be read: no whole batch begins there", raw)
            read = msgspec.structs.replace(read, end=first + 1, damaged=(nothing,))
        return self._with_those_before(read, state)

    def _shown(self, raw: bytes, first: int, state: Any) -> bytes:
        """What of the fetch is not behind batches that the broker might have shown since it was made."""
        if not hasattr(state, "log_end"):
            state.log_end = LogEnd()
        shown: bytes = state.log_end.shown(raw, first, state.highwater or first, self._created)
        return shown

    def _with_those_before(self, read: FetchedRecords, state: Any) -> FetchedRecords:
        before: FetchedRecords | None = getattr(state, "without_records", None)
        if before is not None and before.end == read.start:
            read = msgspec.structs.replace(read, start=before.start, missing=before.missing + read.missing)
        state.without_records = None if read else read
        return read

    def _objects(self, given: FetchedRecords) -> list[ConsumerRecord[bytes, bytes]]:
        """The records as aiokafka has them, without their headers, of a topic that only an agent reads."""
        topic, partition = self._topic_partition
        for batch in given.damaged:
            log.error("a record batch of %s-%d is passed: %s", topic, partition, batch.detail)
        return [
            ConsumerRecord(
                topic, partition, int(column["offset"]), int(column["timestamp"]), 0,
                given.key(place), given.value(place), None,
                int(column["key_length"]), int(column["value_length"]), (),
            )
            for place, column in enumerate(given.columns)
        ]  # fmt: skip


def read_batches(raw: bytes, first: int, aborted: Aborted = (), below: int = sys.maxsize) -> FetchedRecords:
    """The records in the batches `raw` from offset `first` on, without those of transactions that were `aborted`,
    and the batches that cannot be read. No offset is `below` or above. Raises nothing for what `raw` holds."""
    try:
        return _read_at_once(raw, first, aborted, below)
    except BadBatch:
        return read_each(raw, first, aborted, below)


def _read_at_once(raw: bytes, first: int, aborted: Aborted, below: int) -> FetchedRecords:
    """All batches in two kernels. Raises `BadBatch` when one of them is damaged, or of another format."""
    batches = np.zeros(len(raw) // kernels.HEADER_BYTES + 1, kernels.BATCH)
    found = kernels.scan(np.frombuffer(raw, np.uint8), batches)
    batches = batches[: max(found, 0)]
    if found < 0 or (batches["format"] != kernels.FORMAT).any():
        raise BadBatch("the header of a batch")
    bases, ends = batches["base_offset"], batches["last_offset"] + 1
    if found and ((bases[1:] < ends[:-1]).any() or ends[-1] > below):
        raise BadBatch("batches that do not follow one another")
    kept = applicable(raw, batches, aborted) & (ends > first)
    data, columns, read = records_of(raw, batches[kept], first)
    end = max(int(ends[-1]), first) if found else first
    if len(read) < np.count_nonzero(kept):  # the others are fetched again
        end = max(int(read["last_offset"][-1]) + 1, first)
    skipped = ~kept & (bases < end)
    without = int((ends[skipped] - np.maximum(bases[skipped], first)).clip(0).sum())
    missing = max(end - first - len(columns) - without, 0)
    return checked(FetchedRecords(data, columns, first, end, missing))
