"""Rows as the store holds them: made blank, read, upgraded, written. No other module looks into those bytes.

The layout is `engine.kernels.row`. The first byte of a stored row is its version, which says in which form
(`engine.state.stored_rows`) the others are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadState
from engine.kernels.row import ROW, ROW_BYTES, VERSION
from engine.state.stored_rows import WORD, Flat

WORDS = ROW_BYTES // WORD

#: The form in which rows are written.
FORM = Flat(VERSION, WORDS)

#: Stored rows of one version as words of today's layout (N x `WORDS`), or raises `BadState`.
Reader = Callable[[Sequence[bytes]], NDArray[np.uint64]]

#: By version. A new version is written in a `FORM` of its own, and the readers of the others upgrade to it.
READERS: dict[int, Reader] = {FORM.version: FORM.read}


def blank(count: int) -> NDArray[np.void]:
    """Rows (`ROW`, `count`) of customers never seen."""
    rows = np.zeros(count, ROW)
    rows["version"] = VERSION
    return rows


def is_readable(stored: bytes | None) -> bool:
    """Whether `read` takes it."""
    try:
        read([stored])
    except BadState:
        return False
    return True


def read(stored: Sequence[bytes | None]) -> NDArray[np.void]:
    """Stored rows as an array (`ROW`, N) that may be changed; None, a customer never seen, is a blank row.

    Raises `BadState` when one of them cannot be read.
    """
    versions: dict[bytes, dict[int, bytes]] = {}
    for place, row in enumerate(stored):
        if row is not None:
            versions.setdefault(row[:1], {})[place] = row
    parts = [(list(rows), _words(version, list(rows.values()))) for version, rows in versions.items()]
    if len(parts) == 1 and len(parts[0][0]) == len(stored):
        return _as_rows(parts[0][1])
    words = np.tile(BLANK, (len(stored), 1))
    for places, found in parts:
        words[places] = found
    return _as_rows(words)


def _words(version: bytes, stored: Sequence[bytes]) -> NDArray[np.uint64]:
    reader = READERS.get(version[0]) if version else None
    if reader is None:
        raise BadState(f"a stored row of {len(stored[0])} bytes begins with {version!r}: no version we know")
    return reader(stored)


def _as_rows(words: NDArray[np.uint64]) -> NDArray[np.void]:
    return np.ndarray(len(words), ROW, words)  # 0.2 µs, where a view takes 3


def as_words(rows: NDArray[np.void]) -> NDArray[np.uint64]:
    """The memory of `rows` (`ROW`, N) as plain words (N x `WORDS`): quicker to copy than records."""
    return rows.view(np.uint64).reshape(len(rows), WORDS)


def write(words: NDArray[np.uint64], slots: NDArray[np.int32]) -> list[memoryview]:
    """The rows in `slots` of `words` (`as_words`) as they are stored, copied once."""
    return FORM.write(words, slots)


#: A blank row as words.
BLANK = as_words(blank(1))[0]
