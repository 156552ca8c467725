"""The records of dead letters: the whole original, up to what a broker takes."""

from __future__ import annotations

import pytest

from engine.kafka.dead_letters import LETTER_BYTES, dead_letter_record
from engine.ports.kafka import DeadLetter


def letter(key: bytes | None, value: bytes | None, source: str = "") -> DeadLetter:
    return DeadLetter("malformed", "not an event", 17, key, value, source)


def test_it_says_what_it_was_and_where_and_why() -> None:
    record = dead_letter_record("events", 3, letter(b"ann", b"{", "genesys"))
    assert (record.key, record.value) == (b"ann", b"{")
    assert dict(record.headers) == {
        "topic": b"events",
        "partition": b"3",
        "offset": b"17",
        "reason": b"malformed",
        "detail": b"not an event",
        "source": b"genesys",
    }


def test_a_record_of_nothing_still_has_a_value() -> None:
    record = dead_letter_record("events", 0, letter(None, None))
    assert (record.key, record.value) == (None, b"")
    assert "source" not in dict(record.headers)


def test_what_a_sender_wrote_into_headers_fits_beside_the_original() -> None:
    long = DeadLetter("unknown_source", "\ud800" + "d" * 2_000, 17, b"k", b"v" * (LETTER_BYTES - 1), "s" * 900_000)
    headers = dict(dead_letter_record("events", 0, long).headers)
    assert headers["source"] == b"s" * 1_000
    assert headers["detail"] == b"?" + b"d" * 999


@pytest.mark.parametrize(("size", "kept"), [(-1, True), (0, True), (1, False)])
def test_the_original_is_whole_up_to_the_most_a_letter_holds(size: int, kept: bool) -> None:
    value = b"v" * (LETTER_BYTES - 3 + size)
    record = dead_letter_record("events", 0, letter(b"key", value))
    assert ("truncated" not in dict(record.headers)) is kept
    if kept:
        assert record.value == value
    else:
        assert dict(record.headers)["truncated"] == f"3 {len(value)}".encode()
        assert record.value == value[:LETTER_BYTES]
