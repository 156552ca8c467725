"""JSON that is nearly JSON: what is wrong in one event harms neither it, where nobody reads it, nor the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent
from engine.sources.array_items import MAX_BRACKETS, array_items
from engine.sources.segment.batch import read_batch, write_key
from engine.sources.tolerant_json import MAX_REPAIRS, repaired
from tests.sources.payloads import NOW, left_out, read, refusal

GOOD = b'{"type":"track","anonymousId":"b1","messageId":"n%d","event":"Product Viewed"%b}'
UNREADABLE = [
    b"NaN",
    b"-NaN",
    b"nan",
    b"Infinity",
    b"-Infinity",
    b"+Infinity",
    b"inf",
    b"1e400",
    b"-1E+9999",
    b"1" * 400,
]


def one(number: int, more: bytes = b"") -> bytes:
    return GOOD % (number, b"," + more if more else b"")


def taken(batch: bytes) -> tuple[list[str], dict[int, tuple[str, str]]]:
    """The ids of what is taken of a batch, and the codes and fields of what is not."""
    ids, errors = [], {}
    for index, item in enumerate(read_batch(batch).batch):
        try:
            ids.append(read(bytes(item)).event.id)
        except BadEvent as fault:
            errors[index] = (fault.code, fault.field)
    return ids, errors


@pytest.mark.parametrize("number", UNREADABLE)
def test_no_number_in_a_field_that_nobody_reads_harms_nothing(number: bytes) -> None:
    unread = one(
        2, b'"properties":{"product_id":"x","price":1,"weight":%b},"context":{"x":[%b]}' % (number, number)
    )
    made = read(unread)
    assert (made.event.item, made.event.value, left_out(made)) == ("x", 1.0, [])
    batch = b'{"sentAt":"2023-11-14T22:13:20Z","batch":[%b, %b,%b],"writeKey":"k"}' % (one(1), unread, one(3))
    assert taken(batch) == (["n1", "n2", "n3"], {})
    assert read_batch(batch).sent_at == "2023-11-14T22:13:20Z"
    assert write_key(batch) == "k"


@pytest.mark.parametrize("number", UNREADABLE)
def test_no_number_in_a_field_that_is_needed_is_named(number: bytes) -> None:
    bad = one(2, b'"properties":{"price":%b}' % number)
    assert refusal(bad) == ("bad_number", "properties.price")
    batch = b'{"batch":[%b,%b,%b]}' % (one(1), bad, one(3))
    assert taken(batch) == (["n1", "n3"], {1: ("bad_number", "properties.price")})
    assert refusal(one(1, b'"timestamp":%b' % number)) == ("bad_time", "timestamp")
    assert refusal(b'{"type":"page","messageId":"m","userId":%b}' % number) == ("bad_field", "userId")


@pytest.mark.parametrize("digits", [309, 310, 400, 4_300, 4_301, 20_000])
@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp"])
def test_a_whole_number_of_any_length_is_no_time(digits: int, field: str) -> None:
    assert refusal(one(1, b'"%b":%b' % (field.encode(), b"1" * digits))) == ("bad_time", field)


@pytest.mark.parametrize("sent", [b"NaN", b"1" * 310, b"[]", b'""', b'"soon"', b"false"])
def test_an_envelope_is_no_stricter_than_its_items(sent: bytes) -> None:
    batch = read_batch(b'{"context":{"x":NaN},"batch":[%b],"sentAt":%b}' % (one(1), sent))
    made = read(bytes(batch.batch[0]), sent_at=batch.sent_at)
    assert (made.event.id, made.event.at) == ("n1", NOW)


@pytest.mark.parametrize(
    "item",
    [
        one(2, b'"context":{"title":"a\x00b\tc\nd"}'),
        b"\xef\xbb\xbf" + one(2),
        one(2, b'"context":"\xff\xfe"'),
        one(2, b'"context":"\\ud83d"'),
    ],
    ids=["control", "mark", "latin", "half"],
)
def test_what_is_odd_in_a_text_that_nobody_reads_harms_nothing(item: bytes) -> None:
    assert taken(b"\xef\xbb\xbf" + b'{"batch":[%b,%b]}' % (one(1), item)) == (["n1", "n2"], {})
    assert read(item).event.id == "n2"


@pytest.mark.parametrize(
    "item",
    [
        b'{"type":"track",,}',
        b'{"type":tru}',
        b"[" * 15_000 + b"]" * 15_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"type":"track","context":"\\x"}',
        b"NaN",
        b'{"a":.5}',
    ],
    ids=["commas", "word", "arrays", "objects", "escape", "number", "point"],
)
def test_what_is_no_json_at_all_is_refused_alone(item: bytes) -> None:
    ids, errors = taken(b'{"batch":[%b,%b , %b]}' % (one(1), item, one(3)))
    assert ids == ["n1", "n3"]
    assert [code for code, _ in errors.values()] == ["malformed"]
    assert list(errors) == [1]


@pytest.mark.parametrize(
    "batch", [b'{"batch":[{]}', b'{"batch":[{}', b'{"batch":[{"a":"}]}', b'{"x":{"batch":[NaN]}}']
)
def test_where_the_events_end_must_be_certain(batch: bytes) -> None:
    with pytest.raises(BadEvent):
        read_batch(batch)


def test_a_control_character_is_a_blank_and_bytes_that_are_no_text_a_mark() -> None:
    made = read(one(1, b'"properties":{"product_id":"a\tb\xff"}'))
    assert made.event.item == "a b\ufffd"


def test_a_payload_is_repaired_in_a_bounded_number_of_places() -> None:
    assert b"NaN" not in repaired(b"[" + b"NaN," * (MAX_REPAIRS - 1) + b"1]")
    assert refusal(one(1, b'"context":[%b1]' % (b"NaN," * (MAX_REPAIRS + 1)))) == ("malformed", "")


def test_a_batch_of_too_many_brackets_is_not_cut() -> None:
    few, many = (b'{"a":[NaN' + b",[]" * (MAX_BRACKETS // 2 + more) + b"]}" for more in (-2, 2))
    assert array_items(few, b"a")[1] is not None
    assert array_items(many, b"a")[1] is None


def test_a_key_is_found_in_a_body_that_is_no_json() -> None:
    assert write_key(b'{"x":NaN,"writeKey" : "abc"}') == "abc"
    assert write_key(b'{"x":NaN,"writeKey":7}') == write_key(b'{"writeKey":"') == ""


texts = st.text(st.characters(exclude_categories=[]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**300), 10**300) | st.floats(-1e99, 1e99) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


@given(values)
def test_repairs_leave_valid_json_alone(value: Any) -> None:
    valid = json.dumps(value, ensure_ascii=False).encode(errors="replace")
    try:
        expected = json.loads(valid, parse_constant=lambda _: True)
    except UnicodeDecodeError:
        return
    assert json.loads(repaired(valid)) == expected


@given(st.lists(values, max_size=5), st.dictionaries(texts, values, max_size=3))
def test_items_are_cut_out_where_they_lie(items: list[Any], around: dict[str, Any]) -> None:
    items = [{"item": item} for item in items]
    document = json.dumps({**around, "batch": items}).encode()
    envelope, found = array_items(document, b"batch")
    assert found is not None
    assert [json.loads(item) for item in found] == json.loads(document)["batch"]
    assert json.loads(envelope) == {**json.loads(document), "batch": []}


@given(st.binary(max_size=60))
def test_any_bytes_are_cut_or_not(document: bytes) -> None:
    array_items(document, b"batch")
    array_items(b'{"batch":[' + document, b"batch")
    repaired(document)
