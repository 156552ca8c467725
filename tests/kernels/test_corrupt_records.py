"""Record batches that cannot be: they are refused as a whole, whatever lies around what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from engine.kernels.records import BATCH, scan
from tests.kernels.batches import EMPTY, LAYOUT, NO_HEADERS, NULL, OVERHEAD, Batch, read, record, text, varint


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
    "a length far too large, of nothing more": record(key=b"", value=b"", headers=b"", extra=2**40),
    "a length too large, of nothing more": record(key=b"", value=b"", headers=b"", extra=10),
    "a length that is no varint": b"\x80" * 12,
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_record_that_does_not_fit_its_bytes_is_corrupt_and_so_is_the_batch(name: str) -> None:
    good = record(text(b"ann"), text(b"value"))
    for body in (CORRUPT[name], good + CORRUPT[name]):
        assert read(Batch(body, 1 + body.startswith(good)).written()) is None
    # nor do the bytes of a batch behind it complete it
    assert read(Batch(CORRUPT[name], 1).written() + Batch(good, 1).written()) is None


ENDLESS, WRONG = b"\x80" * 10, varint(-2) + b"?" * 9

#: A record that is corrupt at one of its parts -> with what the next part would have to begin, and how many bytes
#: before the record's end the text in it would have to end, for all that follows to be in order.
FROM_ELSEWHERE = {
    "time": (record(delta=ENDLESS, step=b"", key=b""), EMPTY, 2),
    "offset": (record(step=ENDLESS, key=b""), b"", 2),
    "key": (record(key=WRONG, value=b""), b"", 1),
    "value": (record(value=WRONG, headers=NULL), varint(1), 1),
    "name of a header": (record(headers=varint(1) + WRONG), b"", 0),
    "value of a header": (record(headers=varint(2) + text(b"a") + WRONG + NULL), b"", 1),
}


def with_text_from(start: int, fields: bytes, end: int, body: bytes, records: int) -> bytes:
    """A batch in whose base offset, from byte `start` on, stand `fields` and a text that ends at `end`. Byte -1 is
    the last one of all, which a position below 0 would reach."""
    length = varint(end - start - len(fields) - 2)
    assert len(length) == 2
    written = fields + length
    behind, before = written[: max(-start, 0)], bytes(max(start, 0)) + written[max(-start, 0) :]
    base = int.from_bytes(before.ljust(8, b"\x00"), "big", signed=True)
    return Batch(body, records, base).written() + behind


@pytest.mark.parametrize("start", [-1, 0, 1])
@pytest.mark.parametrize("part", FROM_ELSEWHERE)
def test_reading_does_not_go_on_elsewhere_behind_a_corrupt_part(part: str, start: int) -> None:
    body, fields, left = FROM_ELSEWHERE[part]
    assert read(with_text_from(start, fields, LAYOUT.size + len(body) - left, body, 1)) is None


@pytest.mark.parametrize("start", [-1, 0, 1])
@pytest.mark.parametrize("name", CORRUPT)
def test_no_record_is_read_elsewhere_behind_a_corrupt_one(name: str, start: int) -> None:
    body = CORRUPT[name] + b"?" * 16 + NULL + NO_HEADERS
    end = LAYOUT.size + len(body)
    length = varint(end - start - 2)
    assert len(length) == 2
    fields = length + b"\x00" + EMPTY + EMPTY
    assert read(with_text_from(start, fields, end - 2, body, 2)) is None


@pytest.mark.parametrize("count", [1, 3])
def test_a_count_other_than_the_records_is_corrupt(count: int) -> None:
    assert read(Batch(record() * 2, count).written()) is None
