"""The order in which a batch's events are applied, against Python's stable sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.row_order import DIGIT_BITS, DIGITS, row_order

EDGES = [0, 1, DIGITS - 1, DIGITS, DIGITS + 1, (1 << 2 * DIGIT_BITS) - 1, 1 << 2 * DIGIT_BITS, 2**31 - 1]


def ordered(slots: list[int]) -> list[int]:
    order = np.full(len(slots), -1, np.int32)
    counts = np.full(DIGITS, 7, np.int32)  # what they hold means nothing
    row_order(np.array(slots, np.int32), order, np.full_like(order, -1), counts)
    return order.tolist()


@given(st.lists(st.sampled_from(EDGES) | st.integers(0, 2**31 - 1) | st.integers(0, 5), max_size=60))
def test_events_go_row_by_row_and_those_of_one_row_as_they_came(slots: list[int]) -> None:
    assert ordered(slots) == sorted(range(len(slots)), key=slots.__getitem__)


@pytest.mark.parametrize("slots", [[], [0], [2**31 - 1], [DIGITS, 0], [DIGITS, DIGITS - 1, DIGITS]])
def test_few_slots(slots: list[int]) -> None:
    assert ordered(slots) == sorted(range(len(slots)), key=slots.__getitem__)
