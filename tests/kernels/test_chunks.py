"""Where a batch is cut, against a plain reading of what a chunk is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.advance import APPLIED, BAD, DUPLICATE, touched
from engine.kernels.chunks import chunk_end

CUSTOMERS = 8


def cuts(slots: list[int], most: int) -> list[int]:
    batch, stamps = np.array(slots, np.int32), np.zeros(CUSTOMERS, np.int64)
    ends, end = [], 0
    while end < len(slots):
        end = chunk_end(batch, end, most, stamps)
        ends.append(end)
    return ends


@given(st.lists(st.integers(0, CUSTOMERS - 1), min_size=1, max_size=40), st.integers(1, CUSTOMERS + 1))
def test_a_chunk_is_the_longest_run_with_so_many_customers(slots: list[int], most: int) -> None:
    expected, start = [], 0
    while start < len(slots):
        end = next((end for end in range(start, len(slots)) if len({*slots[start : end + 1]}) > most), len(slots))
        expected.append(end)
        start = end
    assert cuts(slots, most) == expected


@pytest.mark.parametrize(("most", "ends"), [(1, [2, 4, 5]), (2, [4, 5]), (3, [5]), (4, [5])])
def test_a_customer_met_again_takes_no_more_room(most: int, ends: list[int]) -> None:
    assert cuts([0, 0, 1, 1, 2], most) == ends


outcomes = st.sampled_from([BAD, APPLIED, DUPLICATE])


@given(st.lists(st.lists(st.tuples(st.integers(0, CUSTOMERS - 1), outcomes), max_size=20), max_size=4))
def test_touched_are_the_customers_of_applied_events_by_first_touch(batches: list[list[tuple[int, int]]]) -> None:
    stamps = np.zeros(CUSTOMERS, np.int64)
    for stamp, batch in enumerate(batches, 1):
        slots = np.array([slot for slot, _ in batch], np.int32)
        became = np.array([outcome for _, outcome in batch], np.uint8)
        out = np.full(len(batch), -1, np.int32)
        expected = list(dict.fromkeys(slot for slot, outcome in batch if outcome == APPLIED))
        assert touched(slots, became, stamps, stamp, out) == len(expected)
        assert out[: len(expected)].tolist() == expected
        assert (out[len(expected) :] == -1).all()
