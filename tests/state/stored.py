"""Rows as the store holds them."""

from __future__ import annotations

import numpy as np

from engine.state.row_codec import as_words, write


def stored(rows: np.ndarray) -> list[bytes]:
    """Each of `rows` (`ROW`, N)."""
    return write(as_words(rows), np.arange(len(rows), dtype=np.int32))
