"""A record's headers as Kafka writes them: a count, then name and value of each behind its length, as zig-zag
varints (https://kafka.apache.org/documentation/#recordheader)."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

#: Of CloudEvents in binary form: before the names of attributes, and what all of them have
#: (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md).
CE_PREFIX, CE_VERSION = "ce_", "ce_specversion"
_PLAIN = string.printable.replace("%", "")
CONTENT_TYPE, CE_MEDIA = "content-type", "application/cloudevents"


def is_cloudevent(headers: Mapping[str, str]) -> bool:
    """Whether a record with `headers` is a CloudEvent, in binary or in structured form."""
    return CE_VERSION in headers or headers.get(CONTENT_TYPE, "").lower().startswith(CE_MEDIA)


def of_cloudevent(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Those of `headers` that are a part of a CloudEvent."""
    if not is_cloudevent(headers):
        return ()
    return tuple(
        (name, text) for name, text in headers.items() if name.startswith(CE_PREFIX) or name == CONTENT_TYPE
    )


def as_http(headers: Mapping[str, str]) -> dict[str, str]:
    """`headers` with CloudEvents' attributes as HTTP has them: other names, and percent-encoded."""
    attributes = {
        f"ce-{name.removeprefix(CE_PREFIX)}": quote(text, _PLAIN)
        for name, text in headers.items()
        if name.startswith(CE_PREFIX)
    }
    return {**headers, **attributes}


def written(headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """`headers` as they lie in a record."""
    listed = list(headers)
    parts = [_varint(len(listed))]
    for name, value in listed:
        encoded = name.encode()
        parts += [_varint(len(encoded)), encoded, _varint(-1 if value is None else len(value)), value or b""]
    return b"".join(parts)


def read(block: bytes) -> dict[str, str]:
    """Headers, as a kernel has found them whole: texts by name in small letters, the first of each; what is not
    UTF-8 with a replacement."""
    found: dict[str, str] = {}
    if not block:
        return found
    numbers = _Numbers(block)
    for _ in range(min(numbers.next(), len(block) // 2)):
        name, value = numbers.bytes(), numbers.bytes()
        found.setdefault(name.decode(errors="replace").lower(), value.decode(errors="replace"))
    return found


class _Numbers:
    """Where one is within a block."""

    def __init__(self, block: bytes) -> None:
        self._block, self._at = block, 0

    def next(self) -> int:
        raw = shift = 0
        for byte in self._rest():
            raw |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        return (raw >> 1) ^ -(raw & 1)

    def bytes(self) -> bytes:
        length = max(self.next(), 0)
        self._at += length
        return self._block[self._at - length : self._at]

    def _rest(self) -> Iterator[int]:
        while self._at < len(self._block):
            self._at += 1
            yield self._block[self._at - 1]


def _varint(value: int) -> bytes:
    left, parts = 2 * value if value >= 0 else -2 * value - 1, bytearray()
    while left > 0x7F:
        parts.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*parts, left])
