"""What letters bring: read as it was written, and by later releases' letters too."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent
from engine.identity.cargo import PLAIN, Cargo, CargoKind, cargo_in, packed
from engine.identity.marker import Parts

PARTS = [Parts.FEATURES, Parts.REST, Parts.ALL]


@given(st.builds(Cargo, st.sampled_from(CargoKind), st.sampled_from(PARTS), st.binary(max_size=40)))
def test_cargo_comes_back_as_it_was_packed(cargo: Cargo) -> None:
    assert cargo_in(packed(cargo)) == cargo
    assert (packed(cargo) == b"") is (cargo == PLAIN)


@given(st.binary(min_size=1, max_size=20))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with suppress(BadEvent):
        assert cargo_in(body).parts in PARTS


@pytest.mark.parametrize("parts", [0, 4, 8])
def test_a_part_of_nothing_and_of_what_is_not_known_is_refused(parts: int) -> None:
    with pytest.raises(BadEvent, match="malformed"):
        cargo_in(msgspec.msgpack.encode([1, parts, b""]))


def test_later_releases_may_append() -> None:
    longer = msgspec.msgpack.encode([1, 2, b"row", "later"])
    assert cargo_in(longer) == Cargo(CargoKind.MERGE, Parts.REST, b"row")
