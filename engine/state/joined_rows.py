"""Stored rows of one customer's ids, read as one: while a row is still on its way to the other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.kernels.catalogue import FEATURES
from engine.kernels.decode import COLUMNS
from engine.kernels.evaluate import ACTIVATION, Rules, scratch_of
from engine.kernels.features import wanted_of
from engine.kernels.merge import merge
from engine.kernels.moments import NO_MOMENTS
from engine.kernels.predicates import Program
from engine.state.row_codec import as_words, read, write

_FIRST = np.zeros(1, np.int32)
_NO_LINK = np.zeros(1, COLUMNS)  # of no moment: nothing is evaluated before it
_NO_INDICATORS = Rules(
    Program(
        np.zeros(0, np.int32),
        np.zeros(0, np.int8),
        np.zeros(0, np.int32),
        np.zeros(0),
        np.zeros(1, np.int32),
        np.zeros((0, 1), np.uint64),
        np.zeros((0, 1), np.uint64),
    ),
    np.zeros(0, np.uint32),
    NO_MOMENTS,
    wanted_of(np.zeros(FEATURES, np.bool_)),
)


def joined_rows(stored: Iterable[bytes | None]) -> bytes | None:
    """What the worker will make of them, without the indicators, which it evaluates anew. Raises `BadState`."""
    known = [row for row in stored if row]
    if len(known) < 2:
        return known[0] if known else None
    rows, scratch = read(known), scratch_of(FEATURES, 1, 0)
    for place in range(1, len(rows)):
        other = rows[place : place + 1]
        merge(rows, _FIRST, _NO_LINK, 0, other, _NO_INDICATORS, scratch, np.zeros(1, ACTIVATION))
    return bytes(write(as_words(rows), _FIRST)[0])
