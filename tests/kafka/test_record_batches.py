"""Record batches as columns: aiokafka writes them, and its own reader says what is in them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import permutations
from typing import Any, NamedTuple

import cramjam
import numpy as np
import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from engine.kafka import record_batches
from engine.kernels.records import BATCH, LEAST_RECORD_BYTES, TRANSACTIONAL
from engine.ports.records import FetchedRecords, as_columns

NOW = 1_700_000_000_000
#: what decoders raise for damaged data
DAMAGED = (cramjam.DecompressionError, OSError, EOFError, zlib.error)

ATTRIBUTES, CONTROL, LOG_APPEND_TIME = 21, 0x20, 0x08
TOPIC = TopicPartition("events", 3)


class Record(NamedTuple):
    """One to write."""

    offset: int
    timestamp: int = NOW
    key: bytes | None = b"ann"
    value: bytes | None = b"value"
    headers: Sequence[tuple[str, bytes | None]] = ()


def batch(records: list[Record], base: int = 0, codec: int = 0, attributes: int = 0, producer: int = -1) -> bytes:
    """A batch as a broker keeps it: offsets from `base` on, ``attributes`` added to those of the codec."""
    builder = DefaultRecordBatchBuilder(2, codec, producer >= 0, producer, 0, -1, 1 << 24)
    for one in records:
        assert builder.append(one.offset - base, one.timestamp, one.key, one.value, list(one.headers))
    raw = bytearray(builder.build())
    raw[:8] = struct.pack(">q", base)
    raw[ATTRIBUTES + 1] |= attributes
    return bytes(raw)


def marker(offset: int, producer: int, aborts: bool) -> bytes:
    """The end of a transaction."""
    key = struct.pack(">hh", 0, 0 if aborts else 1)
    return batch([Record(offset, NOW, key, b"\0" * 6)], offset, 0, CONTROL, producer)


def as_aiokafka_reads(raw: bytes, first: int, aborted: Sequence[tuple[int, int]] = ()) -> tuple[list[Any], int]:
    """Its records from offset `first` on, and the offset to fetch next, which a batch before lowers."""
    reader = fetcher.PartitionRecords(
        TOPIC, MemoryRecords(raw), list(aborted), first, None, None, False, fetcher.READ_COMMITTED
    )
    records = [record for record in reader if record.offset >= first]
    return records, max(reader.next_fetch_offset, first)


def contents(fetched: FetchedRecords) -> list[tuple[int, int, bytes | None, bytes | None, str]]:
    return [
        (int(column["offset"]), int(column["timestamp"]), fetched.key(i), fetched.value(i), fetched.source(i))
        for i, column in enumerate(fetched.columns)
    ]


def agree(raw: bytes, first: int, aborted: Sequence[tuple[int, int]] = ()) -> FetchedRecords:
    """What we read is what aiokafka reads."""
    read = record_batches.read_batches(raw, first, aborted)
    assert read is not None
    records, after = as_aiokafka_reads(raw, first, aborted)
    assert contents(read) == contents(as_columns(records))
    assert (read.start, read.end) == (first, after)
    return read


BYTES = st.none() | st.binary(max_size=80) | st.binary(min_size=120, max_size=140)
HEADERS = st.lists(
    st.tuples(st.sampled_from(["source", "sourc", "sources", "trace", ""]), st.none() | st.binary(max_size=9)),
    max_size=3,
)
TIMES = st.integers(0, 2**45)


@st.composite
def batches(draw: st.DrawFn) -> tuple[bytes, int]:
    """Batches with gaps in and between them, as compaction leaves them, and the offset behind the last."""
    raw, offset = b"", draw(st.integers(0, 2**40))
    for _ in range(draw(st.integers(0, 4))):
        base = offset = offset + draw(st.integers(0, 3))
        records = []
        for _ in range(draw(st.integers(1, 5))):
            records.append(Record(offset, draw(TIMES), draw(BYTES), draw(BYTES), draw(HEADERS)))
            offset += draw(st.integers(1, 3))
        raw += batch(records, base, draw(st.integers(0, 4)), draw(st.sampled_from([0, LOG_APPEND_TIME])))
        offset = records[-1].offset + 1
        if draw(st.booleans()):
            raw += marker(offset, 7, aborts=False)
            offset += 1
    return raw, offset


#: Half of all examples are read from the beginning and to the end.
BACK, CUT = st.just(2**42) | st.integers(-3, 12), st.just(0) | st.integers(0, 70)


@given(batches(), BACK, CUT)
def test_batches_are_read_as_aiokafka_reads_them(made: tuple[bytes, int], back: int, cut: int) -> None:
    """From any offset on, and however the fetch's size cut the last one off."""
    raw, end = made
    agree(raw[: len(raw) - cut] if cut < len(raw) else raw, max(end - back, 0))


@given(batches(), st.data())
def test_damaged_batches_are_refused_and_nothing_is_read_beyond_them(
    made: tuple[bytes, int], data: st.DataObject
) -> None:
    """Whatever the bytes say, there is an answer: records that lie within them, or that they are corrupt."""
    raw = bytearray(made[0])
    for _ in range(data.draw(st.integers(1, 4))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = record_batches.read_batches(bytes(raw), 0)
    except (CorruptRecordException, UnsupportedCodecError):
        return
    except DAMAGED:
        return
    if read is None:
        return
    for name in ("key", "value", "source"):
        starts, lengths = read.columns[name], read.columns[f"{name}_length"]
        assert (lengths >= -1).all()
        assert ((starts >= 0) & (starts + lengths <= len(read.data))).all()


def test_a_key_or_value_that_is_none_is_not_an_empty_one() -> None:
    raw = batch([Record(3, NOW, b"", None), Record(4, NOW + 5, None, b"")], 3)
    for fetched in (agree(raw, 3), as_columns(as_aiokafka_reads(raw, 3)[0])):
        assert [(fetched.key(i), fetched.value(i)) for i in (0, 1)] == [(b"", None), (None, b"")]
        assert fetched.columns["key_length"].tolist() == [0, -1]
        assert fetched.columns["source_length"].tolist() == [-1, -1]
        assert (fetched.start, fetched.end, fetched.newest_at) == (3, 5, NOW + 5)


def test_the_first_header_of_that_name_with_a_value_counts() -> None:
    headers: list[tuple[str, bytes | None]] = [("source", None), ("source", b"segment"), ("source", b"other")]
    assert agree(batch([Record(0, headers=headers)]), 0).source(0) == "segment"


def test_a_batch_that_ends_with_gone_records_moves_the_next_fetch_behind_it() -> None:
    raw = bytearray(batch([Record(5), Record(6)], 5))
    raw[23:27] = struct.pack(">i", 9)  # its last offset was 14 before compaction
    read = agree(bytes(raw), 5)
    assert (read.columns["offset"].tolist(), read.end, read.missing) == ([5, 6], 15, 8)


def test_offsets_that_hold_nothing_are_missing_but_not_those_of_markers_and_aborted_records() -> None:
    aborted = batch([Record(3), Record(4)], 3, producer=7) + marker(5, 7, aborts=True)
    raw = batch([Record(0), Record(2)]) + aborted + batch([Record(8)], 8)
    assert agree(raw, 0, [(7, 3)]).missing == 1 + 2  # 1; 6 and 7
    assert agree(raw, 4, [(7, 3)]).missing == 2
    assert agree(raw, 7, [(7, 3)]).missing == 1
    assert agree(raw, 8, [(7, 3)]).missing == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["send", "plain", "abort", "commit"])), max_size=12))
def test_aborted_transactions_are_left_out_as_aiokafka_leaves_them_out(
    steps: list[tuple[int, str]],
) -> None:
    """Three producers; ``aborted`` as a broker tells it: producer and first offset of each such transaction."""
    raw, aborted, begun = b"", list[tuple[int, int]](), dict[int, int]()
    for offset, (producer, step) in enumerate(steps):
        if step == "plain":
            raw += batch([Record(offset)], offset)
        elif step == "send":
            begun.setdefault(producer, offset)
            raw += batch([Record(offset)], offset, producer=producer)
        else:
            started = begun.pop(producer, None)
            if step == "abort" and started is not None:
                aborted.append((producer, started))
            raw += marker(offset, producer, step == "abort")
    for first in range(len(steps) + 1):
        agree(raw, first, [one for one in aborted if _ends_after(steps, one, first)])


def _ends_after(steps: list[tuple[int, str]], aborted: tuple[int, int], first: int) -> bool:
    """Whether a fetch from `first` on is told of it: its marker lies there."""
    producer, started = aborted
    end = next(i for i in range(started, len(steps)) if steps[i] == (producer, "abort"))
    return end >= first


@pytest.mark.parametrize("aborted", list(permutations([(9, 0), (7, 1), (8, 2)])))
def test_aborted_transactions_are_found_in_whatever_order_they_are_told(
    aborted: Sequence[tuple[int, int]],
) -> None:
    sent = [batch([Record(offset)], offset, producer=producer) for producer, offset in ((9, 0), (7, 1), (8, 2))]
    ended = [marker(offset, producer, aborts=True) for offset, producer in ((3, 8), (4, 9), (5, 7))]
    again = batch([Record(6)], 6, producer=9)
    read = agree(b"".join([*sent, *ended, again]), 0, aborted)
    assert (read.columns["offset"].tolist(), read.missing) == ([6], 0)


def test_what_a_producer_committed_before_it_aborted_is_kept() -> None:
    steps = [
        batch([Record(0)], 0, producer=9),
        batch([Record(1)], 1, producer=7),
        marker(2, 7, aborts=False),
        batch([Record(3)], 3, producer=7),
        marker(4, 7, aborts=True),
        batch([Record(5)], 5, codec=1),  # no marker is read together with what follows it
    ]
    assert agree(b"".join(steps), 0, [(9, 0), (7, 3)]).columns["offset"].tolist() == [1, 5]


def test_a_batch_outside_of_transactions_is_kept_whoever_sent_it() -> None:
    plain = bytearray(batch([Record(1)], 1, producer=7))
    plain[ATTRIBUTES + 1] &= ~TRANSACTIONAL
    raw = batch([Record(0)], 0, producer=7) + plain
    assert agree(raw, 0, [(7, 0)]).columns["offset"].tolist() == [1]


def test_an_offset_that_comes_twice_leaves_no_less_than_none_missing() -> None:
    read = record_batches.read_batches(batch([Record(0), Record(0)]), 0)
    assert read is not None
    assert read.missing == 0


def test_transaction_markers_are_no_records() -> None:
    raw = batch([Record(0)]) + marker(1, 7, aborts=False) + batch([Record(2)], 2)
    assert [one[0] for one in contents(agree(raw, 0))] == [0, 2]


def test_the_old_formats_are_left_to_aiokafka() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    builder.append(0, NOW, b"ann", b"value")
    assert record_batches.read_batches(bytes(builder.build()), 0) is None
    assert record_batches.read_batches(batch([Record(0)]) + bytes(builder.build()), 0) is None


def test_a_codec_that_nobody_knows_is_named() -> None:
    with pytest.raises(UnsupportedCodecError, match="codec 7"):
        record_batches.read_batches(batch([Record(0)], attributes=7), 0)


@pytest.mark.parametrize("count", [2, 2**31 - 1, -1])
def test_a_count_that_the_bytes_do_not_hold_is_corrupt(count: int) -> None:
    raw = bytearray(batch([Record(0)]))
    raw[57:61] = struct.pack(">i", count)
    with pytest.raises(CorruptRecordException):
        record_batches.read_batches(bytes(raw), 0)


def test_no_room_is_made_for_more_records_than_there_are_bytes_for() -> None:
    raw = bytearray(batch([Record(0)]))
    most = len(raw) // LEAST_RECORD_BYTES
    for count, words in ((most, "a record batch"), (most + 1, f"{most + 1} records in {len(raw)} bytes")):
        raw[57:61] = struct.pack(">i", count)
        with pytest.raises(CorruptRecordException, match=words):
            record_batches.read_batches(bytes(raw), 0)


@pytest.mark.parametrize(("size", "fits"), [(2**31 - 1, True), (2**31, False)])
def test_no_record_lies_where_32_bits_do_not_reach(size: int, fits: bool) -> None:
    raw, batches = bytes(size), np.zeros(0, BATCH)  # no page of it is touched
    with nullcontext() if fits else pytest.raises(CorruptRecordException):
        assert len(record_batches._parsed(raw, batches, 0)) == 0


def test_nothing_is_no_records() -> None:
    read = record_batches.read_batches(b"", 7)
    assert read is not None
    assert (len(read), read.start, read.end, read.missing) == (0, 7, 7, 0)
