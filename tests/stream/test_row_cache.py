"""The row cache against a plain dict that never forgets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadState
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.row import VERSION
from engine.state.row_codec import blank
from engine.stream.row_cache import RowCache
from tests.state.stored import stored

FIRST_CAPACITY = 1_024

names = st.integers(0, 40).map(lambda i: b"customer-%d" % i)


def made(events: int) -> np.ndarray:
    one = blank(1)
    one["recent_total"] = events
    return one


def row(events: int) -> bytes:
    return stored(made(events))[0]


@given(st.lists(st.lists(names, min_size=1, max_size=12), max_size=30), st.integers(1, 15))
def test_what_is_read_back_is_what_was_stored_whatever_leaves(batches: list[list[bytes]], limit: int) -> None:
    cache, store = RowCache(limit), dict[bytes, int]()
    for customers in batches:
        found = cache.locate(customers)
        absent = list(dict.fromkeys(c for c, slot in zip(customers, found, strict=True) if slot < 0))
        cache.place(absent, [row(store[c]) if c in store else None for c in absent])
        slots = cache.locate(customers)
        assert cache.customers(slots) == customers
        assert cache.rows["recent_total"][slots].tolist() == [store.get(c, 0) for c in customers]
        touched = cache.touched(slots, np.full(len(slots), APPLIED, np.uint8))
        assert cache.customers(touched) == list(dict.fromkeys(customers))
        assert cache.mark_seen(touched) == len(set(customers) - set(store))
        assert cache.mark_seen(touched) == 0
        for customer, slot in zip(cache.customers(touched), touched.tolist(), strict=True):
            store[customer] = store.get(customer, 0) + 1
            cache.rows["version"][slot], cache.rows["recent_total"][slot] = VERSION, store[customer]
        assert [bytes(part) for part in cache.encode(touched)] == [row(store[c]) for c in cache.customers(touched)]
        assert len(cache) <= max(limit, len(set(customers)))


def test_rows_of_duplicates_alone_are_not_touched() -> None:
    cache = RowCache(10)
    cache.place([b"a", b"b"], [None, None])
    slots = cache.locate([b"a", b"b", b"a"])
    assert cache.customers(cache.touched(slots, np.array([DUPLICATE, APPLIED, DUPLICATE], np.uint8))) == [b"b"]


@pytest.mark.parametrize("strange", [b"", b"\x01", row(1)[:-1], bytes([VERSION + 1]) + row(1)[1:], bytes(64)])
def test_a_row_of_another_version_is_refused_and_none_is_added(strange: bytes) -> None:
    cache = filled(10, 3)
    with pytest.raises(BadState):
        cache.place([b"a", b"b"], [row(1), strange])
    assert cache.locate([b"a", b"b", b"0", b"1", b"2"]).tolist() == [-1, -1, 0, 1, 2]
    cache.place([b"b"], [None])
    assert cache.rows[cache.locate([b"b"])].tobytes() == made(0).tobytes()


def filled(limit: int, held: int) -> RowCache:
    """`held` customers, read one after the other."""
    cache = RowCache(limit)
    for number in range(held):
        cache.place([b"%d" % number], [row(number)])
        cache.locate([b"%d" % number])
    return cache


def left(cache: RowCache, held: int) -> list[int]:
    return [number for number in range(held) if cache.locate([b"%d" % number])[0] >= 0]


@pytest.mark.parametrize(
    ("held", "wanted", "leaving"), [(7, 1, 0), (8, 1, 2), (8, 2, 2), (8, 3, 3), (6, 2, 0), (6, 3, 1), (7, 2, 1)]
)
def test_a_full_cache_drops_the_quarter_used_least_recently_or_what_is_needed(
    held: int, wanted: int, leaving: int
) -> None:
    cache = filled(8, held)
    cache.locate([b"none"])  # nothing of it is in use
    cache.place([b"new %d" % number for number in range(wanted)], [None] * wanted)
    assert cache.evictions == leaving
    assert len(cache) == held + wanted - leaving
    assert left(cache, held) == list(range(leaving, held))


def test_what_is_in_use_does_not_leave() -> None:
    cache = filled(4, 4)
    slots = cache.locate([b"0", b"1", b"2"])
    cache.place([b"new", b"newer"], [None, None])
    assert (cache.evictions, len(cache)) == (1, 5)
    assert left(cache, 4) == [0, 1, 2]
    assert cache.customers(slots) == [b"0", b"1", b"2"]
    cache.locate([b"0", b"1", b"2", b"new", b"newer"])
    cache.place([b"newest"], [None])
    assert (cache.evictions, len(cache)) == (1, 6)


def test_a_row_stays_in_its_slot_and_another_begins_blank_in_one_that_was_left() -> None:
    cache = filled(4, 4)
    slots = cache.locate([b"2", b"3"])
    cache.timers[cache.locate([b"0", b"1", b"2", b"3"])] = [70, 71, 72, 73]
    cache.mark_seen(cache.locate([b"0"]))
    cache.locate([b"2", b"3"])
    cache.place([b"new", b"newer"], [None, row(9)])
    assert cache.locate([b"2", b"3", b"0", b"1"]).tolist() == [*slots, -1, -1]
    assert cache.timers[slots].tolist() == [72, 73]
    new, newer = cache.locate([b"new", b"newer"]).tolist()
    assert {new, newer, *slots.tolist()} == {0, 1, 2, 3}
    assert cache.rows[[new]].tobytes() == made(0).tobytes()
    assert cache.rows[[newer]].tobytes() == made(9).tobytes()
    assert cache.timers[[new, newer]].tolist() == [0, 0]
    assert cache.mark_seen(np.array([new, newer], np.int32)) == 1


@pytest.mark.parametrize("limit", [10, FIRST_CAPACITY + 1, 10 * FIRST_CAPACITY])
def test_rows_survive_its_growth(limit: int) -> None:
    cache, customers = RowCache(limit, FIRST_CAPACITY), [b"%d" % number for number in range(5 * FIRST_CAPACITY)]
    for start in range(0, len(customers), 1_000):
        part = customers[start : start + 1_000]
        cache.locate(part)
        cache.place(part, [row(start + place) for place in range(len(part))])
    slots = cache.locate(customers)
    held = np.flatnonzero(slots >= 0)
    assert len(held) == len(cache) <= max(limit, 1_000)
    assert cache.rows["recent_total"][slots[held]].tolist() == held.tolist()
