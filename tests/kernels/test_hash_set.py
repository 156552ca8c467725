"""The set of hashes that were met, against Python's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.hash_set import add_new

SIZE = 16


HASHES = st.integers(0, 40) | st.integers(0, 2**64 - 1)


@given(st.lists(st.lists(HASHES, max_size=30), max_size=8))
def test_each_hash_is_new_once_until_the_table_is_full(batches: list[list[int]]) -> None:
    table, used, kept = np.zeros(SIZE, np.uint64), np.zeros(1, np.int64), SIZE * 3 // 4
    known = set[int]()
    for hashes in batches:
        out = np.zeros(len(hashes), np.int32)
        places = out[: add_new(np.array(hashes, np.uint64), table, used, out)].tolist()
        expected = []
        for place, one in enumerate(hashes):
            if one and one not in known:
                known = {one} if len(known) >= kept else known | {one}
                expected.append(place)
        assert used[0] == len(known)
        assert places == expected
