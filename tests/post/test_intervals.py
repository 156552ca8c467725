"""Interval sets against plain sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadState
from engine.post.intervals import IntervalSet, Stretch

ends = st.integers(0, 24)
pairs = st.lists(st.tuples(ends, ends), max_size=12)


def built(added: list[tuple[int, int]]) -> IntervalSet:
    made = IntervalSet()
    for after, last in added:
        made = made.with_interval(after, last)
    return made


@given(pairs)
def test_it_holds_what_was_added_in_as_few_intervals_as_can_be(added: list[tuple[int, int]]) -> None:
    wanted = {number for after, last in added for number in range(after + 1, last + 1)}
    made = built(added)
    assert {number for number in range(30) if number in made} == wanted
    starts = [number for number in wanted if number - 1 not in wanted]
    assert [one.after + 1 for one in made.intervals] == sorted(starts)
    assert all(one.after < one.last for one in made.intervals)


@given(pairs)
def test_holes_are_the_stretches_missing_below_the_largest(added: list[tuple[int, int]]) -> None:
    held = {number for after, last in added for number in range(after + 1, last + 1)}
    missing = set(range(1, max(held, default=0))) - held
    assert built(added).holes == len([number for number in missing if number - 1 not in missing])


@given(pairs)
def test_its_text_reads_back_and_the_order_of_adding_does_not_matter(added: list[tuple[int, int]]) -> None:
    made = built(added)
    assert IntervalSet.read(made.text) == made == built(added[::-1])


def test_the_edges_of_an_interval() -> None:
    made = IntervalSet((Stretch(2, 5),))
    assert [number in made for number in (2, 3, 5, 6)] == [False, True, True, False]
    assert made.with_interval(5, 5) == made == made.with_interval(9, 8)
    assert made.with_interval(5, 6).text == "2-6"
    assert made.with_interval(1, 2).text == "1-5"
    assert made.with_interval(6, 7).text == "2-5 6-7"
    assert (made.holes, made.with_interval(0, 1).holes, made.with_interval(0, 2).holes) == (1, 1, 0)
    assert IntervalSet().holes == 0


@pytest.mark.parametrize(
    "text", ["x", "1", "1-2-3", "5-5", "5-4", "3-4 1-2", "1-3 3-4", "-1-3", "0-2  1-5", "1-x"]
)
def test_what_is_no_set_is_said_so(text: str) -> None:
    with pytest.raises(BadState):
        IntervalSet.read(text)
