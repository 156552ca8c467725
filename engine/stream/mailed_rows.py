"""Rows as letters bring them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.kernels.row import ROW
from engine.state.row_codec import BLANK, as_words, read, write
from engine.state.row_parts import own_part, used_part

_FIRST = np.zeros(1, np.int32)


def mailed_row(row: NDArray[np.void]) -> bytes:
    """`row` (`ROW`, 1) as it is mailed: stored, and counted as a user's, not as an anonymous id's; empty for that
    of a customer never seen."""
    words = as_words(row)
    if not words[0, 1:].any() and words[0, 0] in (0, BLANK[0]):
        return b""
    sent = row.copy()
    sent["life_anonymous"] = 0
    return bytes(write(as_words(sent), _FIRST)[0])


def row_in(mailed: bytes) -> NDArray[np.void]:
    """The row (`ROW`, 1); all 0, which adds nothing, for that of a customer never seen. Raises `BadState`."""
    return read([mailed]) if mailed else np.zeros(1, ROW)


def split_row(row: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """What is done with a device, and what is a person's own."""
    return used_part(row), own_part(row)
