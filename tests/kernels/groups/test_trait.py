"""The traits of a row: the greatest word of each name, whatever the order in which they come."""

from __future__ import annotations

import struct
from collections import namedtuple
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.groups import trait
from engine.kernels.groups.trait import ANY, ANYBODY, BEYOND, NUMBER, REMOVED, SERVER, VERSION, VISITOR, WORD
from engine.kernels.hashing import hash64
from tests.kernels.groups.laws import START, Group, Row, halves, joined

LAYOUT = np.dtype(trait.FIELDS)
INDEX: Any = namedtuple("Index", [entry.name.replace(".", "_") for entry in trait.ENTRIES])(
    *range(len(trait.ENTRIES))
)


class Said(NamedTuple):
    """One word about a name."""

    name: int
    rank: int
    at: int
    type: int
    value: int

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Who said it counts before when."""
        return self.rank, self.at, self.type, self.value


def said(names: int) -> st.SearchStrategy[list[Said]]:
    times = st.sampled_from([START, START + 1, START + 86_400_000]) | st.integers(START, START + 10**10)
    one = st.builds(
        Said,
        st.integers(1, names).map(lambda i: i * 0x9E3779B97F4A7C15 % 2**64),
        st.sampled_from([ANYBODY, VISITOR, SERVER]),
        times,
        st.sampled_from([REMOVED, NUMBER, WORD, VERSION]),
        st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    )
    return st.lists(one, max_size=80)


def apply(row: np.void, word: np.void) -> None:
    trait.set_trait(row, *(word[name] for name in ("trait_name", "trait_mark", "trait_value")))


GROUP = Group(LAYOUT, apply, trait.join_trait)


def columns(words: Sequence[Said]) -> Row:
    """A record for each word, of the three numbers that the kernel takes."""
    out = np.zeros(len(words), [("trait_name", "u8"), ("trait_mark", "u8"), ("trait_value", "u8")])
    for got, word in zip(out, words, strict=True):
        mark = trait.mark_of(word.rank, word.at, word.type)
        got["trait_name"], got["trait_mark"], got["trait_value"] = word.name, mark, word.value
    return out


def folded(words: Row) -> Row:
    rows = np.zeros(1, LAYOUT)
    for word in words:
        apply(rows[0], word)
    return rows


def last_words(words: Sequence[Said]) -> list[Said]:
    """The greatest of each name, and of these the 16 greatest, by name."""
    last: dict[int, Said] = {}
    for word in words:
        if word.name not in last or word.order > last[word.name].order:
            last[word.name] = word
    kept = sorted(last.values(), key=lambda word: (word.order[:3], word.name))[-trait.TRAITS :]
    return sorted(kept)


def read_back(rows: Row) -> list[Said]:
    row, found = rows[0], []
    for name, mark, value in zip(*(row[name].tolist() for name in LAYOUT.names or ()), strict=True):
        if name:
            number = np.uint64(mark)
            found.append(
                Said(
                    name,
                    int(trait.rank_of(number)),
                    int(trait.time_of(number)),
                    int(trait.type_of(number)),
                    value,
                )
            )
        else:
            assert (mark, value) == (0, 0)
    return found


@given(st.data(), said(40))
def test_the_last_words_stay_whatever_the_order_and_however_many(data: st.DataObject, words: list[Said]) -> None:
    heard = columns(words)
    whole = folded(heard)
    assert read_back(whole) == last_words(words)
    order = data.draw(st.permutations(range(len(words))))
    assert folded(heard[np.array(order, int)]).tobytes() == whole.tobytes()
    one, other = halves(data.draw, heard)
    parts = folded(one), folded(other)
    assert joined(GROUP, *parts).tobytes() == joined(GROUP, *parts[::-1]).tobytes() == whole.tobytes()


@given(said(10))
def test_a_word_that_comes_again_changes_nothing(words: list[Said]) -> None:
    assert folded(columns([*words, *words])).tobytes() == folded(columns(words)).tobytes()


def test_a_public_key_overwrites_no_servers_word_and_pushes_none_out() -> None:
    server = [Said(i, SERVER, START + i, NUMBER, i) for i in range(1, 17)]
    public = [Said(i, ANYBODY, START + 10**10, NUMBER, 99) for i in range(1, 60)]
    visitor = [Said(i, VISITOR, START + 10**9, NUMBER, 77) for i in range(1, 60)]
    assert read_back(folded(columns([*server, *public, *visitor]))) == server
    assert read_back(folded(columns([*public, *visitor, *server]))) == server


def test_the_layout_is_whole_words() -> None:
    assert LAYOUT.itemsize == 384
    assert LAYOUT.itemsize % 8 == 0


@pytest.mark.parametrize("at", [1, START, 2**43])
@pytest.mark.parametrize("rank", [ANYBODY, VISITOR, SERVER])
@pytest.mark.parametrize("kind", [REMOVED, NUMBER, WORD, VERSION])
def test_a_mark_keeps_its_parts(rank: int, at: int, kind: int) -> None:
    mark = np.uint64(trait.mark_of(rank, at, kind))
    assert (trait.rank_of(mark), trait.time_of(mark), trait.type_of(mark)) == (rank, at, kind)


def coded(text: str) -> tuple[int, int]:
    data = np.frombuffer(f"<{text}>".encode(), np.uint8)
    kind, value = trait.coded_text(data, 1, len(data) - 2)
    return int(kind), int(value)


def as_number(text: str) -> float:
    kind, value = coded(text)
    assert kind == VERSION
    (number,) = struct.unpack("<d", struct.pack("<Q", value))
    return float(number)


parts = st.lists(st.integers(0, 4_095), min_size=2, max_size=4)


@given(parts, parts)
def test_versions_are_in_the_order_of_their_parts(one: list[int], other: list[int]) -> None:
    numbers = [as_number(".".join(map(str, version))) for version in (one, other)]
    padded = [version + [0] * (4 - len(version)) for version in (one, other)]
    assert (numbers[0] < numbers[1]) == (padded[0] < padded[1])
    assert (numbers[0] == numbers[1]) == (padded[0] == padded[1])


@pytest.mark.parametrize(
    "text", ["10.0.19045.3803", "119.0.6045.159", "4095.4095.65535.8191", "3.10", "0.0", "2024.11.3"]
)
def test_what_a_version_is(text: str) -> None:
    assert coded(text)[0] == VERSION


@pytest.mark.parametrize(
    "text",
    ["", "gold", "3", ".", "3.", ".3", "3..4", "1.2.3.4.5", "v1.2", "1.2-rc", "4096.0", "1.1.1.8192", "-1.2",
     "1,2", "123456.1", "1.123456", "1.2.65536", "+49 30 12.5", "1.99999999999999999999"],
)  # fmt: skip
def test_what_is_a_word_is_equal_to_itself_alone(text: str) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    assert coded(text) == (WORD, int(hash64(data, 0, len(data))))


def test_values_are_read_by_name_and_type() -> None:
    gold = coded("gold")[1]
    number = int(trait.number_bits(-0.0))
    assert number == 0
    words = [
        Said(10, SERVER, START, WORD, gold),
        Said(20, SERVER, START, NUMBER, int(trait.number_bits(12.5))),
        Said(30, SERVER, START, VERSION, coded("3.10")[1]),
        Said(40, SERVER, START, REMOVED, 0),
    ]
    rows = folded(columns(words))
    asked = [
        *[(10, ANY), (10, NUMBER), (10, VERSION), (20, ANY), (20, NUMBER), (20, VERSION)],
        *[(30, ANY), (30, NUMBER), (30, VERSION), (40, ANY), (40, NUMBER), (50, ANY), (50, VERSION)],
    ]
    names = np.array([name for name, _ in asked], np.uint64)
    types = np.array([kind for _, kind in asked], np.uint8)
    out, many = np.full(15, 7.0), np.full((2, 15), 7.0)
    trait.read_named(rows[0], names, types, out, 2)
    assert out[:2].tolist() == [7, 7]
    none = np.isnan(out[2:]).tolist()
    assert none == [False, True, True, False, False, True, False, True, False, True, True, True, True]
    gold_or_not = trait.any_value(WORD, np.uint64(gold))
    assert out[[2, 5, 6, 10]].tolist() == [gold_or_not, 12.5, 12.5, as_number("3.10")]
    assert out[2] == (float(gold >> 11) + 1) * BEYOND
    assert out[8] == -(as_number("3.10") + 1) * BEYOND
    trait.read_named_many(rows[[0, 0]], names, types, many, 2)
    assert many.tobytes() == np.array([out, out]).tobytes()
    count = np.zeros(1)
    trait.read_trait(rows[0], START, count, INDEX)
    assert count.tolist() == [3]


BITS = st.integers(0, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.lists(st.tuples(st.sampled_from([NUMBER, WORD, VERSION]), BITS, FLOATS), min_size=2, max_size=2))
def test_values_are_equal_where_type_and_value_are(pair: list[tuple[int, int, float]]) -> None:
    told = []
    for kind, bits, number in pair:
        coded_bits = (
            bits << 11 if kind == WORD else int(trait.number_bits(number if kind == NUMBER else float(bits)))
        )
        told.append(float(trait.any_value(kind, np.uint64(coded_bits))))
    same = [(kind, number + 0.0 if kind == NUMBER else bits) for kind, bits, number in pair]
    too_large = any(kind == NUMBER and abs(number) >= BEYOND for kind, _, number in pair)
    assert np.isnan(told).any() == too_large
    if not too_large:
        assert (told[0] == told[1]) == (same[0] == same[1])


def test_a_record_takes_the_traits_of_a_row() -> None:
    rows, into = folded(columns([Said(i, SERVER, START + i, NUMBER, i) for i in range(1, 20)])), np.ones(1, LAYOUT)
    trait.copy_traits(rows[0], into[0])
    assert into.tobytes() == rows.tobytes()
