"""The second layout as a whole: no byte is padding, and any order and any split of events gives equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.kernels import row_v2
from engine.kernels.decode import COLUMNS
from engine.kernels.groups import indicator, message_id
from engine.kernels.wire import Kind

#: No process writes such rows yet, so their kernels are compiled here, all groups in one.
pytestmark = pytest.mark.slow

Row = NDArray[np.void]
START = 1_700_000_000_000
CHANCE = st.integers(0, 2**32).map(Random)

#: What is no function of the set of events.
BESIDE = {name for group in (indicator.FIELDS, message_id.FIELDS) for name, *_ in group} | {"active_count"}


def happened(chance: Random) -> Row:
    """So few that no group has to forget: of three items, ten orders and four contacts."""
    columns = np.zeros(chance.randint(0, 32), COLUMNS)
    span = chance.choice((60_000, 3_600_000, 40 * 86_400_000))
    for number, column in enumerate(columns, 1):
        column["id"], column["at"] = number, START + chance.randrange(span)
        column["kind"], column["value"] = chance.choice(list(Kind)), chance.choice((0.0, 9.99, 50.0))
        column["item"], column["category"] = chance.randint(0, 3), chance.randint(0, 3)
        column["order"], column["contact"] = chance.randint(1, 10), chance.randint(1, 4)
        column["signed"], column["anonymous"] = chance.random() < 0.5, chance.random() < 0.5
    return columns


def folded(columns: Sequence[np.void] | Row, into: Row | None = None) -> Row:
    rows = np.zeros(1, row_v2.ROW) if into is None else into.copy()
    other = np.zeros(1, row_v2.ROW)
    for column in columns:
        row_v2.apply(rows[0], column, other[0])
    return rows


def joined(one: Row, other: Row) -> Row:
    into, before = one.copy(), other.tobytes()
    row_v2.join(into[0], other[0])
    assert other.tobytes() == before
    return into


def assert_equal(one: Row, other: Row) -> None:
    assert [
        name for name in set(row_v2.ROW.names or ()) - BESIDE if one[name].tobytes() != other[name].tobytes()
    ] == []


def test_no_byte_is_padding_and_every_group_is_whole_words() -> None:
    fields = row_v2.ROW.fields
    assert fields is not None
    assert sum(kind.itemsize for kind, *_ in fields.values()) == row_v2.ROW_BYTES
    assert np.dtype(row_v2.ROW.descr, align=True).itemsize == row_v2.ROW_BYTES
    assert [np.dtype(group.fields).itemsize % 8 for group in row_v2.GROUPS] == [0] * len(row_v2.GROUPS)


def test_the_version_is_the_first_byte() -> None:
    assert folded(happened(Random(1)))["version"].tobytes() == folded(happened(Random(1))).tobytes()[:1] == b"\x02"


@given(CHANCE)
def test_any_order_and_any_split_gives_equal_bytes(chance: Random) -> None:
    columns = happened(chance)
    whole = folded(np.sort(columns, order="at"))
    order = chance.sample(range(len(columns)), len(columns))
    assert_equal(folded(columns[order]), whole)
    until = chance.randint(0, len(order))
    sides = [chance.random() < 0.5 for _ in order[:until]]
    parts = [[place for side, place in zip(sides, order, strict=False) if side is one] for one in (True, False)]
    assert_equal(folded(columns[order[until:]], joined(*(folded(columns[part]) for part in parts))), whole)


@given(CHANCE)
def test_a_row_never_seen_adds_nothing(chance: Random) -> None:
    row, blank = folded(happened(chance)), np.zeros(1, row_v2.ROW)
    assert joined(row, blank).tobytes() == row.tobytes()
    assert_equal(joined(blank, row), row)


def test_indicators_are_active_that_are_on_either_row() -> None:
    rows = np.zeros(2, row_v2.ROW)
    rows["recent_total"] = 1
    for row, codes in zip(rows, ([5, 3], [3, *range(10, 40)]), strict=True):
        row["active"][: min(len(codes), 24)], row["active_count"] = codes[:24], min(len(codes), 24)
    row_v2.join(rows[0], rows[1])
    assert rows["active"][0].tolist() == [5, 3, *range(10, 32)]
    assert rows["active_count"][0] == 24
