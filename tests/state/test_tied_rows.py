"""Rows with ties before them are read as rows; what is damaged is refused."""

from __future__ import annotations

import pytest

from engine.errors import BadState
from engine.state.row_codec import as_words, blank, is_readable, read, write
from engine.state.tied_rows import is_tied, row_behind, tied, ties_before


def stored() -> bytes:
    row = blank(1)
    row["recent_total"] = 7
    return bytes(write(as_words(row), blank(1)["active_count"].astype("i4"))[0])


def test_a_row_behind_ties_is_read_as_the_row() -> None:
    row = stored()
    value = tied(b"ties", row)
    assert (is_tied(value), ties_before(value), row_behind(value)) == (True, b"ties", row)
    assert read([value, row, None, tied(b"ties", b"")])["recent_total"].tolist() == [7, 7, 0, 0]


def test_a_plain_row_has_no_ties() -> None:
    assert not any(is_tied(one) for one in (stored(), b"", None))
    assert (ties_before(stored()), ties_before(None)) == (b"", b"")


@pytest.mark.parametrize("size", [0, 1, 4, 7])
def test_what_is_cut_short_is_refused(size: int) -> None:
    value = tied(b"ties", stored())[: 1 + size]
    assert not is_readable(value)
    with pytest.raises(BadState, match="damaged"):
        ties_before(value)


def test_a_row_of_no_version_behind_ties_is_refused() -> None:
    assert not is_readable(tied(b"ties", b"\x63" + bytes(31)))
