"""The row as a whole: no byte is padding, and any order and any split of events gives equal bytes."""

from __future__ import annotations

from hashlib import blake2b
from random import Random

import msgspec
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.events import Event, More, Traits
from engine.kernels import row as layout
from engine.kernels.catalogue import FEATURES
from engine.kernels.decode import COLUMNS
from engine.kernels.groups import indicator, message_id
from engine.kernels.wire import Kind
from engine.state.catalogue import CATALOGUE
from tests.kernels.builders import NOTHING
from tests.kernels.values import decoded

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


def folded(columns: Row, into: Row | None = None) -> Row:
    """The row after events, by what applies them in production, with a rule that never holds."""
    rows = np.zeros(1, layout.ROW) if into is None else into.copy()
    NOTHING.advance(rows, np.zeros(len(columns), np.int32), columns)
    return rows


def joined(one: Row, other: Row) -> Row:
    into, before = one.copy(), other.tobytes()
    layout.join(into[0], other[0])
    assert other.tobytes() == before
    return into


def assert_equal(one: Row, other: Row) -> None:
    assert [
        name for name in set(layout.ROW.names or ()) - BESIDE if one[name].tobytes() != other[name].tobytes()
    ] == []


def test_no_byte_is_padding_and_every_group_is_whole_words() -> None:
    fields = layout.ROW.fields
    assert fields is not None
    assert sum(kind.itemsize for kind, *_ in fields.values()) == layout.ROW_BYTES
    assert np.dtype(layout.ROW.descr, align=True).itemsize == layout.ROW_BYTES
    assert [np.dtype(group.fields).itemsize % 8 for group in layout.GROUPS] == [0] * len(layout.GROUPS)


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
@example(Random(512))  # its only event says traits, and none
def test_a_row_never_seen_adds_nothing(chance: Random) -> None:
    row, blank = folded(happened(chance)), np.zeros(1, layout.ROW)
    assert joined(row, blank).tobytes() == row.tobytes()
    assert_equal(joined(blank, row), row)


#: What was stored is read by these names and places: who changes them gives the row a new version. A later release
#: may append fields at the end, and give a name to spare bytes, which are 0 in every row that was stored before.
DIGEST = "8076d5e5060e3055"


def test_the_layout_is_that_of_its_version() -> None:
    digest = blake2b(repr(layout.ROW.descr).encode(), digest_size=8).hexdigest()
    assert (layout.VERSION, layout.ROW_BYTES, digest) == (2, 5_432, DIGEST)


def test_the_catalogue_names_every_feature_once() -> None:
    assert sorted(feature.index for feature in CATALOGUE) == list(range(FEATURES))
    assert len({feature.name for feature in CATALOGUE}) == FEATURES
    assert all(feature.meaning for feature in CATALOGUE)


@given(CHANCE)
def test_a_join_forgets_no_silence_that_was_evaluated(chance: Random) -> None:
    one, other = folded(happened(chance)), folded(happened(chance))
    for row in (one, other):
        row["silence_ms"] = chance.choice((0, 1, 10**9)) if row["recent_total"][0] else 0
    moments = [int(row["life_last_at"][0] + row["silence_ms"][0]) for row in (one, other, joined(one, other))]
    assert moments[2] == max(moments[:2])


def test_what_is_said_of_a_customer_is_nothing_that_they_did() -> None:
    more = More(kind=int(Kind.TRAITS_SET), traits=Traits(2, "crm", {"plan": "gold"}))
    value = msgspec.msgpack.encode(Event(1, int(Kind.IDENTIFIED), START, "id", trust=1, more=more))
    rows = np.zeros(1, layout.ROW)
    NOTHING.advance(rows, np.zeros(1, np.int32), decoded([value], START), value)
    assert rows["trait_name"][0, 0] != 0
    assert {name for name in layout.ROW.names or () if rows[name][0].any()} - BESIDE == {
        "version", "trait_name", "trait_mark", "trait_value",
    }  # fmt: skip
    assert_equal(joined(np.zeros(1, layout.ROW), rows), rows)


def test_indicators_are_active_that_are_on_either_row() -> None:
    rows = np.zeros(2, layout.ROW)
    rows["recent_total"] = 1
    for row, codes in zip(rows, ([5, 3], [3, *range(10, 40)]), strict=True):
        row["active"][: min(len(codes), 24)], row["active_count"] = codes[:24], min(len(codes), 24)
    layout.join(rows[0], rows[1])
    assert rows["active"][0].tolist() == [5, 3, *range(10, 32)]
    assert rows["active_count"][0] == 24
