"""What stands before a row of other ids: packed and read again, the newest first to be kept."""

from __future__ import annotations

import msgspec
import pytest

from engine.customer_id import customer_id
from engine.errors import BadEvent, BadState
from engine.identity.cargo import Cargo, CargoKind, MergedRow, cargo_in, merge_of, merged_row, packed
from engine.identity.link import LinkTrust
from engine.identity.marker import Marker, Parts, Phase
from engine.identity.ties import NO_TIES, SHOWN, Ties, ties_in
from engine.identity.ties import packed as packed_ties

U = customer_id("u")
MERGED = Ties(Marker(Phase.MERGED, U, LinkTrust.SIGNED, 5), ("a", "b"), (U,), b"row")


def test_ties_are_read_as_they_were_packed_and_none_are_nothing() -> None:
    assert ties_in(packed_ties(MERGED)) == MERGED
    assert (packed_ties(NO_TIES), ties_in(b"")) == (b"", NO_TIES)
    assert [ties.is_merged for ties in (NO_TIES, MERGED, Ties(Marker(Phase.ALONE)))] == [False, True, False]


@pytest.mark.parametrize("stored", [b"\xc1", b"\x92\x01", msgspec.msgpack.encode([[9]])])
def test_what_is_none_is_refused(stored: bytes) -> None:
    with pytest.raises(BadState):
        ties_in(stored)


def test_the_newest_are_kept_each_once_and_never_the_key_itself() -> None:
    ids = [f"a{i}" for i in range(SHOWN + 1)]
    assert NO_TIES.with_merged("u", ids).merged == tuple(ids[1:])
    assert Ties(merged=("a", "b")).with_merged("u", ["a", "u", "c"]).merged == ("b", "a", "c")


def test_a_merged_row_is_read_as_it_was_packed() -> None:
    cargo = merge_of(Parts.ALL, MergedRow(b"row", ("a",)))
    assert merged_row(cargo_in(packed(cargo))) == MergedRow(b"row", ("a",))
    with pytest.raises(BadEvent):
        merged_row(Cargo(CargoKind.MERGE, Parts.ALL, b"\xc1"))
