"""The two forms in which rows are stored: as they lie in memory, and word-sparse.

Each reads stored rows into words of memory (uint64, N x W) and writes such words; `engine.state.row_codec` says
which version has which form.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import BadState
from engine.kernels.word_sparse import HEAD_BITS, head_words, pack_many, unpack_many

WORD = 8  # bytes

_PAST_THE_LAST = bytes(WORD)  # `unpack_many` looks one word ahead


class Flat(msgspec.Struct, frozen=True):
    """Rows of `words` words, stored as they lie in memory, whose first byte is the `version`."""

    version: int
    words: int

    def read(self, stored: Sequence[bytes]) -> NDArray[np.uint64]:
        """The words (N x `words`) of `stored` rows. Raises `BadState` for one of another size."""
        size = WORD * self.words
        for row in stored:
            if len(row) != size:
                raise BadState(f"a stored row of version {self.version} has {len(row)} bytes, not {size}")
        # a bytearray, because kernels are compiled for arrays that can be written
        return np.frombuffer(bytearray().join(stored), np.uint64).reshape(len(stored), self.words)

    def write(self, rows: NDArray[np.uint64], slots: NDArray[np.int32]) -> list[memoryview]:
        """The rows in `slots` of `rows` (words), copied once."""
        if not len(slots):
            return []
        # as words 0.06 µs a row, where copying the same bytes as records took 0.97
        block = rows.take(slots, axis=0).data.cast("B")
        return [block[start : start + WORD * self.words] for start in range(0, len(block), WORD * self.words)]


class WordSparse(msgspec.Struct, frozen=True):
    """Rows of `words` words, stored without those that are 0 (`engine.kernels.word_sparse`), the `version` first.

    A row that was stored with fewer words gets the others as 0: a later release may append words to a row, and
    stays with the version.
    """

    version: int
    words: int

    def read(self, stored: Sequence[bytes]) -> NDArray[np.uint64]:
        """The words (N x `words`) of `stored` rows. Raises `BadState` if one is damaged, or has more words."""
        for row in stored:
            if len(row) % WORD:
                raise self._refused(row)
        packed = np.frombuffer(bytearray().join([*stored, _PAST_THE_LAST]), np.uint64)
        ends = np.cumsum([len(row) // WORD for row in stored], dtype=np.int64)
        rows = np.empty((len(stored), self.words), np.uint64)
        read = unpack_many(packed, ends, self.version, rows)
        if read < len(stored):
            raise self._refused(stored[read])
        return rows

    def write(self, rows: NDArray[np.uint64], slots: NDArray[np.int32]) -> list[memoryview]:
        """The rows in `slots` of `rows` (words), each as long as it needs."""
        packed = np.empty(len(slots) * (head_words(self.words) + self.words), np.uint64)
        ends = np.empty(len(slots), np.int64)
        pack_many(rows, slots, self.version, packed, ends)
        block, bounds = packed.data.cast("B"), [0, *(WORD * ends).tolist()]
        return [block[start:end] for start, end in pairwise(bounds)]

    def _refused(self, row: bytes) -> BadState:
        words = int.from_bytes(row[2 : HEAD_BITS // 8], "little")
        if words > self.words:
            return BadState(
                f"a stored row of version {self.version} has {words} words, and this release knows {self.words}: "
                "a later one wrote it"
            )
        return BadState(f"a stored row of version {self.version} is damaged: {len(row)} bytes, {row[:16]!r} first")
