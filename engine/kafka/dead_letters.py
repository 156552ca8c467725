"""A dead letter as a record of its topic: what it was, where it stood and why it could not be applied."""

from __future__ import annotations

from typing import NamedTuple

from engine.events import MAX_CUSTOMER_BYTES
from engine.ports.kafka import DeadLetter
from engine.ports.sources import SOURCE_HEADER
from engine.post.seal import SIGNATURE_HEADER

LETTER_BYTES = 512 * 1024  # of the original; brokers take a record of 1 MB with its headers


HEADER_CHARACTERS = 1_000  # of what a sender may have written …
MOST_HEADERS = 50  # … of a CloudEvent


class LetterRecord(NamedTuple):
    """Key, value and headers."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def dead_letter_record(topic: str, partition: int, letter: DeadLetter) -> LetterRecord:
    """A record that Kafka always takes: neither empty nor larger than a producer may send. Of a larger original it
    has the beginning, and the header ``truncated`` with the bytes that key and value had."""
    headers = [
        ("topic", topic.encode()),
        ("partition", str(partition).encode()),
        ("offset", str(letter.offset).encode()),
        ("reason", letter.reason.encode()),
        ("detail", _header(letter.detail)),
    ]
    if letter.source:
        headers.append((SOURCE_HEADER, _header(letter.source)))
    if letter.signature is not None:
        headers.append((SIGNATURE_HEADER, letter.signature[:HEADER_CHARACTERS]))
    headers += [(name[:HEADER_CHARACTERS], _header(text)) for name, text in letter.headers[:MOST_HEADERS]]
    key, value = letter.key, letter.value
    if key is None and value is None:
        value = b""
    if len(key or b"") + len(value or b"") > LETTER_BYTES:
        headers.append(("truncated", f"{len(key or b'')} {len(value or b'')}".encode()))
        key, value = key and key[:MAX_CUSTOMER_BYTES], value and value[:LETTER_BYTES]
    return LetterRecord(key, value, headers)


def _header(text: str) -> bytes:
    return text[:HEADER_CHARACTERS].encode(errors="replace")
