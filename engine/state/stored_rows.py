"""The two forms in which rows were and are stored: as they lie in memory, and word-sparse.

`engine.state.row_codec` says which version has which form.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import BadState
from engine.kernels.row_v1 import OLD_ROW, OLD_VERSION, upgrade_many
from engine.kernels.word_sparse import HEAD, most_units, pack_many, unpack_many

WORD, UNIT = 8, 2  # bytes

AT_ONCE = 64  # rows that are packed into one piece of memory: they, and what becomes of them, stay in cache

_PAST_THE_LAST = bytes(UNIT)  # `unpack_many` looks one unit ahead


def read_older(stored: Sequence[bytes], rows: NDArray[np.void]) -> None:
    """Fill `rows` (blank `ROW`, N) by `stored` rows of version 1, which were stored as they lay in memory. Raises
    `BadState` for one of another size."""
    for row in stored:
        if len(row) != OLD_ROW.itemsize:
            raise BadState(f"a stored row of version {OLD_VERSION} has {len(row)} bytes, not {OLD_ROW.itemsize}")
    # a bytearray, because kernels are compiled for arrays that can be written
    upgrade_many(np.frombuffer(bytearray().join(stored), OLD_ROW), rows)


def cut(packed: NDArray[np.uint16], ends: NDArray[np.int64]) -> list[bytes]:
    """The stored rows (N) that end at `ends` (N, units) of `packed`, as bytes: views take longer to make, and to
    be joined."""
    bounds = [0, *(UNIT * ends).tolist()]
    block = packed.data.cast("B")[: bounds[-1]].tobytes()
    return [block[start:end] for start, end in pairwise(bounds)]


class WordSparse(msgspec.Struct, frozen=True):
    """Rows of `words` words, stored without what is 0 (`engine.kernels.word_sparse`), the `version` first.

    A row that was stored with fewer words gets the others as 0: a later release may append words to a row, and
    stays with the version.
    """

    version: int
    words: int

    def read(self, stored: Sequence[bytes], rows: NDArray[np.uint64], slots: NDArray[np.int32]) -> None:
        """Write the `stored` rows (N) over ``rows[slots]`` (words). Raises `BadState` if one is damaged, or has
        more words: what those slots hold means nothing then."""
        units = [len(row) // UNIT for row in stored]
        if UNIT * sum(units) != sum(map(len, stored)):
            raise self._refused(next(row for row in stored if len(row) % UNIT))
        packed = np.frombuffer(bytearray().join([*stored, _PAST_THE_LAST]), np.uint16)
        ends = np.fromiter(accumulate(units), np.int64, len(units))
        read = unpack_many(packed, ends, self.version, self._kept(), rows, slots)
        if read < len(stored):
            raise self._refused(stored[read])

    def write(self, rows: NDArray[np.uint64], slots: NDArray[np.int32]) -> list[bytes]:
        """The rows in `slots` of `rows` (words), each as long as it needs."""
        packed = np.empty(min(len(slots), AT_ONCE) * most_units(self.words) + 1, np.uint16)
        ends, kept = np.empty(AT_ONCE, np.int64), self._kept()
        stored: list[bytes] = []
        for start in range(0, len(slots), AT_ONCE):
            some = slots[start : start + AT_ONCE]
            pack_many(rows, some, self.version, kept, packed, ends)
            stored += cut(packed, ends[: len(some)])
        return stored

    def _kept(self) -> NDArray[np.uint64]:
        """Room to work in, of one call."""
        return np.empty(self.words + 3, np.uint64)

    def _refused(self, row: bytes) -> BadState:
        words = int.from_bytes(row[UNIT : HEAD * UNIT], "little")
        if words > self.words:
            return BadState(
                f"a stored row of version {self.version} has {words} words, and this release knows {self.words}: "
                "a later one wrote it"
            )
        return BadState(f"a stored row of version {self.version} is damaged: {len(row)} bytes, {row[:16]!r} first")
