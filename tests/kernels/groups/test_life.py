"""A customer's life, and the ids of its messages: in any order and any split."""

from __future__ import annotations

from collections import Counter, namedtuple
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.kernels.decode import COLUMNS
from engine.kernels.groups import life, message_id
from engine.kernels.wire import Kind

LIFE, MESSAGES = np.dtype(life.FIELDS), np.dtype(message_id.FIELDS)
INDEX: Any = namedtuple("Index", [entry.name.replace(".", "_") for entry in life.ENTRIES])(
    *range(len(life.ENTRIES))
)
DAY = 86_400_000
IDS = 32

Row = NDArray[np.void]

EVENTS = st.lists(
    st.tuples(st.integers(DAY, 10 * DAY), st.sampled_from(Kind), st.booleans(), st.booleans()), max_size=20
)
CHANCE = st.integers(0, 2**32).map(Random)


def folded(events: Sequence[tuple[int, Kind, bool, bool]]) -> Row:
    rows, columns = np.zeros(1, LIFE), np.zeros(len(events), COLUMNS)
    for column, (at, kind, anonymous, signed) in zip(columns, events, strict=True):
        column["at"], column["kind"], column["anonymous"], column["signed"] = at, kind, anonymous, signed
        life.apply_life(rows[0], column)
    return rows


@pytest.mark.parametrize("layout", [LIFE, MESSAGES])
def test_the_groups_are_whole_words_without_padding(layout: np.dtype[np.void]) -> None:
    assert layout.itemsize % 8 == 0
    widths = [layout[name].base.itemsize for name in layout.names or ()]
    assert widths == sorted(widths, reverse=True)


@given(EVENTS, CHANCE)
def test_a_life_is_its_events_in_any_order_and_split(
    events: list[tuple[int, Kind, bool, bool]], chance: Random
) -> None:
    row = folded(chance.sample(events, len(events)))
    at = chance.randint(0, len(events))
    into, other = folded(events[:at]), folded(events[at:])
    life.join_life(into[0], other[0])
    assert into.tobytes() == row.tobytes()
    kinds, times = Counter(kind for _, kind, *_ in events), [at for at, *_ in events]
    assert (row["life_first_at"][0], row["life_last_at"][0]) == (min(times, default=0), max(times, default=0))
    assert row["life_anonymous"][0] == sum(anonymous for _, _, anonymous, _ in events)
    assert row["life_unsigned_at"][0] == max((at for at, *_, signed in events if not signed), default=0)
    out = np.full(len(life.ENTRIES), -77.0)
    life.read_life(row[0], 20 * DAY, out, INDEX)
    known = {entry.name: value for entry, value in zip(life.ENTRIES, out.tolist(), strict=True)}
    days = known.pop("customer.days_known")
    assert days == (20 * DAY - min(times)) / DAY if events else np.isnan(days)
    assert known == {counted.name: kinds[counted.kind] for counted in life.COUNTED}


def test_a_count_stays_at_the_largest_that_it_holds() -> None:
    row = folded([(DAY, Kind.SEARCHED, True, True)])
    row["life_count"] = row["life_anonymous"] = 2**32 - 1
    other = row.copy()
    life.join_life(row[0], other[0])
    assert row.tobytes() == other.tobytes()


def seen(row: Row, *ids: int) -> list[bool]:
    """Whether each is known; those that are not are kept."""
    known = []
    for identity in map(np.uint64, ids):
        known.append(bool(message_id.is_known(row[0], identity)))
        if not known[-1]:
            message_id.keep(row[0], identity)
    return known


def remembered(row: Row) -> list[int]:
    """Oldest first."""
    total = int(row["message_total"][0])
    return [int(row["message_id"][0][n % IDS]) for n in range(max(total - IDS, 0), total)]


@given(st.lists(st.integers(1, 60), max_size=100))
def test_a_repeat_is_known_among_the_last_32_that_were_not_one(ids: list[int]) -> None:
    row, last = np.zeros(1, MESSAGES), list[int]()
    for identity in ids:
        assert seen(row, identity) == [identity in last[-IDS:]]
        if identity not in last[-IDS:]:
            last.append(identity)
    assert remembered(row) == last[-IDS:]


@pytest.mark.parametrize(
    ("own", "others", "kept"),
    [
        ((), (1, 2), (1, 2)),
        ((1, 2), (), (1, 2)),
        (range(1, 17), range(41, 81), (*range(1, 17), *range(65, 81))),
        (range(1, 11), range(41, 81), (*range(1, 11), *range(59, 81))),
        (range(1, 21), range(41, 81), (*range(5, 21), *range(65, 81))),
        (range(1, 41), range(41, 81), (*range(25, 41), *range(65, 81))),
        (range(1, 41), range(41, 51), (*range(19, 41), *range(41, 51))),
        (range(1, 41), range(31, 51), range(19, 51)),
    ],
)
def test_a_join_keeps_the_newest_ids_of_both(
    own: Sequence[int], others: Sequence[int], kept: Sequence[int]
) -> None:
    into, other = np.zeros(1, MESSAGES), np.zeros(1, MESSAGES)
    seen(into, *own)
    seen(other, *others)
    message_id.join_message_id(into[0], other[0])
    assert remembered(into) == list(kept)
