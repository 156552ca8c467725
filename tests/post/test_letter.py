"""Letters as they travel: what the receiver reads is what the sender's record said."""

from __future__ import annotations

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent, BadSettings
from engine.events import Event
from engine.kernels import decode
from engine.post.ledger import Ledger
from engine.post.letter import PLACE, Letter, as_letter, is_whole, letter_in, number_of
from engine.post.seal import FORGED, UNKNOWN_KEY, UNSIGNED, Seal
from tests.kernels.values import decoded

NOW = 1_700_000_000_000
CONTACT = ["c-1", 1, "queue", "agent", "reason"]
MORE = [17, 1_500, [["a", 300, 600]], "appended"]
FIELDS: list[object] = [1, 2, NOW, "id", "item", "category", 1.5, 2, NOW, "order", 0, 1, 1, CONTACT, MORE]
LETTER = Letter(3, 0, number_of(7), number_of(2), ("a", "ü"), b"\x00\xff")
SEAL = Seal("shop", {"new": b"n" * 32, "old": b"o" * 32})


def columns(value: bytes, came_in: int = NOW) -> np.void:
    found: np.void = decoded([value], came_in)[0]
    return found


@pytest.mark.parametrize("fields", range(4, 16))
def test_the_receiver_reads_the_event_that_the_sender_had(fields: int) -> None:
    event = msgspec.msgpack.encode(FIELDS[:fields])
    letter = as_letter(event, NOW + 5, LETTER)
    assert letter_in(letter) == LETTER
    assert msgpack.unpackb(letter)[10] == NOW + 5
    assert msgpack.unpackb(letter)[13] == (CONTACT if fields > 13 else None)
    assert msgpack.unpackb(letter)[14] == (MORE if fields > 14 else None)
    had, sent = columns(letter, NOW + 86_400_000), columns(event, NOW + 5)
    assert (had["status"], sent["status"]) == (decode.MAIL, decode.OK)
    places = ("item_start", "category_start", "lines_start", "traits_start")
    same = [name for name in decode.COLUMNS.names or () if name not in ("status", *places)]
    assert had[same] == sent[same]


def test_the_measure_of_the_future_is_the_senders_whenever_it_is_read() -> None:
    event = msgspec.msgpack.encode([1, 2, NOW + 60_000, "id"])
    times = [int(columns(as_letter(event, NOW, LETTER), NOW + later)["at"]) for later in (0, 3_600_000)]
    assert times == [NOW, NOW]


def test_fields_that_a_later_version_appends_stay_behind_and_what_is_no_text_stays_as_it_is() -> None:
    event = b"\xdc\x00\x11" + b"".join(map(msgspec.msgpack.encode, FIELDS)) + b"\xc0\x07"
    assert msgpack.unpackb(as_letter(event, NOW, LETTER))[:10] == FIELDS[:10]
    assert len(msgpack.unpackb(as_letter(event, NOW, LETTER))) == 16
    odd = b"\x94\x01\x02\xcf" + NOW.to_bytes(8, "big") + b"\xa2\xff\xfe"
    assert b"\xa2\xff\xfe" in as_letter(odd, NOW, LETTER)


def test_what_is_nested_too_deeply_behind_the_fields_is_no_error_of_ours() -> None:
    """The stream does not read so far, so anybody may write it."""
    deep = b"\xdc\x00\x11" + b"".join(map(msgspec.msgpack.encode, FIELDS)) + b"\xc0" + b"\x91" * 30_000 + b"\xc0"
    assert columns(deep)["status"] == decode.OK
    assert not is_whole(deep)
    for read in (letter_in, lambda value: as_letter(value, NOW, LETTER)):
        with pytest.raises(BadEvent, match="malformed"):
            read(deep)


@pytest.mark.parametrize("fields", range(4, 15))
def test_no_worker_of_before_takes_a_letter_for_an_event(fields: int) -> None:
    """They know an event by the short form of an array, of at most fifteen, and JSON by its first byte."""
    first = as_letter(msgspec.msgpack.encode(FIELDS[:fields]), NOW, LETTER)[0]
    assert not 0x90 <= first <= 0x9F
    assert bytes([first]) not in (b"{", b" ", b"\t", b"\r", b"\n", b"\xef")


@pytest.mark.parametrize("wrong", [b"", b"\x94\x01", b"\xc1", b"{}"])
def test_what_is_no_array_is_no_letter(wrong: bytes) -> None:
    for read in (letter_in, lambda value: as_letter(value, NOW, LETTER)):
        with pytest.raises(BadEvent, match="malformed"):
            read(wrong)


@pytest.mark.parametrize(
    "field",
    [
        [],
        [1, 2, 3],
        ["x", 0, 5, 1],
        [1, 0, 5, 5],
        [1, 0, 4, 5],
        [-1, 0, 5, 1],
        [1, -1, 5, 1],
        [1, 0, 5, -1],
        [1, 0, 5, 1, 3],
    ],
)
def test_a_field_that_is_no_letter_is_malformed(field: object) -> None:
    value = b"\xdc\x00\x10" + b"".join(map(msgspec.msgpack.encode, [*FIELDS, field]))
    assert columns(value)["status"] == decode.MAIL
    with pytest.raises(BadEvent, match="malformed"):
        letter_in(value)


def test_numbers_follow_the_log() -> None:
    numbers = [number_of(offset, index) for offset in (0, 1, 2**40) for index in (0, 1, 65_535)]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0


def test_a_letter_is_signed_by_the_first_secret_and_verified_by_all() -> None:
    signature = SEAL.sign(3, b"ann", b"value")
    assert signature.startswith(b"new:")
    SEAL.verify(signature, 3, b"ann", b"value")
    Seal("shop", dict([*SEAL.secrets.items()][::-1])).verify(signature, 3, b"ann", b"value")
    assert SEAL.ids == ("new", "old")


@given(st.sampled_from(["cluster", "receiver", "key", "value", "digest"]), st.integers(0, 63))
def test_nothing_of_it_can_be_changed(what: str, place: int) -> None:
    signature, receiver, key, value, seal = SEAL.sign(3, b"ann", b"value"), 3, b"ann", b"value", SEAL
    match what:
        case "cluster":
            seal = Seal("another", SEAL.secrets)
        case "receiver":
            receiver = 4
        case "key":
            key, value = b"annv", b"alue"
        case "value":
            value = b"valuE"
        case _:
            at = len(b"new:") + place
            signature = signature[:at] + (b"0" if signature[at : at + 1] != b"0" else b"1") + signature[at + 1 :]
    with pytest.raises(BadEvent, match=FORGED):
        seal.verify(signature, receiver, key, value)


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (None, UNSIGNED),
        (b"", UNSIGNED),
        (b"other:00", UNKNOWN_KEY),
        (b"new", FORGED),
        (b"new:", FORGED),
        (b"\xff:00", UNKNOWN_KEY),
        ("new:ü".encode(), FORGED),
        (b":", UNKNOWN_KEY),
    ],
)
def test_what_is_wrong_with_a_signature(signature: bytes | None, reason: str) -> None:
    with pytest.raises(BadEvent, match=reason):
        SEAL.verify(signature, 3, b"ann", b"value")


def test_without_a_secret_nothing_is_signed_and_nothing_believed() -> None:
    with pytest.raises(BadSettings, match=r"post\.secrets"):
        Seal("shop").sign(1, b"ann", b"value")
    with pytest.raises(BadEvent, match=UNKNOWN_KEY):
        Seal("shop").verify(SEAL.sign(1, b"ann", b"value"), 1, b"ann", b"value")


def test_an_event_without_a_letter_is_shorter_than_its_place() -> None:
    assert len(msgspec.structs.fields(Event)) == PLACE


def test_a_letter_without_a_number_is_always_new_and_leaves_no_trace() -> None:
    ledger = Ledger()
    letter = letter_in(as_letter(msgspec.msgpack.encode(FIELDS), NOW, ledger.unnumbered(3)))
    assert (letter.sender, letter.number, letter.previous) == (3, 0, 0)
    assert [ledger.receive(letter) for _ in range(2)] == [(True, {})] * 2
    assert ledger.holes == 0
    with pytest.raises(BadEvent, match="contradict"):
        letter_in(as_letter(msgspec.msgpack.encode(FIELDS), NOW, Letter(3, 0, 0, 1)))


def test_what_goes_on_to_another_customer_is_no_anonymous_ids_any_more() -> None:
    event = msgspec.msgpack.encode(Event(1, 1, NOW, "id", anonymous=1))
    sent = [msgpack.unpackb(as_letter(event, NOW, LETTER, of_user)) for of_user in (False, True)]
    assert [fields[12] for fields in sent] == [1, 0]
    assert sent[0][:12] == sent[1][:12]
