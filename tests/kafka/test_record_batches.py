"""Record batches as columns: aiokafka writes them, and its own reader says what is in them."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import pytest
from aiokafka import codec
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadBatch
from engine.kafka import batch_records, codecs, record_batches
from engine.kernels.records import BATCH, LEAST_RECORD_BYTES, TRANSACTIONAL
from engine.ports.records import NO_TIMESTAMP, FetchedRecords, as_columns

NOW = 1_700_000_000_000
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
    return sealed(raw)


def sealed(raw: bytes | bytearray) -> bytes:
    """One batch with the checksum of its bytes."""
    return bytes(raw[:17]) + struct.pack(">I", calc_crc32c(bytes(raw[ATTRIBUTES:]))) + bytes(raw[ATTRIBUTES:])


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


def contents(fetched: FetchedRecords) -> list[tuple[object, ...]]:
    headers = [(fetched.source(i), fetched.signature(i)) for i in range(len(fetched.columns))]
    return [
        (int(column["offset"]), int(column["timestamp"]), fetched.key(i), fetched.value(i), *headers[i])
        for i, column in enumerate(fetched.columns)
    ]


def agree(raw: bytes, first: int, aborted: Sequence[tuple[int, int]] = ()) -> FetchedRecords:
    """What we read is what aiokafka reads."""
    read = record_batches.read_batches(raw, first, aborted)
    assert read.damaged == ()
    records, after = as_aiokafka_reads(raw, first, aborted)
    assert contents(read) == contents(as_columns(records))
    assert (read.start, read.end) == (first, after)
    return read


BYTES = st.none() | st.binary(max_size=80) | st.binary(min_size=120, max_size=140)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["source", "sourc", "sources", "signature", "trace", ""]),
        st.none() | st.binary(max_size=9),
    ),
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
def test_whatever_became_of_batches_every_offset_is_accounted_for(
    made: tuple[bytes, int], data: st.DataObject
) -> None:
    """Records lie within their bytes, one after the other; every other offset is a damaged batch's or missing."""
    raw = bytearray(made[0])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw)))
        raw[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    if data.draw(st.booleans()):  # as if by a producer that means it
        raw = bytearray(sealed(raw))
    accounted(record_batches.read_batches(bytes(raw), 0), 0)


def accounted(read: FetchedRecords, first: int) -> None:
    taken = sorted([*read.columns["offset"].tolist(), *(batch.offset for batch in read.damaged)])
    assert len(set(taken)) == len(taken)
    assert (read.start, taken) == (first, [offset for offset in taken if first <= offset < read.end])
    assert 0 <= read.missing <= read.end - first - len(taken)
    for name in ("key", "value", "source", "signature"):
        starts, lengths = read.columns[name], read.columns[f"{name}_length"]
        assert (lengths >= -1).all()
        assert ((starts >= 0) & (starts + lengths <= len(read.data))).all()


@given(st.binary(max_size=200), st.integers(0, 2**40))
def test_any_bytes_are_accounted_for(raw: bytes, first: int) -> None:
    accounted(record_batches.read_batches(raw, first), first)


THREE = [batch([Record(offset), Record(offset + 1)], offset, codec) for offset, codec in ((0, 0), (2, 3), (4, 0))]


def damage(place: int, raw: bytes = THREE[1]) -> bytes:
    damaged = bytearray(raw)
    damaged[place] ^= 0xFF
    return bytes(damaged)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (damage(18), "checksum"),
        (damage(-1), "checksum"),
        (sealed(damage(70)), "lz4"),
        (sealed(THREE[1][:ATTRIBUTES] + b"\0\x07" + THREE[1][23:]), "codec 7 is not known"),
        (sealed(THREE[1][:57] + struct.pack(">i", 9) + THREE[1][61:]), "records"),
        (sealed(THREE[1][:57] + struct.pack(">i", -1) + THREE[1][61:]), "header"),
        (sealed(THREE[1][:23] + struct.pack(">i", 900) + THREE[1][27:]), "neighbours"),
        (damage(16), "format 253"),
        (damage(16)[:16] + b"\x01" + THREE[1][17:], "Error|Exception"),
    ],
)
def test_a_batch_that_cannot_be_read_is_passed_with_the_reason_and_its_neighbours_count(
    broken: bytes, why: str
) -> None:
    read = record_batches.read_batches(THREE[0] + broken + THREE[2], 0)
    accounted(read, 0)
    assert read.columns["offset"].tolist() == [0, 1, 4, 5]
    ((offset, detail, data),) = [(one.offset, one.detail, one.data) for one in read.damaged]
    assert (offset, data, read.end, read.missing) == (2, broken, 6, 1)
    assert detail.startswith("offsets 2 to 3 cannot be read: ")
    assert re.search(why, detail)


@pytest.mark.parametrize(("delta", "end"), [(1, 4), (2, 3), (2**31 - 1, 3), (-5, 3)])
def test_a_damaged_batch_with_none_behind_it_is_believed_where_its_numbers_agree(delta: int, end: int) -> None:
    """Of the others one offset is passed: the next fetch begins within it, and nothing behind it is lost."""
    raw = THREE[1][:23] + struct.pack(">i", delta) + THREE[1][27:-1] + b"?"
    read = record_batches.read_batches(raw, 2)
    assert ([one.offset for one in read.damaged], read.end, read.missing) == ([2], end, end - 3)
    again = record_batches.read_batches(raw, 3)
    assert ([one.offset for one in again.damaged], again.end, again.missing) == ([], 4, 1)


def test_offsets_beyond_the_end_of_the_log_are_not_believed() -> None:
    read = record_batches.read_batches(batch([Record(2**40)], 2**40), 7, below=1_000)
    assert ([one.offset for one in read.damaged], read.end) == ([7], 8)


def test_a_batch_of_more_than_it_may_hold_is_passed_and_its_bytes_are_never_unpacked() -> None:
    bomb = batch([Record(0, value=bytes(codecs.MOST_BYTES))], 0, codec=4)
    assert len(bomb) < 20_000
    read = record_batches.read_batches(bomb, 0)
    (only,) = read.damaged
    assert "zstd" in only.detail


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
@pytest.mark.parametrize("room", [-1, 0, 1])
def test_a_bound_on_what_is_decompressed_is_exact(codec: int, room: int) -> None:
    raw = batch([Record(0, value=b"v" * 5_000)], 0, codec)[61:]
    size = len(codecs.uncompressed(codec, raw))
    with nullcontext() if room >= 0 else pytest.raises(BadBatch):
        assert len(codecs.uncompressed(codec, raw, size + room)) == size


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
@given(st.binary(max_size=80))
def test_bytes_that_no_codec_wrote_are_refused(codec: int, data: bytes) -> None:
    with contextlib.suppress(BadBatch):
        codecs.uncompressed(codec, data)


def test_snappy_comes_bare_or_in_blocks() -> None:
    blocks = codec.snappy_encode(b"v" * 100_000)
    for written in (blocks, bytes(codec.snappy_encode(b"v" * 100_000, xerial_compatible=False))):
        assert codecs.uncompressed(2, written) == b"v" * 100_000
    for cut in (1, 5, 40):
        with pytest.raises(BadBatch, match="snappy"):
            codecs.uncompressed(2, blocks[:-cut])


def test_a_fetch_that_decompresses_to_much_is_read_in_parts() -> None:
    half = bytes(codecs.MOST_BYTES // 2)
    raw = batch([Record(0, value=half)], 0, 4) + batch([Record(1, value=half)], 1, 4) + batch([Record(2)], 2)
    read = record_batches.read_batches(raw, 0)
    assert (read.columns["offset"].tolist(), read.end, read.missing) == ([0], 1, 0)
    rest = record_batches.read_batches(raw, 1)
    assert (rest.columns["offset"].tolist(), rest.end, rest.missing) == ([1, 2], 3, 0)


def test_a_key_or_value_that_is_none_is_not_an_empty_one() -> None:
    raw = batch([Record(3, NOW, b"", None), Record(4, NOW + 5, None, b"")], 3)
    for fetched in (agree(raw, 3), as_columns(as_aiokafka_reads(raw, 3)[0])):
        assert [(fetched.key(i), fetched.value(i)) for i in (0, 1)] == [(b"", None), (None, b"")]
        assert fetched.columns["key_length"].tolist() == [0, -1]
        assert fetched.columns["source_length"].tolist() == [-1, -1]
        assert (fetched.start, fetched.end) == (3, 5)


def test_the_first_header_of_that_name_with_a_value_counts() -> None:
    headers: list[tuple[str, bytes | None]] = [("source", None), ("source", b"segment"), ("source", b"other")]
    assert agree(batch([Record(0, headers=headers)]), 0).source(0) == "segment"


def test_a_batch_that_ends_with_gone_records_moves_the_next_fetch_behind_it() -> None:
    raw = bytearray(batch([Record(5), Record(6)], 5))
    raw[23:27] = struct.pack(">i", 9)  # its last offset was 14 before compaction
    read = agree(sealed(raw), 5)
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
    raw = batch([Record(0)], 0, producer=7) + sealed(plain)
    assert agree(raw, 0, [(7, 0)]).columns["offset"].tolist() == [1]


def test_a_batch_whose_records_do_not_follow_one_another_is_damaged() -> None:
    for records in ([Record(0), Record(0)], [Record(1), Record(0)], [Record(0), Record(5)]):
        raw = bytearray(batch(records))
        raw[23:27] = struct.pack(">i", 1)
        read = record_batches.read_batches(sealed(raw), 0)
        assert ([one.offset for one in read.damaged], read.end, read.missing) == ([0], 2, 1)


def test_a_marker_that_cannot_be_read_ends_what_its_producer_aborted() -> None:
    raw = batch([Record(0)], 0, producer=7) + batch([Record(1, value=b"?")], 1, 0, CONTROL, 7)[:-3] + b"\x99" * 3
    later = batch([Record(2)], 2, producer=7)
    assert record_batches.read_batches(raw + later, 0, [(7, 0)]).columns["offset"].tolist() == [2]


def test_transaction_markers_are_no_records() -> None:
    raw = batch([Record(0)]) + marker(1, 7, aborts=False) + batch([Record(2)], 2)
    assert [one[0] for one in contents(agree(raw, 0))] == [0, 2]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1])
def test_the_old_formats_are_read_beside_the_new_one(magic: int, codec: int) -> None:
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
    for place in range(2):
        builder.append(place, NOW, b"ann", b"value-%d" % place)
    old = bytes(builder.build())
    for raw in (old, old + batch([Record(2, value=b"value-2")], 2)):
        read = record_batches.read_batches(raw, 0)
        accounted(read, 0)
        values = [read.value(place) for place in range(len(read))]
        assert values == [b"value-%d" % place for place in range(read.end)]
        assert read.columns["timestamp"][0] == (NOW if magic else NO_TIMESTAMP)


@pytest.mark.parametrize("count", [2, 2**31 - 1, -1])
def test_a_count_that_the_bytes_do_not_hold_is_damage(count: int) -> None:
    raw = bytearray(batch([Record(0)]))
    raw[57:61] = struct.pack(">i", count)
    read = record_batches.read_batches(sealed(raw), 0)
    assert ([one.offset for one in read.damaged], len(read.columns), read.end) == ([0], 0, 1)


def test_no_room_is_made_for_more_records_than_there_are_bytes_for() -> None:
    raw = bytearray(batch([Record(0)]))
    most = len(raw) // LEAST_RECORD_BYTES
    for count, words in ((most, "do not lie where"), (most + 1, f"{most + 1} records in {len(raw)} bytes")):
        raw[57:61] = struct.pack(">i", count)
        (only,) = record_batches.read_batches(sealed(raw), 0).damaged
        assert words in only.detail


@pytest.mark.parametrize(("size", "fits"), [(2**31 - 1, True), (2**31, False)])
def test_no_record_lies_where_32_bits_do_not_reach(size: int, fits: bool) -> None:
    raw, batches = bytes(size), np.zeros(0, BATCH)  # no page of it is touched
    with nullcontext() if fits else pytest.raises(BadBatch):
        assert len(batch_records._parsed(raw, batches, 0)) == 0


@pytest.mark.parametrize("count", range(1, 8))
def test_a_fetch_is_split_by_the_records_and_damaged_batches_in_it(count: int) -> None:
    whole = record_batches.read_batches(THREE[0] + damage(-1) + THREE[2], 0)
    first, rest = whole.split(count)
    assert (len(first), len(rest)) == (min(count, 5), max(5 - count, 0))
    assert [*first.columns["offset"], *rest.columns["offset"]] == [0, 1, 4, 5]
    assert first.damaged + rest.damaged == whole.damaged
    assert (first.start, first.end, rest.end, first.missing, rest.missing) == (0, rest.start, 6, 1, 0)
    for part in (first, rest):
        places = [*part.columns["offset"].tolist(), *(one.offset for one in part.damaged)]
        assert all(part.start <= place < part.end for place in places)


def test_nothing_is_no_records() -> None:
    read = record_batches.read_batches(b"", 7)
    assert (len(read), read.start, read.end, read.missing) == (0, 7, 7, 0)
