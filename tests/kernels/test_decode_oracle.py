"""The compiled decoder against msgpack-python: what that library packs the kernel reads, and of any bytes both say
the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from engine.events import MAX_ID_BYTES, WIRE_VERSION, Kind
from engine.kernels import decode
from engine.kernels.hashing import hash64
from engine.kernels.nested import line
from engine.kernels.wire import (
    AHEAD_MS,
    EARLIEST_MS,
    LATEST_MS,
    MAX_AMOUNT,
    MAX_EVENT_BYTES,
    MAX_LETTER_BYTES,
    MAX_LINES,
    MAX_QUANTITY,
    MAX_THOUSANDTHS,
    MAX_VALUE,
    ContactChannel,
)
from tests.kernels import values

NOW = 1_700_000_000_000
NAMES = (
    "version",
    "kind",
    "at",
    "id",
    "item",
    "category",
    "value",
    "quantity",
    "received_at",
    "order",
    "engine_at",
    "trust",
    "anonymous",
    "contact",
    "more",
)
ABSENT: dict[str, object] = {
    "item": None,
    "category": None,
    "value": 0.0,
    "quantity": 1,
    "received_at": 0,
    "order": None,
    "engine_at": 0,
    "trust": 0,
    "anonymous": 0,
    "contact": None,
    "more": None,
}
WHOLE = ("version", "kind", "at", "quantity", "received_at", "engine_at", "trust", "anonymous")
TEXT = ("id", "item", "category", "order")

Packed = Callable[[list[object]], bytes]


def fields_of(value: bytes) -> dict[str, object] | None:
    """The fields as msgpack-python reads them; None where it is no array of 4 or more in one of its two
    shorter forms, ends early or goes on."""
    unpacker = msgpack.Unpacker(
        raw=False, unicode_errors="surrogateescape", strict_map_key=False, object_pairs_hook=tuple
    )
    unpacker.feed(value)
    try:
        count = unpacker.read_array_header()
        found: list[object] = []
        for name in NAMES[:count]:
            begun = unpacker.tell()
            one = unpacker.unpack()
            known = name not in ("contact", "more") or value[begun] == 0xC0 or value[begun] & 0xF0 == 0x90
            found.append(one if known else "an array of another form")
    except (ValueError, msgpack.UnpackException):
        return None
    short = value[0] & 0xF0 == 0x90 or value[0] == 0xDC
    if count < 4 or not short or (count <= len(NAMES) and unpacker.tell() != len(value)):
        return None
    return (
        {"mail": count > len(NAMES) and is_array(value[unpacker.tell() :])}
        | ABSENT
        | dict(zip(NAMES, found, strict=False))
    )


def is_array(rest: bytes) -> bool:
    """Whether an array begins there, in one of its two shorter forms."""
    return bool(rest) and (rest[0] & 0xF0 == 0x90 or rest[0] == 0xDC)


def text(found: object) -> bytes:
    """The bytes of a string or of nil."""
    return b"" if found is None else str(found).encode(errors="surrogateescape")


def typed(fields: dict[str, object]) -> bool:
    """Whether each is of its type; integers fit 64 bits with a sign."""
    whole = all(type(n := fields[name]) is int and -(2**63) <= n < 2**63 for name in WHOLE)
    value = fields["value"]
    number = type(value) is float or (type(value) is int and -(2**63) <= value < 2**63)
    texts = all(fields[name] is None or type(fields[name]) is str for name in TEXT)
    return whole and number and texts and is_contact(fields["contact"]) and is_more(fields["more"])


def is_contact(found: object) -> bool:
    """Whether it is none, or an id, a channel and any number of texts and whole numbers."""
    if found is None:
        return True
    if not isinstance(found, list) or not found or type(found[0]) is not str:
        return False
    if not 1 <= len(text(found[0])) <= MAX_ID_BYTES:
        return False
    return all(map(is_whole, found[1:2])) and all(n is None or type(n) is str or is_whole(n) for n in found[2:])


def is_whole(found: object) -> bool:
    return type(found) is int and -(2**63) <= found < 2**63


def is_more(found: object) -> bool:
    """Whether it is none, or a kind, thousandths and up to 15 lines, and then anything."""
    if found is None:
        return True
    if not isinstance(found, list):
        return False
    lines = found[2] if len(found) > 2 else []
    return (
        all(map(is_whole, found[:2]))
        and isinstance(lines, list)
        and len(lines) <= MAX_LINES
        and all(
            isinstance(line, list)
            and 3 <= len(line) <= 15
            and (line[0] is None or type(line[0]) is str)
            and is_whole(line[1])
            and is_whole(line[2])
            for line in lines
        )
    )


def within_bounds(more: object) -> bool:
    """Whether the thousandths and amounts in it are."""
    _, thousandths, lines = parts_of(more)
    return 0 <= thousandths <= MAX_THOUSANDTHS and all(
        0 <= line[1] <= MAX_THOUSANDTHS and 0 <= line[2] <= MAX_AMOUNT for line in lines
    )


def parts_of(more: object) -> tuple[int, int, list[Any]]:
    """Kind, thousandths and lines, each as nothing where it is not there."""
    places: list[Any] = more if isinstance(more, list) else []
    defaults: list[Any] = [0, 0, []]
    kind, thousandths, lines = [*places[:3], *defaults[len(places) :]]
    return kind, thousandths, lines


def true_kind(fields: dict[str, object]) -> object:
    """The kind that `more` names, where it is known."""
    told = parts_of(fields["more"])[0]
    return told if told and told in set(Kind) else fields["kind"]


def verdict(value: bytes) -> tuple[int, dict[str, object]]:
    """What the documents say of `value`, and its fields."""
    if value.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\n\r")[:1] == b"{":
        return decode.JSON, {}
    if len(value) > (MAX_LETTER_BYTES if value[:1] == b"\xdc" else MAX_EVENT_BYTES):
        return decode.TOO_LARGE, {}
    fields = fields_of(value)
    if fields is None or not typed(fields) or fields["version"] != WIRE_VERSION:
        return decode.MALFORMED, {}
    if len(value) > MAX_EVENT_BYTES and not fields["mail"]:
        return decode.TOO_LARGE, {}
    return _fault(fields), fields


def _fault(fields: dict[str, object]) -> int:
    at, value, quantity = (fields[name] for name in ("at", "value", "quantity"))
    assert isinstance(at, int)
    assert isinstance(value, int | float)
    assert isinstance(quantity, int)
    came_in = _came_in(fields)
    if fields["kind"] not in set(Kind):
        return decode.UNKNOWN_TYPE
    if not 1 <= len(text(fields["id"])) <= MAX_ID_BYTES:
        return decode.MISSING_ID
    if came_in < EARLIEST_MS <= at:
        return decode.BAD_RECORD_TIME
    if not EARLIEST_MS <= at <= min(came_in + AHEAD_MS, LATEST_MS):
        return decode.BAD_TIME
    if not 0 <= value <= MAX_VALUE or not 0 <= quantity <= MAX_QUANTITY or not within_bounds(fields["more"]):
        return decode.BAD_NUMBER
    return decode.MAIL if fields["mail"] else decode.OK


def _came_in(fields: dict[str, object]) -> int:
    return engine_at if isinstance(engine_at := fields["engine_at"], int) and engine_at > 0 else NOW


def decoded(value: bytes) -> np.void:
    got: np.void = values.decoded([value], NOW)[0]
    return got


def agree(value: bytes) -> int:
    """The status that both give; where it may be applied, both read the same."""
    status, fields = verdict(value)
    got = decoded(value)
    assert int(got["status"]) == status, (value, fields)
    if status in (decode.OK, decode.MAIL):
        for name in ("value", "quantity"):
            assert got[name] == fields[name]
        assert got["kind"] == true_kind(fields)
        _, thousandths, lines = parts_of(fields["more"])
        assert got["thousandths"] == thousandths
        assert lines_of(value, got) == [[hash64(*_whole(text(line[0]))), *line[1:3]] for line in lines]
        assert got["at"] == min(int(str(fields["at"])), _came_in(fields))
        assert got["received_at"] == max(int(str(fields["received_at"])), 0)
        assert got["signed"] == (fields["trust"] == 1)
        assert got["anonymous"] == (fields["anonymous"] == 1)
        assert got["id"] == hash64(*_whole(text(fields["id"])))
        for name in ("item", "category"):
            start, words = int(got[f"{name}_start"]), text(fields[name])
            assert value[start : start + int(got[f"{name}_length"])] == words
            assert got[name] == hash64(*_whole(words))
        assert got["order"] == hash64(*_whole(text(fields["order"])))
        agree_on_contact(got, fields["contact"])
    return status


def agree_on_contact(got: np.void, contact: object) -> None:
    """Id and words as hashes of their bytes; what is no word or no channel that is known says nothing."""
    identity, channel, *words = [*contact, *[0] * 5][:5] if isinstance(contact, list) else ["", 0, "", "", ""]
    assert got["contact"] == hash64(*_whole(text(identity)))
    assert got["contact_channel"] == (channel if channel in set(ContactChannel) else 0)
    for name, word in zip(("queue", "agent", "reason"), words, strict=True):
        assert got[f"contact_{name}"] == hash64(*_whole(text(word) if isinstance(word, str) else b""))


def lines_of(value: bytes, got: np.void) -> list[list[int]]:
    """The lines that the event's columns lead to in its bytes."""
    data, at, found = np.frombuffer(value, np.uint8), int(got["lines_start"]), []
    for _ in range(int(got["lines"])):
        item, thousandths, amount, at = line(data, at, len(data))
        found.append([int(item), int(thousandths), int(amount)])
    return found


def _whole(data: bytes) -> tuple[object, int, int]:
    return np.frombuffer(data, np.uint8), 0, len(data)


def packer(single: bool) -> Packed:
    packed = msgpack.Packer(use_single_float=single, unicode_errors="surrogateescape")
    return lambda fields: bytes(packed.pack(fields))


WORDS = st.none() | st.text(max_size=40) | st.binary(max_size=6).map(lambda b: b.decode(errors="surrogateescape"))
CONTACTS = st.none() | st.tuples(
    st.text(min_size=1, max_size=25),
    st.integers(-1, 6) | st.integers(-(2**63), 2**63 - 1),
    WORDS | st.integers(0, 300),
    WORDS,
    WORDS,
    st.integers(0, 300) | WORDS,
).flatmap(lambda places: st.integers(1, len(places)).map(lambda size: list(places[:size])))
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(width=32)
    | st.binary(max_size=300)
    | WORDS
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
    lambda inner: st.lists(inner, max_size=17) | st.dictionaries(st.text(max_size=2), inner, max_size=17),
    max_leaves=20,
)
LINES = st.lists(
    st.tuples(WORDS, st.integers(0, MAX_THOUSANDTHS), st.integers(0, MAX_AMOUNT), ANYTHING).flatmap(
        lambda places: st.integers(3, 4).map(lambda size: list(places[:size]))
    ),
    max_size=MAX_LINES,
)
MORES = st.none() | st.tuples(
    st.integers(-1, 300), st.integers(0, MAX_THOUSANDTHS), LINES, ANYTHING, ANYTHING
).flatmap(lambda places: st.integers(0, len(places)).map(lambda size: list(places[:size])))
EVENTS = st.tuples(
    st.just(WIRE_VERSION),
    st.sampled_from([int(kind) for kind in Kind]),
    st.integers(EARLIEST_MS, NOW + AHEAD_MS),
    st.text(min_size=1, max_size=25),
    WORDS,
    WORDS,
    st.floats(0, 2.0**39, width=32) | st.floats(0, MAX_VALUE) | st.integers(0, int(MAX_VALUE)),
    st.integers(0, MAX_QUANTITY),
    st.integers(-(2**63), 2**63 - 1),
    WORDS,
    st.just(0),
    st.integers(-1, 2) | st.integers(-(2**63), 2**63 - 1),
    st.integers(-1, 2),
    CONTACTS,
    MORES,
    st.integers(-(2**63), 2**64 - 1)
    | st.dictionaries(st.text(max_size=2), st.floats(width=32), max_size=2)
    | st.lists(st.integers(0, 9), max_size=20),
    *[st.integers(0, 9)] * 2,
).flatmap(lambda fields: st.integers(4, len(fields)).map(lambda size: list(fields[:size])))
PACKED = st.tuples(st.booleans(), EVENTS).map(lambda made: packer(made[0])(made[1]))


@given(PACKED)
def test_what_msgpack_packs_is_read(value: bytes) -> None:
    assert agree(value) in (decode.OK, decode.MAIL)


#: Values a field may not have, and others of its neighbours' types.
ODD = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(width=32)
    | st.text(max_size=3)
    | st.text(min_size=MAX_ID_BYTES - 1, max_size=MAX_ID_BYTES + 2)
    | st.binary(max_size=3)
    | st.lists(st.integers(0, 9), max_size=3)
    | st.lists(
        st.none() | st.text(max_size=2) | st.integers(-(2**63), 2**64 - 1) | st.floats(width=32), max_size=17
    )
    | st.dictionaries(st.integers(0, 3), st.integers(0, 3), max_size=2)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=4))
    | st.sampled_from([EARLIEST_MS - 1, EARLIEST_MS, NOW + AHEAD_MS, NOW + AHEAD_MS + 1, LATEST_MS, LATEST_MS + 1])
)


@given(EVENTS, st.dictionaries(st.integers(0, 15), ODD, min_size=1, max_size=3), st.booleans())
def test_an_event_of_odd_fields_is_read_alike(fields: list[object], odd: dict[int, object], single: bool) -> None:
    for place, value in odd.items():
        if place < len(fields):
            fields[place] = value
    agree(packer(single)(fields))


@given(
    EVENTS.filter(lambda fields: len(fields) > 14),
    st.lists(ODD, max_size=5)
    | st.tuples(st.just(17), ODD, ODD).map(list)
    | st.tuples(
        st.just(0), st.just(0), st.lists(st.lists(ODD, max_size=4) | st.just(["a", 1000, 100]), max_size=17)
    ).map(list),
)
def test_what_lies_nested_is_read_alike(fields: list[object], more: list[object]) -> None:
    agree(packer(False)([*fields[:14], more, *fields[15:]]))


@given(PACKED, st.data())
def test_a_damaged_event_is_read_alike(value: bytes, data: st.DataObject) -> None:
    damaged = bytearray(value)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged)))
        damaged[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    agree(bytes(damaged))


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\x94" + rest))
@example(b"")
@example(b"{")
@example(b"\xef\xbb\xbf\n\t {")
@example(b"\xef\xbb{")
@example(b" \xef\xbb\xbf{")
@example(b"\xef\xbb\xbf \x0b{")
@example(b"\xdc\x00\x04\x01\x01\x01\xa1a")
@example(b"\x94\x01\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1a")
@example(b"\x95\x01\x01\xd3\x00\x00\x01\x8b\xcf\xe5\x68\x00\xa1a\xdb\xff\xff\xff\xff")
def test_any_bytes_are_read_alike(value: bytes) -> None:
    agree(value)


def test_what_is_larger_than_an_event_may_be_is_read_alike() -> None:
    fields: list[object] = [WIRE_VERSION, 1, NOW, "id", "c" * (MAX_EVENT_BYTES - 18)]
    longest = packer(False)(fields)
    assert len(longest) == MAX_EVENT_BYTES
    assert agree(longest) == decode.OK
    assert agree(packer(False)([*fields[:4], "c" * (MAX_EVENT_BYTES - 17)])) == decode.TOO_LARGE
