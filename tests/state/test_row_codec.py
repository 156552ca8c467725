"""The one codec of stored rows: blank, read, upgrade, write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.errors import BadState
from engine.kernels.row import ROW, ROW_BYTES, VERSION
from engine.state import row_codec as row
from engine.state.stored_rows import AT_ONCE
from tests.state.stored import stored

OLDER = 200  # a version that never was

WHOLE = stored(row.blank(1))[0]
foreign = st.one_of(
    st.just(b""),
    st.sampled_from(
        [WHOLE[:1], WHOLE[:-1], WHOLE[:-8], WHOLE + b"\0", WHOLE + bytes(8), bytes([1]), bytes([1]) * 1_449]
    ),
    st.sampled_from([0, *range(3, 256)]).map(lambda version: bytes([version]) + WHOLE[1:]),
)


def busy(count: int, seed: int = 1) -> np.ndarray:
    """Rows of any content, as `row.blank` marks them."""
    content = np.random.default_rng(seed).integers(0, 256, (count, ROW_BYTES), np.uint8)
    rows = np.frombuffer(content.tobytes(), ROW).copy()
    rows["version"] = VERSION
    return rows


def test_a_blank_row_is_a_customer_of_whom_nothing_is_known() -> None:
    rows = row.blank(3)
    assert rows.dtype == ROW
    assert rows["version"].tolist() == [VERSION] * 3
    assert [one.tobytes()[1:] for one in rows] == [bytes(ROW_BYTES - 1)] * 3


@given(st.lists(st.integers(0, 9), max_size=12))
def test_what_was_written_is_read_again(slots: list[int]) -> None:
    rows = busy(10)
    written = row.write(row.as_words(rows), np.array(slots, np.int32))
    assert row.read(written).tobytes() == rows[slots].tobytes()


@pytest.mark.parametrize("count", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE, 3 * AT_ONCE + 5])
def test_more_rows_than_are_packed_at_once(count: int) -> None:
    """Full ones, which are the longest, beside blank ones."""
    rows = np.concatenate([busy(7), row.blank(3)])
    slots = np.random.default_rng(count).integers(0, 10, count, np.int32)
    written = row.write(row.as_words(rows), slots)
    assert row.read(written).tobytes() == rows[slots].tobytes()
    assert written == [stored(rows)[slot] for slot in slots.tolist()]


def test_none_is_read_as_a_blank_row_among_others() -> None:
    rows = busy(1)
    assert row.read([None, stored(rows)[0], None]).tobytes() == (
        row.blank(1).tobytes() + rows.tobytes() + row.blank(1).tobytes()
    )
    assert len(row.read([])) == 0


def test_rows_that_were_read_may_be_changed_and_leave_what_was_stored_alone() -> None:
    (one,) = stored(busy(1))
    kept = bytes(bytearray(one))
    row.read([one])["recent_total"] = 7
    assert one == kept


@given(foreign)
def test_a_row_of_no_version_we_know_is_refused(strange: bytes) -> None:
    assert not row.is_readable(strange)
    for others in ([], [WHOLE], [None]):
        with pytest.raises(BadState):
            row.read([*others, strange])


def test_a_blank_row_takes_no_room_for_what_is_not_known() -> None:
    head, marks, version = 2, -(-row.WORDS // 16) + 1, 1  # units of two bytes
    assert len(WHOLE) == 2 * (head + marks + version)
    assert WHOLE[0] == VERSION


def test_rows_are_read_into_their_slots_and_no_other_changes() -> None:
    rows, words = busy(2), np.full((4, row.WORDS), 7, np.uint64)
    one, two = stored(rows)
    row.read_into([two, None, one], words, np.array([3, 0, 1], np.int32))
    assert words[[1, 3]].tobytes() == rows.tobytes()
    assert words[0].tobytes() == row.blank(1).tobytes()
    assert (words[2] == 7).all()


def test_an_older_version_is_upgraded_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 200 held the number of events, in two bytes, and nothing else."""

    def from_older(old: Sequence[bytes], words: NDArray[np.uint64], slots: NDArray[np.int32]) -> None:
        if any(len(one) != 3 for one in old):
            raise BadState("not three bytes")
        made = row.blank(len(old))
        made["recent_total"] = [int.from_bytes(one[1:], "little") for one in old]
        words[slots] = row.as_words(made)

    rows = busy(1)
    older, newer = bytes([OLDER, 7, 1]), stored(rows)[0]
    assert not row.is_readable(older)
    monkeypatch.setitem(row.READERS, OLDER, from_older)
    assert row.is_readable(older)
    assert row.read([newer, older])["version"].tolist() == [VERSION, VERSION]
    assert row.read([older, newer])["recent_total"].tolist() == [263, rows["recent_total"][0]]
    assert row.read([older, None, older])["recent_total"].tolist() == [263, 0, 263]
    assert not row.is_readable(older + b"\0")
    with pytest.raises(BadState, match="three"):
        row.read([newer, older + b"\0"])
