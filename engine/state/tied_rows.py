"""Rows with something before them: what ties their keys to others (`engine.identity.ties`).

Such a value begins with a version of its own, so that a release which knows of no ties refuses it instead of
reading a merged customer's row as one of somebody never seen. Byte 0 is `TIED`, 1 to 4 the length of the ties
(little-endian), then come the ties, and the stored row (nothing: of a customer never seen).
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import BadState

TIED = 3  # no version of a row has this number
_HEAD = 5
_FIRST = bytes([TIED])


def tied(ties: bytes, row: bytes) -> bytes:
    """`row` behind `ties`."""
    return b"".join((bytes([TIED]), len(ties).to_bytes(_HEAD - 1, "little"), ties, row))


def is_tied(stored: bytes | None) -> bool:
    """Whether `stored` has ties before it."""
    return stored is not None and stored[:1] == _FIRST


def any_tied(stored: Sequence[bytes | None]) -> bool:
    """Whether `is_tied` one of them: a decision asks of each row that it reads, and nearly none is."""
    return _FIRST in [row[:1] for row in stored if row]


def ties_before(stored: bytes | None) -> bytes:
    """The ties before a stored row; empty where there are none. Raises `BadState` where some are missing."""
    return stored[_HEAD : _end(stored)] if stored is not None and is_tied(stored) else b""


def row_behind(stored: bytes) -> bytes | None:
    """The row of a value that `is_tied`. Raises as `ties_before`."""
    return stored[_end(stored) :] or None


def _end(stored: bytes) -> int:
    end = _HEAD + int.from_bytes(stored[1:_HEAD], "little")
    if len(stored) < max(end, _HEAD):
        raise BadState(f"a stored row is damaged: {len(stored)} bytes of {end}, {stored[:16]!r} first")
    return end
