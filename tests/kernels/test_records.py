"""Record batches: each field is read from its place, each length to its limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.kernels.records import BATCH, LEAST_RECORD_BYTES, LOG_APPEND_TIME, scan
from tests.kernels.batches import LAYOUT, LEAST, MOST, NULL, Batch, one, read, record, text, varint

#: No two bytes are the same, so that a field read one byte off has another value.
DISTINCT = {
    "base_offset": 0x01020304_05060708,
    "attributes": 0x4142,
    "last_delta": 0x51525354,
    "first_timestamp": 0x11121314_15161718,
    "newest_timestamp": 0x21222324_25262728,
    "producer": 0x31323334_35363738,
}


def test_each_field_of_a_header_is_read_from_its_place() -> None:
    raw = b"".join(Batch(b"?" * 5, 0x61626364, **DISTINCT).written() for _ in range(2))
    batches = np.zeros(3, BATCH)
    assert scan(np.frombuffer(raw, np.uint8), batches) == 2
    half = LAYOUT.size + 5
    for place, found in enumerate(batches[:2]):
        assert {name: int(found[name]) for name in BATCH.names or ()} == {
            "base_offset": DISTINCT["base_offset"],
            "last_offset": DISTINCT["base_offset"] + DISTINCT["last_delta"],
            "first_timestamp": DISTINCT["first_timestamp"],
            "newest_timestamp": DISTINCT["newest_timestamp"],
            "producer": DISTINCT["producer"],
            "start": half * place + LAYOUT.size,
            "end": half * (place + 1),
            "records": 0x61626364,
            "attributes": DISTINCT["attributes"],
            "format": 2,
        }


@pytest.mark.parametrize("room", [1, 2])
def test_no_more_batches_are_read_than_there_is_room_for(room: int) -> None:
    raw = b"".join(Batch().written() for _ in range(3))
    batches = np.zeros(3, BATCH)
    assert scan(np.frombuffer(raw, np.uint8), batches[:room]) == room
    assert batches["end"].tolist() == [61, 122, 0][:room] + [0] * (3 - room)


@pytest.mark.parametrize("left", range(LAYOUT.size))
def test_a_batch_that_is_cut_off_is_left_out_wherever_that_is(left: int) -> None:
    whole = Batch(record(), 1).written()
    assert read(whole[:left]) == []
    assert len(read(whole + whole[:left]) or []) == 1


def test_a_batch_of_another_format_is_noted_from_its_17th_byte_on_and_ends_the_reading() -> None:
    raw = Batch(length=5, format=1).written()[:17]
    batches = np.zeros(3, BATCH)
    assert scan(np.frombuffer(raw, np.uint8), batches) == 1
    assert batches["format"].tolist() == [1, 0, 0]
    for length in (5, 4):
        cut = Batch(length=length, format=1).written()[:16]
        assert scan(np.frombuffer(cut, np.uint8), batches) == 0
    assert scan(np.frombuffer(Batch().written() + raw + raw, np.uint8), batches) == 2
    assert batches["format"].tolist() == [2, 1, 0]


NUMBERS = [0, -1, 1, 63, -64, 64, -65, 8_191, 8_192, -8_193, 2**31, -(2**31) - 1, 2**62, -(2**62) - 1, MOST, LEAST]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_varint_of_any_length_is_read(number: int) -> None:
    whole = {"offset": number, "timestamp": 0, "key": None, "value": None, "source": None, "signature": None}
    assert one(record(step=varint(number))) == whole
    assert one(record(delta=varint(number))) == {**whole, "offset": 0, "timestamp": number}


def test_a_varint_has_ten_bytes_at_most_and_ends_before_its_record_does() -> None:
    assert (one(record(step=b"\x82" + b"\x80" * 8 + b"\x00")) or {})["offset"] == 1
    assert one(record(step=b"\x82" + b"\x80" * 9 + b"\x00")) is None
    for end in (b"\x80", b"\xff" * 4, b"\x80" * 10):
        assert one(varint(1 + len(end)) + b"\x00" + end) is None


def test_offsets_and_times_are_counted_from_those_of_the_batch() -> None:
    body = record(delta=varint(7), step=varint(3))
    found = one(body, base_offset=100, first_timestamp=1_000, newest_timestamp=5_000)
    assert found is not None
    assert (found["offset"], found["timestamp"]) == (103, 1_007)
    for bit in range(16):
        attributes = -(2**15) if bit == 15 else 1 << bit
        found = one(body, attributes=attributes, first_timestamp=1_000, newest_timestamp=5_000)
        assert found is not None
        assert found["timestamp"] == (5_000 if attributes == LOG_APPEND_TIME else 1_007)


@pytest.mark.parametrize("value", [b"", b"v", b"v" * 63, b"v" * 64, b"v" * 300])
def test_keys_values_and_headers_of_any_length_are_where_they_say(value: bytes) -> None:
    headers = b"\x04" + text(b"trace") + text(b"t") + text(b"source") + text(value)
    found = one(record(text(b"key" + value), text(value + b"value"), headers))
    assert found is not None
    assert (found["key"], found["value"], found["source"]) == (b"key" + value, value + b"value", value)


@pytest.mark.parametrize(
    ("headers", "source"),
    [
        ([(b"source", None), (b"source", b"one"), (b"source", b"two")], b"one"),
        ([(b"source", b""), (b"source", b"two")], b""),
        ([(b"source", None)], None),
        ([(b"sourc", b"1"), (b"sources", b"2"), (b"sourcE", b"3"), (b"Source", b"4"), (b"", b"5")], None),
        ([(b"soXrce", b"1"), (b"source", b"2")], b"2"),
    ],
)
def test_the_first_header_of_exactly_that_name_counts(
    headers: Sequence[tuple[bytes, bytes | None]], source: bytes | None
) -> None:
    written = [text(name) + (NULL if value is None else text(value)) for name, value in headers]
    found = one(record(headers=varint(len(headers)) + b"".join(written)))
    assert found is not None
    assert found["source"] == source


def test_the_signature_is_found_beside_the_source_in_any_order() -> None:
    one_of_each = [text(b"source") + text(b"s"), text(b"signature") + text(b"one")]
    for headers in (one_of_each, one_of_each[::-1], [*one_of_each, text(b"signature") + text(b"two")]):
        found = one(record(headers=varint(len(headers)) + b"".join(headers)))
        assert found is not None
        assert (found["source"], found["signature"]) == (b"s", b"one")


def test_the_least_record_has_as_many_bytes_as_the_bound_says() -> None:
    assert one(record()) == {
        "offset": 0,
        "timestamp": 0,
        "key": None,
        "value": None,
        "source": None,
        "signature": None,
    }
    assert len(record()) == LEAST_RECORD_BYTES


@pytest.mark.parametrize("first", range(8))
def test_records_from_an_offset_on_are_kept_in_order_and_no_others_written(first: int) -> None:
    steps = b"".join(record(step=varint(step), key=text(b"%d" % step)) for step in (0, 2, 3))
    raw = Batch(steps, 3).written() + Batch(record(key=text(b"6")), 1, 6).written()
    found = read(raw, first)
    assert found is not None
    wanted = [offset for offset in (0, 2, 3, 6) if offset >= first]
    assert [(each["offset"], each["key"]) for each in found] == [(offset, b"%d" % offset) for offset in wanted]
