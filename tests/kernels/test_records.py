"""Record batches byte by byte: each field at its place, each length at its limit. `struct` writes the headers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from engine.kernels.records import BATCH, LEAST_RECORD_BYTES, LOG_APPEND_TIME, RECORD, parse, scan

NAME = np.frombuffer(b"source", np.uint8)
LAYOUT = struct.Struct(">qiibIhiqqqhii")
OVERHEAD = LAYOUT.size - 12  # of a batch's length, which counts from behind itself
NULL, EMPTY, NO_HEADERS = b"\x01", b"\x00", b"\x00"
LEAST, MOST = -(2**63), 2**63 - 1

#: No two bytes are the same, so that a field read one byte off has another value.
DISTINCT = {
    "base_offset": 0x01020304_05060708,
    "attributes": 0x4142,
    "last_delta": 0x51525354,
    "first_timestamp": 0x11121314_15161718,
    "newest_timestamp": 0x21222324_25262728,
}


class Batch(NamedTuple):
    """One to write; ``length`` None: what it is."""

    body: bytes = b""
    records: int = 0
    base_offset: int = 0
    attributes: int = 0
    last_delta: int = 0
    first_timestamp: int = 0
    newest_timestamp: int = 0
    length: int | None = None
    format: int = 2

    def written(self) -> bytes:
        length = OVERHEAD + len(self.body) if self.length is None else self.length
        epoch, checksum, producer, producer_epoch, sequence = -1, 2**32 - 1, -1, -1, -1
        before = self.base_offset, length, epoch, self.format, checksum, self.attributes, self.last_delta
        times = self.first_timestamp, self.newest_timestamp
        return LAYOUT.pack(*before, *times, producer, producer_epoch, sequence, self.records) + self.body


def varint(value: int) -> bytes:
    """Zig-zag, seven bits a byte, the lowest first."""
    left, written = 2 * value if value >= 0 else -2 * value - 1, bytearray()
    while left > 0x7F:
        written.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*written, left])


def text(value: bytes) -> bytes:
    return varint(len(value)) + value


def record(
    key: bytes = NULL,
    value: bytes = NULL,
    headers: bytes = NO_HEADERS,
    delta: bytes = EMPTY,
    step: bytes = EMPTY,
    extra: int = 0,
) -> bytes:
    """A record of fields as they are written, whose length is `extra` more than it is."""
    body = b"\x00" + delta + step + key + value + headers
    return varint(len(body) + extra) + body


def read(raw: bytes, first: int = LEAST, room: int = 8) -> list[dict[str, Any]] | None:
    """What the kernels find in `raw`; None: it is corrupt."""
    data, batches = np.frombuffer(raw, np.uint8), np.zeros(room, BATCH)
    found = scan(data, batches)
    assert found >= -1
    if found < 0:
        return None
    records = np.full(int(batches["records"].sum()) + 1, -77, RECORD)
    count = parse(data, batches[:found], first, NAME, records)
    assert count >= -1
    return None if count < 0 else [_words(raw, column) for column in records[:count]]


def _words(raw: bytes, column: np.void) -> dict[str, Any]:
    words: dict[str, Any] = {name: int(column[name]) for name in ("offset", "timestamp")}
    for name in ("key", "value", "source"):
        start, length = int(column[name]), int(column[f"{name}_length"])
        words[name] = None if length == -1 else raw[start : start + length]
    return words


def one(body: bytes, **fields: int) -> dict[str, Any] | None:
    """The record in a batch of one; None: it is corrupt."""
    found = read(Batch(body, 1, **fields).written())
    return found[0] if found else None


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


@pytest.mark.parametrize("length", [OVERHEAD - 1, 17, 5, 0, -1, -12, -100, -(2**31)])
def test_a_batch_shorter_than_its_header_is_corrupt(length: int) -> None:
    assert read(Batch(length=length).written()) is None
    assert scan(np.frombuffer(Batch(length=length).written(), np.uint8), np.zeros(2, BATCH)) == -1


def test_a_batch_of_nothing_but_its_header_has_no_records() -> None:
    assert read(Batch().written()) == []
    assert read(Batch(records=1).written()) is None
    assert read(Batch(b"?", records=0).written()) is None


@pytest.mark.parametrize("wrong", [{"records": -1}, {"last_delta": -1}])
def test_counts_below_nothing_are_corrupt(wrong: dict[str, int]) -> None:
    assert scan(np.frombuffer(Batch(**wrong).written(), np.uint8), np.zeros(2, BATCH)) == -1  # type: ignore[arg-type]


NUMBERS = [0, -1, 1, 63, -64, 64, -65, 8_191, 8_192, -8_193, 2**31, -(2**31) - 1, 2**62, -(2**62) - 1, MOST, LEAST]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_varint_of_any_length_is_read(number: int) -> None:
    whole = {"offset": number, "timestamp": 0, "key": None, "value": None, "source": None}
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
        if bit == 5:
            assert found is None
        else:
            assert found is not None
            assert found["timestamp"] == (5_000 if attributes == LOG_APPEND_TIME else 1_007)


def test_control_batches_are_skipped_whatever_they_hold() -> None:
    raw = b"".join(
        map(Batch.written, [Batch(record(), 1), Batch(b"??", 3, attributes=0x20), Batch(record(), 1, 9)])
    )
    assert [found["offset"] for found in read(raw) or []] == [0, 9]


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


HEADER = text(b"a") + text(b"b")
CORRUPT = {
    "a length below null, of a key": record(key=varint(-2)),
    "a length below null, of a value": record(value=varint(-2)),
    "a key that ends behind the record": record(key=varint(4), value=b"", headers=b"abc"),
    "a value that ends behind the record": record(value=varint(4), headers=b"abc"),
    "a record without headers' count": record(headers=b""),
    "a record without value": record(value=b"", headers=b""),
    "a record without key": record(key=b"", value=b"", headers=b""),
    "a record without offset": record(step=b"", key=b"", value=b"", headers=b""),
    "a record without time": record(delta=b"", step=b"", key=b"", value=b"", headers=b""),
    "a record of no bytes": b"\x00",
    "a record of less than none": varint(-1),
    "a count of headers below none": record(headers=varint(-1)),
    "fewer headers than said": record(headers=varint(2) + HEADER),
    "more headers than said": record(headers=varint(1) + HEADER + HEADER),
    "a header's name that is null": record(headers=varint(1) + NULL + text(b"b")),
    "a header's name that is cut off": record(headers=varint(1) + varint(3) + b"ab"),
    "a header's value that is cut off": record(headers=varint(1) + text(b"a") + varint(3) + b"bc"),
    "a header without value": record(headers=varint(1) + text(b"a")),
    "a length one too large": record(extra=1),
    "a length one too small": record(extra=-1),
    "a length far too large": record(extra=2**40),
    "a length that is no varint": b"\x80" * 12,
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_record_that_does_not_fit_its_bytes_is_corrupt_and_so_is_the_batch(name: str) -> None:
    good = record(text(b"ann"), text(b"value"))
    for body in (CORRUPT[name], good + CORRUPT[name]):
        assert read(Batch(body, 1 + body.startswith(good)).written()) is None
    # nor do the bytes of a batch behind it complete it
    assert read(Batch(CORRUPT[name], 1).written() + Batch(good, 1).written()) is None


def back_at(start: int, fields: bytes, end: int) -> int:
    """A base offset that, read as a record's fields from its byte `start` on, goes on with `fields` and a text
    that ends at `end`."""
    before = bytes(start) + fields
    written = before + varint(end - len(before) - 2)
    return int.from_bytes(written.ljust(8, b"\x00"), "big", signed=True)


@pytest.mark.parametrize("start", [0, 1])
def test_reading_does_not_go_on_elsewhere_after_what_is_corrupt(start: int) -> None:
    endless = record(step=b"\x80" * 10, key=b"")
    end = LAYOUT.size + len(endless)
    assert one(endless, base_offset=back_at(start, b"", end - 2)) is None
    keyless = record(key=varint(-2) + b"?" * 9, value=b"")
    end = LAYOUT.size + len(keyless)
    assert one(keyless, base_offset=back_at(start, b"", end - 1)) is None


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", CORRUPT)
def test_no_record_is_read_behind_a_corrupt_one(name: str, start: int) -> None:
    body = CORRUPT[name] + NULL + NO_HEADERS
    end = LAYOUT.size + len(body)
    length = varint(end - start - 2)
    base = back_at(start, length + b"\x00" + EMPTY + EMPTY, end - 2)
    assert read(Batch(body, 2, base).written()) is None


@pytest.mark.parametrize("count", [1, 3])
def test_a_count_other_than_the_records_is_corrupt(count: int) -> None:
    assert read(Batch(record() * 2, count).written()) is None


def test_the_least_record_has_as_many_bytes_as_the_bound_says() -> None:
    assert one(record()) == {"offset": 0, "timestamp": 0, "key": None, "value": None, "source": None}
    assert len(record()) == LEAST_RECORD_BYTES


@pytest.mark.parametrize("first", range(8))
def test_records_from_an_offset_on_are_kept_in_order_and_no_others_written(first: int) -> None:
    steps = b"".join(record(step=varint(step), key=text(b"%d" % step)) for step in (0, 2, 3))
    raw = Batch(steps, 3).written() + Batch(record(key=text(b"6")), 1, 6).written()
    found = read(raw, first)
    assert found is not None
    wanted = [offset for offset in (0, 2, 3, 6) if offset >= first]
    assert [(each["offset"], each["key"]) for each in found] == [(offset, b"%d" % offset) for offset in wanted]
