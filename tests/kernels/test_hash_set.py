"""The set of hashes that were met, against Python's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.hash_set import add_new

SIZE = 16


@given(st.lists(st.lists(st.integers(0, 40) | st.integers(0, 2**32 - 1), max_size=30), max_size=8))
def test_each_hash_is_new_once_until_the_table_is_full(batches: list[list[int]]) -> None:
    table, kept = np.zeros(SIZE, np.uint32), SIZE * 3 // 4
    known = set[int]()
    for codes in batches:
        out = np.zeros(len(codes), np.int32)
        places = out[: add_new(np.array(codes, np.uint32), table, out)].tolist()
        expected = []
        for place, code in enumerate(codes):
            if code and code not in known:
                known = {code} if len(known) >= kept else known | {code}
                expected.append(place)
        assert places == expected
