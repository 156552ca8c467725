"""Stored rows without the words that are 0, against a packing by hand: any content, any damage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.errors import BadState
from engine.state.stored_rows import WordSparse

VERSION = 2
NOTHING = np.zeros(0, np.int32)

# around the ends of the bits' units, at every 16
widths = st.sampled_from([1, 15, 16, 17, 31, 32, 33, 160, 161]) | st.integers(1, 200)
word = st.sampled_from([0, 0, 0, 1, 255, 1 << 16, 1 << 47, 0xFFFF0000, 1 << 63 | 7, 2**64 - 1])


def units_of(bits: list[bool]) -> bytes:
    return sum(1 << place for place, bit in enumerate(bits) if bit).to_bytes(2 * -(-len(bits) // 16), "little")


def by_hand(row: list[int], version: int = VERSION) -> bytes:
    units = [word.to_bytes(8, "little")[at : at + 2] for word in row if word for at in (0, 2, 4, 6)]
    marks = units_of([word != 0 for word in row]) + units_of([unit != bytes(2) for unit in units])
    return (version | len(row) << 16).to_bytes(4, "little") + marks + b"".join(u for u in units if u != bytes(2))


def rows_of(*rows: list[int]) -> NDArray[np.uint64]:
    return np.array(rows, np.uint64)


def read(form: WordSparse, stored: list[bytes]) -> NDArray[np.uint64]:
    """Each into a slot of its own, over what was there."""
    rows = np.full((len(stored) + 1, form.words), 7, np.uint64)
    form.read(stored, rows, np.arange(len(stored), dtype=np.int32)[::-1] + 1)
    return rows[:0:-1].copy()


@st.composite
def tables(draw: st.DrawFn) -> list[list[int]]:
    width = draw(widths)
    return draw(st.lists(st.lists(word, min_size=width, max_size=width), min_size=1, max_size=5))


@settings(deadline=None)
@given(tables(), st.data())
@example([[1] * 97, [0] * 97, [2**64 - 1] * 97], None)
def test_rows_are_packed_as_by_hand_and_read_back(table: list[list[int]], data: st.DataObject | None) -> None:
    places = data.draw(st.lists(st.integers(0, len(table) - 1), max_size=8)) if data else [2, 0, 1, 1]
    form = WordSparse(VERSION, len(table[0]))
    written = form.write(rows_of(*table), np.array(places, np.int32))
    assert written == [by_hand(table[place]) for place in places]
    assert read(form, written).tolist() == [table[place] for place in places]


@settings(deadline=None)
@given(st.lists(word, min_size=1, max_size=130), st.integers(0, 130))
def test_words_that_a_later_release_appended_are_0_in_rows_of_before(row: list[int], more: int) -> None:
    later = WordSparse(VERSION, len(row) + more)
    assert read(later, [by_hand(row)]).tolist() == [row + [0] * more]


@given(st.lists(word, min_size=2, max_size=70))
def test_a_row_of_a_later_release_is_refused_and_not_cut(row: list[int]) -> None:
    with pytest.raises(BadState, match="later"):
        read(WordSparse(VERSION, len(row) - 1), [by_hand(row)])


@settings(deadline=None)
@given(tables(), st.data())
def test_damaged_rows_are_refused_or_are_other_rows(table: list[list[int]], data: st.DataObject) -> None:
    """Whatever is taken for a row is stored in that form alone: nothing is read that was not written so."""
    row, form = by_hand(table[0]), WordSparse(VERSION, len(table[0]))
    damaged = bytearray(row)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(row) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.sampled_from([0, 1, 2]) | st.integers(0, len(row)))
    stored = bytes(damaged[: len(row) - cut]) + data.draw(st.sampled_from([b"", b"\0", bytes(2), b"\1" * 2]))
    try:
        found = read(form, [row, stored, row])
    except BadState:
        return
    narrow = WordSparse(VERSION, int.from_bytes(stored[2:4], "little"))
    assert [found[0].tolist(), found[2].tolist()] == [table[0], table[0]]
    assert not found[1, narrow.words :].any()
    assert bytes(narrow.write(found[1:2, : narrow.words].copy(), np.zeros(1, np.int32))[0]) == stored


WHOLE = by_hand([0, 5, 0, 6 << 16] + [0] * 46)  # its bits end within a unit, and its marks too


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        WHOLE[:-1],
        WHOLE[:-2],
        WHOLE[:8],
        WHOLE[:2],
        WHOLE + bytes(1),
        WHOLE + bytes(2),
        b"\3" + WHOLE[1:],
        WHOLE[:1] + b"\1" + WHOLE[2:],
        WHOLE[:11] + b"\x80" + WHOLE[12:],  # a bit beyond the width
        WHOLE[:13] + b"\x10" + WHOLE[14:] + b"\1\0",  # a mark beyond the last word, and a unit for it
        WHOLE[:14] + bytes(2) + WHOLE[16:],  # a 0 that is stored
        WHOLE[:12] + b"\x01" + WHOLE[13:-2],  # a word of no units
    ],
    ids=[
        *("empty", "byte off", "unit off", "cut bits", "cut head", "byte on", "unit on"),
        *("version", "spare", "width", "marks", "zero", "zero word"),
    ],
)
def test_what_is_no_row_is_refused(stored: bytes) -> None:
    form = WordSparse(VERSION, 50)
    assert read(form, [WHOLE]).tolist() == [[0, 5, 0, 6 << 16] + [0] * 46]
    for batch in ([stored], [WHOLE, stored], [stored, WHOLE]):
        with pytest.raises(BadState, match="damaged"):
            read(form, batch)


def test_no_rows_are_none() -> None:
    form = WordSparse(VERSION, 64)
    assert form.write(np.zeros((0, 64), np.uint64), NOTHING) == []
    assert read(form, []).shape == (0, 64)


def test_rows_that_were_read_may_be_changed() -> None:
    form = WordSparse(VERSION, 64)
    read(form, [WHOLE])[0, 0] = 1
    assert read(form, [WHOLE])[0, 0] == 0
