"""The arena against a plain dict that never forgets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadState
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.layout import ROW, ROW_BYTES, VERSION
from engine.streams.arena import Arena

names = st.integers(0, 40).map(lambda i: b"customer-%d" % i)


def row(events: int) -> bytes:
    one = np.zeros(1, ROW)
    one["version"], one["events"] = VERSION, events
    return one.tobytes()


@given(st.lists(st.lists(names, min_size=1, max_size=12), max_size=30), st.integers(1, 15))
def test_what_is_read_back_is_what_was_stored_whatever_leaves(batches: list[list[bytes]], limit: int) -> None:
    arena, store = Arena(limit), dict[bytes, int]()
    for customers in batches:
        found = arena.locate(customers)
        absent = list(dict.fromkeys(c for c, slot in zip(customers, found, strict=True) if slot < 0))
        arena.place(absent, [row(store[c]) if c in store else None for c in absent])
        slots = arena.locate(customers)
        assert arena.customers(slots) == customers
        assert arena.rows["events"][slots].tolist() == [store.get(c, 0) for c in customers]
        touched = arena.touched(slots, np.full(len(slots), APPLIED, np.uint8))
        assert arena.customers(touched) == list(dict.fromkeys(customers))
        assert arena.first_met(touched) == len(set(customers) - set(store))
        assert arena.first_met(touched) == 0
        for customer, slot in zip(arena.customers(touched), touched.tolist(), strict=True):
            store[customer] = store.get(customer, 0) + 1
            arena.rows["version"][slot], arena.rows["events"][slot] = VERSION, store[customer]
        assert [bytes(part) for part in arena.encode(touched)] == [row(store[c]) for c in arena.customers(touched)]
        assert len(arena) <= max(limit, len(set(customers)))


def test_rows_of_duplicates_alone_are_not_touched() -> None:
    arena = Arena(10)
    arena.place([b"a", b"b"], [None, None])
    slots = arena.locate([b"a", b"b", b"a"])
    assert arena.customers(arena.touched(slots, np.array([DUPLICATE, APPLIED, DUPLICATE], np.uint8))) == [b"b"]


@pytest.mark.parametrize(
    "stored", [b"", b"\x01", row(1)[:-1], bytes([VERSION + 1]) + row(1)[1:], bytes(ROW_BYTES)]
)
def test_a_row_of_another_layout_is_refused(stored: bytes) -> None:
    with pytest.raises(BadState):
        Arena(10).place([b"a"], [stored])
