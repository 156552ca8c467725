"""What every group of a row keeps to, whatever it holds: events in any order, in one row or joined from some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.kernels.decode import COLUMNS
from engine.kernels.groups.days import DAY_S
from engine.kernels.wire import EARLIEST_MS, EARLIEST_S, Kind

MONTH_MS = 40 * 86_400_000  # longer than days are noted
START = EARLIEST_MS + 9_000 * 86_400_000

Row = NDArray[np.void]


class Did(NamedTuple):
    """One event as the oracles see it: `what` is the item's, or the category's, 64-bit hash."""

    at: int
    what: int
    kind: Kind
    value: float = 0.0

    @property
    def second(self) -> int:
        """As rows have it."""
        return self.at // 1_000 - EARLIEST_S

    @property
    def day(self) -> int:
        """The number of its day."""
        return self.second // DAY_S


class Group(NamedTuple):
    """A group under test: its layout, and its two kernels."""

    layout: np.dtype[np.void]
    apply: Callable[..., None]
    join: Callable[..., None]


KINDS = st.sampled_from(
    [
        Kind.ITEM_VIEWED,
        Kind.LIST_VIEWED,
        Kind.CART_ADDED,
        Kind.CART_REMOVED,
        Kind.ORDER_COMPLETED,
        Kind.ORDER_REFUNDED,
        Kind.WISHLISTED,
        Kind.REVIEW_READ,
        Kind.SHARED,
        Kind.SEARCHED,
    ]
)
TIMES = st.one_of(
    st.integers(START, START + MONTH_MS),
    st.integers(START, START + 3),  # of one instant, of one second
    st.sampled_from([START + day * 86_400_000 + edge for day in (0, 1, 31, 32, 33) for edge in (-1, 0, 1)]),
)
VALUES = st.sampled_from([0.0, 0.004, 0.005, 1.0, 19.99, 1e9, 1e12])


def histories(different: int, least: int = 0) -> st.SearchStrategy[list[Did]]:
    """Of up to `different` things, which differ in one half of their hashes alone, or in both."""
    ids = st.integers(1, different).map(lambda i: (i // 3) << 32 | (i % 3 + 1))
    return st.lists(st.builds(Did, TIMES, ids, KINDS, VALUES), min_size=least, max_size=120)


def events(happened: Sequence[Did], name: str) -> Row:
    """As columns, the ids in those of `name`."""
    out = np.zeros(len(happened), COLUMNS)
    for got, one in zip(out, happened, strict=True):
        got["at"], got["kind"], got["value"] = one.at, one.kind, one.value
        got[name] = one.what
    return out


def folded(group: Group, columns: Row) -> Row:
    """A row of `columns`, as an array of one."""
    rows = np.zeros(1, group.layout)
    for event in columns:
        group.apply(rows[0], event)
    return rows


def joined(group: Group, *parts: Row) -> Row:
    """The join of rows, from the left."""
    into = parts[0].copy()
    for other in parts[1:]:
        before = other.tobytes()
        group.join(into[0], other[0])
        assert other.tobytes() == before
    return into


def shuffled(draw: Callable[[st.SearchStrategy[Any]], Any], columns: Row) -> Row:
    """In any order."""
    order = draw(st.permutations(range(len(columns))))
    return columns[list(order)] if len(columns) else columns


def halves(draw: Callable[[st.SearchStrategy[Any]], Any], columns: Row) -> tuple[Row, Row]:
    """In two parts, each in order."""
    side = np.array(draw(st.lists(st.booleans(), min_size=len(columns), max_size=len(columns))), bool)
    return columns[side], columns[~side]
