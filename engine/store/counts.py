"""Counts in hashes of Redis, read as what anybody may have written there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

log = logging.getLogger("cueline")

ABOVE = 1 << 63  # Redis counts no further


class Counts:
    """Reads counts. What is none is passed over, and logged once by its place, never with its content."""

    def __init__(self) -> None:
        self._logged: set[tuple[bytes, bytes]] = set()

    def named(self, key: bytes, flat: Sequence[bytes]) -> Iterator[tuple[str, int]]:
        """Names and counts in the reply to HGETALL of `key`."""
        for field, stored in zip(flat[::2], flat[1::2], strict=True):
            name, count = _text(field), _count(stored)
            if name is None or count is None:
                self.pass_over(key, field)
            else:
                yield name, count

    def one(self, key: bytes, field: bytes, stored: bytes | None) -> int:
        """The count `stored` in `field`; 0 where there is none."""
        count = 0 if stored is None else _count(stored)
        if count is None:
            self.pass_over(key, field)
        return count or 0

    def pass_over(self, key: bytes, field: bytes) -> None:
        """Log that `field` holds no count, unless that was logged before."""
        if (key, field) not in self._logged:
            self._logged.add((key, field))
            log.error("Redis holds no count in field %r of %r: passed over", _shown(field), _shown(key))


def _count(stored: bytes) -> int | None:
    try:
        count = int(stored)
    except ValueError:
        return None
    return count if 0 <= count < ABOVE else None


def _text(field: bytes) -> str | None:
    try:
        return field.decode()
    except UnicodeDecodeError:
        return None


def _shown(name: bytes) -> str:
    return name[:80].decode(errors="replace")
