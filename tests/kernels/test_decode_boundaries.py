"""The decoder at the edges of its format and of what it accepts, on bytes written by hand."""

from __future__ import annotations

import struct

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.events import ContactChannel, Kind
from engine.kernels import decode
from engine.kernels.records import RECORD
from tests.kernels.values import decoded

NOW = 1_700_000_000_000
DAY_MS = 86_400_000
CAME_IN = NOW


def pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def event(*fields: object) -> bytes:
    """An event: bytes are taken as they are, all else as msgspec writes it."""
    head = bytes([0x90 | len(fields)])
    return head + b"".join(field if isinstance(field, bytes) else pack(field) for field in fields)


def whole(**changes: object) -> bytes:
    """An event of fourteen fields with some of them changed (``_6=``: the value)."""
    fields: list[object] = [1, 1, NOW, "id", "item", "category", 1.5, 2, NOW, "order", 0, 0, 0, None]
    for place, value in changes.items():
        fields[int(place[1:])] = value
    return event(*fields)


def columns(values: list[bytes], came_in: int = CAME_IN) -> NDArray[np.void]:
    return decoded(values, came_in)


def status(value: bytes, came_in: int = CAME_IN) -> int:
    return int(columns([value], came_in)["status"][0])


def test_the_shortest_event_has_four_fields_and_defaults_for_the_others() -> None:
    got = columns([whole(), event(1, 2, NOW, "id"), event(1, 2, NOW)])
    assert got["status"].tolist() == [decode.OK, decode.OK, decode.MALFORMED]
    defaults = {name: got[name][1] for name in ("value", "quantity", "received_at", "item", "category", "order")}
    assert defaults == {"value": 0, "quantity": 1, "received_at": 0, "item": 0, "category": 0, "order": 0}
    assert (got["item_length"][1], got["category_length"][1], got["kind"][1], got["at"][1]) == (0, 0, 2, NOW)


@pytest.mark.parametrize("fields", range(4, 16))
def test_an_event_may_end_after_any_field_and_nowhere_else(fields: int) -> None:
    value = event(*FIFTEEN[:fields])
    assert status(value) == decode.OK
    assert status(value + b"\x01") == decode.MALFORMED
    # one field more is announced than there are
    assert fields == 15 or status(bytes([value[0] + 1]) + value[1:]) == decode.MALFORMED


def test_fields_that_a_later_version_appends_are_passed_over() -> None:
    assert columns([long(*FIFTEEN, "new", 7), whole()])["status"].tolist() == [decode.OK, decode.OK]


def long(*fields: object) -> bytes:
    """An event in the long form of an array."""
    return b"\xdc" + len(fields).to_bytes(2, "big") + event(*fields[:4])[1:] + event(*fields[4:][:15])[1:]


FIFTEEN = (
    1, 1, NOW, "id", "item", "category", 1.5, 2, NOW, "order", 0, 1, 1, ["c-1", 1, "q", "a", ""],
    [0, 1_500, [["a", 1_000, 50]]],
)  # fmt: skip


def test_the_long_form_of_the_array_is_read_like_the_short_one() -> None:
    for count in (4, 13, 14, 15):
        got = columns([long(*FIFTEEN[:count]), event(*FIFTEEN[:count])])
        assert got["status"].tolist() == [decode.OK, decode.OK]
        assert got["at"][0] == got["at"][1]
        assert status(long(*FIFTEEN[:count]) + b"\x01") == decode.MALFORMED
    assert status(long(*FIFTEEN[:3])) == decode.MALFORMED
    assert [status(long(*FIFTEEN)[:cut]) for cut in (1, 2, 3)] == [decode.MALFORMED] * 3


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"\x90", decode.MAIL),
        (b"\x9f", decode.MAIL),
        (b"\xdc", decode.MAIL),
        (b"\xc0", decode.OK),
        (b"\x8f", decode.OK),
        (b"\xa0", decode.OK),
        (b"\xdb", decode.OK),
        (b"", decode.OK),
    ],
)
def test_an_array_as_the_sixteenth_field_makes_it_a_letter(field: bytes, expected: int) -> None:
    assert status(long(*FIFTEEN, field)) == expected
    lure = long(*FIFTEEN, b"")  # the next record begins with what would make it one
    assert columns([lure, whole()])["status"].tolist() == [decode.OK, decode.OK]


@pytest.mark.parametrize("more", [0, 1])
def test_a_letter_may_be_twice_as_long_as_an_event_and_no_other_event_may(more: int) -> None:
    def of(size: int, field: object) -> int:
        room = size - len(long(*FIFTEEN, field)) - 2 + 8
        made = long(*FIFTEEN[:5], b"\xda" + room.to_bytes(2, "big") + b"c" * room, *FIFTEEN[6:], field)
        assert len(made) == size
        return status(made)

    assert of(64 * 1024 + more, b"\x90") == (decode.TOO_LARGE if more else decode.MAIL)
    assert of(32 * 1024 + more, None) == (decode.TOO_LARGE if more else decode.OK)


TOP_THOUSANDTHS, TOP_AMOUNT = 2**32 - 1, 10**14
WATER = ["water", 1_000, 50]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (None, decode.OK),
        ([], decode.OK),
        ([17], decode.OK),
        ([0, TOP_THOUSANDTHS], decode.OK),
        ([0, TOP_THOUSANDTHS + 1], decode.BAD_NUMBER),
        ([0, -1], decode.BAD_NUMBER),
        ([0, 0, []], decode.OK),
        ([0, 0, [WATER] * 15], decode.OK),
        ([0, 0, [WATER] * 16], decode.MALFORMED),
        ([0, 0, [["", TOP_THOUSANDTHS, TOP_AMOUNT], [None, 0, 0]]], decode.OK),
        ([0, 0, [WATER, ["a", TOP_THOUSANDTHS + 1, 0]]], decode.BAD_NUMBER),
        ([0, 0, [WATER, ["a", -1, 0], WATER]], decode.BAD_NUMBER),
        ([0, 0, [["a", 0, TOP_AMOUNT + 1], WATER]], decode.BAD_NUMBER),
        ([0, 0, [["a", 0, -1]]], decode.BAD_NUMBER),
        ([0, 0, [["a", 0]]], decode.MALFORMED),
        ([0, 0, [["a", 0, 0, {"appended": [1, 2.5]}]]], decode.OK),
        ([0, 0, [["a", 0, 1.5]]], decode.MALFORMED),
        ([0, 0, ["a"]], decode.MALFORMED),
        ([0, 0, {}], decode.MALFORMED),
        ([0, 1.5], decode.MALFORMED),
        (["17"], decode.MALFORMED),
        ([0, 0, [], {"appended": b"\x00"}, None, 2.5], decode.OK),
        ({}, decode.MALFORMED),
        ("more", decode.MALFORMED),
    ],
)
def test_what_else_an_event_says_is_a_kind_thousandths_and_lines_or_nothing(more: object, expected: int) -> None:
    assert columns([event(*FIFTEEN[:14], more), whole()])["status"].tolist() == [expected, decode.OK]


@pytest.mark.parametrize(("told", "kind"), [(0, 1), (17, 17), (12, 12), (19, 1), (200, 1), (300, 1), (-1, 1)])
def test_the_kind_that_workers_of_before_do_not_know_is_the_true_one(told: int, kind: int) -> None:
    got = columns([event(*FIFTEEN[:14], [told])])[0]
    assert (got["status"], got["kind"]) == (decode.OK, kind)


def test_the_true_kind_does_not_save_one_that_is_unknown() -> None:
    assert status(event(1, 99, *FIFTEEN[2:14], [17])) == decode.UNKNOWN_TYPE


@pytest.mark.parametrize(
    "written",
    [
        *(b"\xc7\x02\x05ab", b"\xc8\x00\x02\x05ab", b"\xc9\x00\x00\x00\x02\x05ab"),
        *(b"\xd4\x05a", b"\xd5\x05ab", b"\xd6\x05abcd", b"\xd7\x05" + b"a" * 8, b"\xd8\x05" + b"a" * 16),
        *(b"\xc4\x01a", b"\xc5\x00\x01a", b"\xc6\x00\x00\x00\x01a"),
        *(b"\xa2ab", b"\xd9\x02ab", b"\xda\x00\x02ab", b"\xdb\x00\x00\x00\x02ab"),
        *(b"\xcc\x01", b"\xcd\x01\x01", b"\xce" + b"\x01" * 4, b"\xcf" + b"\x01" * 8),
        *(b"\xd0\x01", b"\xd1\x01\x01", b"\xd2" + b"\x01" * 4, b"\xd3" + b"\x01" * 8, b"\x7f", b"\xe0"),
        *(b"\xca" + b"\x01" * 4, b"\xcb" + b"\x01" * 8, b"\xc2", b"\xc3", b"\xc0"),
        *(b"\x92\x01\x02", b"\xdc\x00\x02\x01\x02", b"\xdd\x00\x00\x00\x02\x01\x91\x02"),
        *(b"\x81\x01\x02", b"\xde\x00\x01\x01\x02", b"\xdf\x00\x00\x00\x01\x01\x92\x02\x90"),
    ],
)
def test_values_of_any_form_are_passed_over_whole(written: bytes) -> None:
    """A letter behind one is found, so that it was passed over to its end."""
    more = b"\x95\x00\x00\x90" + written * 2
    assert status(long(*FIFTEEN[:14], more, b"\x90")) == decode.MAIL
    for cut in range(1, len(written)):
        assert status(event(*FIFTEEN[:14], b"\x94\x00\x00\x90" + written[:cut])) == decode.MALFORMED
    assert status(event(*FIFTEEN[:14], b"\x94\x00\x00\x90\xc1")) == decode.MALFORMED


@pytest.mark.parametrize(("field", "column"), [(11, "signed"), (12, "anonymous")])
@pytest.mark.parametrize(("written", "flag"), [(0, 0), (1, 1), (2, 0), (-1, 0), (2**62, 0), (b"\xcc\x01", 1)])
def test_only_1_says_that_an_event_is_signed_or_its_customer_anonymous(
    field: int, column: str, written: object, flag: int
) -> None:
    got = columns([whole(**{f"_{field}": written}), whole()])
    assert got["status"].tolist() == [decode.OK, decode.OK]
    assert got[column].tolist() == [flag, 0]


@pytest.mark.parametrize("fields", [4, 11, 12])
def test_an_event_of_before_is_unsigned_and_a_users(fields: int) -> None:
    value = event(*[1, 1, NOW, "id", "item", "category", 1.5, 2, NOW, "order", 0, 0][:fields])
    got = columns([whole(_11=1, _12=1), value])
    assert (got["signed"].tolist(), got["anonymous"].tolist()) == ([1, 0], [1, 0])


@pytest.mark.parametrize(
    ("contact", "fault"),
    [
        (None, 0),
        (["c-1"], 0),
        (["c" * 100], 0),
        (["c" * 101], 1),
        (["ü" * 50], 0),
        (["ü" * 51], 1),
        ([""], 1),
        ([None], 1),
        ([7], 1),
        ([], 1),
        ("c-1", 1),
        (7, 1),
        ({"id": "c-1"}, 1),
        (["c-1", 4], 0),
        (["c-1", 99], 0),
        (["c-1", "voice"], 1),
        (["c-1", None], 1),
        (["c-1", 1, "queue", None, ""], 0),
        (["c-1", 1, "queue", "agent", "reason", "appended", 7], 0),
        (["c-1", 1, "queue", "agent", ["nested"]], 1),
        (["c-1", 1, "queue", 1.5], 1),
        (["c-1", 1, *["x"] * 13], 0),
        (["c-1", 1, *["x"] * 14], 1),
    ],
)
def test_a_contact_is_an_id_a_channel_and_words_or_none(contact: object, fault: int) -> None:
    got = columns([whole(_1=30, _13=contact), whole()])["status"].tolist()
    assert got == [(decode.OK, decode.MALFORMED)[fault], decode.OK]


def test_a_contact_reaches_no_further_than_its_event() -> None:
    value = whole(_13=["c-1", 1, "queue"])
    assert columns([value[:-3], value[-3:], whole()])["status"].tolist() == [
        decode.MALFORMED, decode.MALFORMED, decode.OK,
    ]  # fmt: skip


INTEGERS = [
    (0, b"\x00"),
    (127, b"\x7f"),
    (128, b"\xcc\x80"),
    (255, b"\xcc\xff"),
    (256, b"\xcd\x01\x00"),
    (65_535, b"\xcd\xff\xff"),
    (65_536, b"\xce\x00\x01\x00\x00"),
    (2**32 - 1, b"\xce\xff\xff\xff\xff"),
    (2**32, b"\xcf" + struct.pack(">Q", 2**32)),
    (2**63 - 1, b"\xcf" + struct.pack(">Q", 2**63 - 1)),
    (5, b"\xd0\x05"),
    (1_000, b"\xd1\x03\xe8"),
    (100_000, b"\xd2\x00\x01\x86\xa0"),
    (2**40, b"\xd3" + struct.pack(">q", 2**40)),
    (-1, b"\xff"),
    (-32, b"\xe0"),
    (-33, b"\xd0\xdf"),
    (-128, b"\xd0\x80"),
    (-129, b"\xd1\xff\x7f"),
    (-40_000, b"\xd2\xff\xff\x63\xc0"),
    (-(2**40), b"\xd3" + struct.pack(">q", -(2**40))),
]


@pytest.mark.parametrize(("number", "written"), INTEGERS)
def test_a_whole_number_may_be_written_in_any_width(number: int, written: bytes) -> None:
    """As the time of arrival, the last field of nine: the number ends where the event ends."""
    fields = (1, 1, NOW, "id", "item", "category", 1.5, 2)
    got = columns([event(*fields, written), event(*fields, written)])
    assert got["status"].tolist() == [decode.OK, decode.OK]
    assert got["received_at"].tolist() == [max(number, 0)] * 2
    for cut in range(1, len(written)):
        assert status(event(*fields, written[:cut])) == decode.MALFORMED


@pytest.mark.parametrize(("number", "written"), INTEGERS)
def test_a_value_may_be_a_whole_number(number: int, written: bytes) -> None:
    got = columns([whole(_6=written)])[0]
    fits = 0 <= number <= 10**12
    assert got["status"] == (decode.OK if fits else decode.BAD_NUMBER)
    assert not fits or got["value"] == number


def test_a_number_above_all_signed_ones_is_none() -> None:
    assert status(whole(_8=b"\xcf" + struct.pack(">Q", 2**63))) == decode.MALFORMED
    assert status(whole(_8=b"\xcf" + struct.pack(">Q", 2**64 - 1))) == decode.MALFORMED


@pytest.mark.parametrize("number", [0.0, 0.5, 1.5, 1e12, 123_456.0])
def test_a_value_may_be_a_float_of_four_or_eight_bytes(number: float) -> None:
    narrow = struct.unpack(">f", struct.pack(">f", number))[0]
    fields = (1, 1, NOW, "id", "item", "category")
    for written, read in ((struct.pack(">Bd", 0xCB, number), number), (struct.pack(">Bf", 0xCA, number), narrow)):
        got = columns([event(*fields, written)])[0]
        assert (got["status"], got["value"]) == ((decode.OK, read) if read <= 1e12 else (decode.BAD_NUMBER, 0))
        for cut in range(1, len(written)):
            assert status(event(*fields, written[:cut])) == decode.MALFORMED


TEXTS = [
    ("", b"\xa0"),
    ("", b"\xc0"),  # nil
    ("a", b"\xa1a"),
    ("b" * 31, b"\xbf" + b"b" * 31),
    ("", b"\xd9\x00"),
    ("c" * 32, b"\xd9\x20" + b"c" * 32),
    ("d" * 255, b"\xd9\xff" + b"d" * 255),
    ("e" * 256, b"\xda\x01\x00" + b"e" * 256),
    ("f" * 300, b"\xdb\x00\x00\x01\x2c" + b"f" * 300),
]


@pytest.mark.parametrize(("text", "written"), TEXTS)
def test_a_text_may_be_written_in_any_width(text: str, written: bytes) -> None:
    plain = columns([event(1, 1, NOW, "id", text, text)])[0]
    value = event(1, 1, NOW, "id", written, written)
    got = columns([value])[0]
    assert got["status"] == decode.OK
    assert (got["item"], got["category"]) == (plain["item"], plain["category"])
    assert bool(got["item"]) == bool(text)
    for name in ("item", "category"):
        start = int(got[f"{name}_start"])
        assert got[f"{name}_length"] == len(text)
        assert value[start : start + len(text)].decode() == text
    for cut in range(1, len(written)):
        assert status(event(1, 1, NOW, "id", "item", written[:cut])) == decode.MALFORMED


@pytest.mark.parametrize("place", range(12))
@pytest.mark.parametrize(
    "wrong", [b"\xc1", b"\xc2", b"\xc4\x00", b"\xdc\x00\x00", b"\x80", b"\x90", b"\xd4\x01\x01"]
)
def test_what_is_neither_number_nor_text_makes_an_event_malformed(place: int, wrong: bytes) -> None:
    assert status(whole(**{f"_{place}": wrong})) == decode.MALFORMED


@pytest.mark.parametrize("place", range(12))
def test_a_number_for_a_text_makes_it_malformed_and_the_other_way_round(place: int) -> None:
    wrong: object = 7 if place in (3, 4, 5, 9) else "seven"
    assert status(whole(**{f"_{place}": wrong})) == decode.MALFORMED


@pytest.mark.parametrize("head", [0x80, 0x8F, 0xA0, 0xDC, 0xC0, 0x00, 0xFF])
def test_what_does_not_begin_as_an_array_is_malformed(head: int) -> None:
    assert status(bytes([head]) + whole()[1:]) == decode.MALFORMED


@pytest.mark.parametrize(("length", "expected"), [(0, "missing_id"), (1, ""), (100, ""), (101, "missing_id")])
def test_an_id_has_one_to_a_hundred_bytes(length: int, expected: str) -> None:
    assert decode.REASONS[status(whole(_3="x" * length))] == expected


@pytest.mark.parametrize(
    ("at", "came_in", "good"),
    [
        (946_684_800_000 - 1, NOW, False),
        (946_684_800_000, NOW, True),
        (NOW + DAY_MS, NOW, True),
        (NOW + DAY_MS + 1, NOW, False),
        (5_241_652_095_000, 2**45, True),
        (5_241_652_095_001, 2**45, False),
        (5_241_652_095_000, 5_241_652_095_000 - DAY_MS, True),
        (5_241_652_095_000, 5_241_652_095_000 - DAY_MS - 1, False),
    ],
)
def test_a_time_lies_between_2000_and_a_day_after_the_event_came_in(at: int, came_in: int, good: bool) -> None:
    assert status(whole(_2=at), came_in) == (decode.OK if good else decode.BAD_TIME)
    assert status(whole(_2=at, _10=came_in), NOW) == (decode.OK if good else decode.BAD_TIME)


@pytest.mark.parametrize("came_in", [-1, 0, 1, 946_684_800_000 - 1, 946_684_800_000])
def test_a_record_must_have_a_time_itself_and_is_told_apart_from_its_event(came_in: int) -> None:
    """An event that has the engine's time of receipt needs no other."""
    at = 946_684_800_000 + DAY_MS
    bad = came_in < 946_684_800_000
    assert status(whole(_2=at), came_in) == (decode.BAD_RECORD_TIME if bad else decode.OK)
    assert status(whole(_2=at, _10=NOW), came_in) == decode.OK
    assert status(whole(_2=at, _10=max(came_in, 1)), NOW) == (decode.BAD_RECORD_TIME if bad else decode.OK)
    assert decode.REASONS[decode.BAD_RECORD_TIME] == "bad_record_time"
    assert "own timestamp, not the event's" in decode.DETAILS[decode.BAD_RECORD_TIME]


@pytest.mark.parametrize("engine_at", [0, NOW - 5])
@pytest.mark.parametrize(("ahead", "clamped"), [(-1, 0), (0, 0), (1, 1), (DAY_MS, 1), (DAY_MS + 1, 0)])
def test_an_event_ahead_of_its_record_happened_when_that_came_in(engine_at: int, ahead: int, clamped: int) -> None:
    came_in = engine_at or NOW
    values = [whole(_2=came_in + ahead, _10=engine_at), whole(_2=came_in - 9, _10=engine_at)]
    records: NDArray[np.void] = np.zeros(2, RECORD)
    records["value"], records["value_length"] = [0, len(values[0])], [len(value) for value in values]
    out: NDArray[np.void] = np.zeros(2, decode.COLUMNS)
    data = np.frombuffer(b"".join(values), np.uint8)
    assert decode.decode(data, records, np.full(2, NOW), out) == clamped
    assert out["status"].tolist() == [decode.OK if ahead <= DAY_MS else decode.BAD_TIME, decode.OK]
    assert out["at"][1] == came_in - 9
    if ahead <= DAY_MS:
        assert out["at"][0] == came_in + min(ahead, 0)


def test_a_record_without_a_value_is_a_tombstone_and_an_empty_value_is_none() -> None:
    records: NDArray[np.void] = np.zeros(2, RECORD)
    records["value_length"] = [-1, 0]
    out: NDArray[np.void] = np.zeros(2, decode.COLUMNS)
    assert decode.decode(np.frombuffer(b"{", np.uint8), records, np.full(2, NOW), out) == 0
    assert out["status"].tolist() == [decode.TOMBSTONE, decode.MALFORMED]


@pytest.mark.parametrize(
    ("value", "good"),
    [(0.0, True), (-0.0, True), (-5e-324, False), (1e12, True), (float(np.nextafter(1e12, 2e12)), False)],
)
def test_a_value_lies_between_nothing_and_a_million_millions(value: float, good: bool) -> None:
    assert status(whole(_6=value)) == (decode.OK if good else decode.BAD_NUMBER)


@pytest.mark.parametrize(("quantity", "good"), [(-1, False), (0, True), (2**32 - 1, True), (2**32, False)])
def test_a_quantity_has_four_bytes(quantity: int, good: bool) -> None:
    assert status(whole(_7=quantity)) == (decode.OK if good else decode.BAD_NUMBER)


@pytest.mark.parametrize(("more", "expected"), [(0, decode.OK), (1, decode.TOO_LARGE)])
def test_an_event_has_at_most_32_kib_wherever_in_a_batch_it_stands(more: int, expected: int) -> None:
    room = 32 * 1024 - len(whole(_5=b"\xda\x00\x00"))
    large = whole(_5="c" * (room + more))
    assert len(large) == 32 * 1024 + more
    assert columns([whole(), large, whole(), large])["status"].tolist() == [decode.OK, expected] * 2


def test_a_version_that_is_not_ours_is_malformed() -> None:
    assert [status(whole(_0=version)) for version in (0, 1, 2)] == [decode.MALFORMED, decode.OK, decode.MALFORMED]


def test_json_is_known_by_its_first_byte_behind_mark_and_blanks() -> None:
    assert [status(value) for value in (b"{", b"|", b"z", b"")] == [decode.JSON, *[decode.MALFORMED] * 3]
    mark = b"\xef\xbb\xbf"
    for before in (mark, b" ", b"\t", b"\n", b"\r", mark + b"\r\n "):
        assert status(before + b"{") == decode.JSON
        for short in (before, before + b"[", before + b"\x94"):
            assert status(short) == decode.MALFORMED
    for other in (b"\x0b{", b" " + mark + b"{", mark[:2] + b"{", mark + mark + b"{"):
        assert status(other) == decode.MALFORMED
    assert columns([mark, b"{"])["status"].tolist() == [decode.MALFORMED, decode.JSON]


def test_reasons_and_details_are_as_many_as_statuses() -> None:
    assert len(decode.REASONS) == len(decode.DETAILS) == decode.MAIL + 1


def test_an_array_of_three_is_malformed_whatever_follows() -> None:
    assert status(bytes([0x93]) + event(1, 1, NOW, "id")[1:]) == decode.MALFORMED


#: place of a fault -> the last byte of the batch, which lies "before" its first, and what the batch begins with
LURES = [(4, b"\xa0", b"\x01\x01\x01"), (5, b"\x01", b"\x01\x01"), (6, b"\x01", b"\x01"), (7, b"\x01", b"")]


@pytest.mark.parametrize(("place", "last", "first"), LURES)
def test_a_fault_is_not_made_good_by_what_lies_elsewhere_in_the_batch(
    place: int, last: bytes, first: bytes
) -> None:
    """A reader that went on after a fault would find the missing fields in the neighbours: up to the fault's
    own end, by a text that begins in the record before it."""
    fields = [1, 1, NOW, "id", "item", "category", 1.5, 2, NOW, "order"]
    faulty = event(*fields[:place], b"\xc1", *fields[place + 1 :])
    lure = first + b"\xda" + struct.pack(">H", len(faulty) + 5) + b"x" * 5
    assert columns([lure, faulty, last])["status"].tolist() == [decode.MALFORMED] * 3


def test_nor_is_an_end_that_came_too_early() -> None:
    cut = bytes([0x96]) + event(1, 1, NOW, "id")[1:]  # neither item nor category
    lure = b"\xd9" + bytes([len(cut) + 3]) + b"xxx"
    assert columns([lure, cut])["status"].tolist() == [decode.MALFORMED] * 2


def test_codes_of_kinds_are_stored_and_never_change() -> None:
    assert {kind.name: kind.value for kind in Kind} == {
        "OTHER": 0, "PAGE_VIEWED": 1, "ITEM_VIEWED": 2, "LIST_VIEWED": 3, "SEARCHED": 4, "REVIEW_READ": 5,
        "CART_ADDED": 6, "CART_REMOVED": 7, "CART_VIEWED": 8, "WISHLISTED": 9, "CHECKOUT_STARTED": 10,
        "CHECKOUT_STEP": 11, "ORDER_COMPLETED": 12, "ORDER_REFUNDED": 13, "ORDER_CANCELLED": 14,
        "COUPON_APPLIED": 15, "SHARED": 16, "ORDER_UPDATED": 17, "IDENTIFIED": 20, "GROUPED": 21, "ALIASED": 22,
        "TRAITS_SET": 24,
        "CONTACT_STARTED": 30, "CONTACT_CONNECTED": 31, "CONTACT_ENDED": 32,
        "CONTACT_IN_IVR": 33, "CONTACT_QUEUED": 34, "CONTACT_HELD": 35, "CONTACT_TRANSFERRED": 36,
        "CONTACT_WRAPPED_UP": 37, "CONTACT_ABANDONED": 38, "CALLBACK_ASKED": 39, "CONTACT_OUTCOME": 40,
        "CONTACT_SURVEYED": 41, "CONSENT_REVOKED": 60, "CONSENT_GRANTED": 61, "CONSENT_CONFIRMED": 62,
        "ERASED": 63,
    }  # fmt: skip


def test_codes_of_channels_are_stored_and_never_change() -> None:
    assert {channel.name: channel.value for channel in ContactChannel} == {
        "UNKNOWN": 0, "VOICE": 1, "CHAT": 2, "EMAIL": 3, "MESSAGING": 4,
    }  # fmt: skip
