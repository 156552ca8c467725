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
from engine.state.stored_rows import WordSparse

OLDER = 200  # a version that never was

foreign = st.one_of(
    st.just(b""),
    st.sampled_from([1, 2, ROW_BYTES - 1, ROW_BYTES + 1, 2 * ROW_BYTES]).map(
        lambda n: bytes([VERSION]) + bytes(n - 1)
    ),
    st.integers(0, 255).filter(lambda v: v != VERSION).map(lambda v: bytes([v]) + bytes(ROW_BYTES - 1)),
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
    assert [bytes(one) for one in written] == [rows[slot].tobytes() for slot in slots]
    assert row.read([bytes(one) for one in written]).tobytes() == rows[slots].tobytes()


def test_none_is_read_as_a_blank_row_among_others() -> None:
    stored = busy(1)[0].tobytes()
    assert row.read([None, stored, None]).tobytes() == row.blank(1).tobytes() + stored + row.blank(1).tobytes()
    assert len(row.read([])) == 0


def test_rows_that_were_read_may_be_changed_and_leave_what_was_stored_alone() -> None:
    stored = busy(1)[0].tobytes()
    kept = bytes(bytearray(stored))
    row.read([stored])["events"] = 7
    assert stored == kept


@given(foreign)
def test_a_row_of_no_version_we_know_is_refused(stored: bytes) -> None:
    assert not row.is_readable(stored)
    for others in ([], [row.blank(1).tobytes()], [None]):
        with pytest.raises(BadState):
            row.read([*others, stored])


def test_a_row_of_today_is_read_as_it_lies_there() -> None:
    stored = busy(1)[0].tobytes()
    assert row.read([stored]).tobytes() == stored
    assert row.is_readable(stored)
    assert row.is_readable(None)


def test_an_older_version_is_upgraded_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 200 held the number of events, in two bytes, and nothing else."""

    def from_older(stored: Sequence[bytes]) -> NDArray[np.uint64]:
        if any(len(one) != 3 for one in stored):
            raise BadState("not three bytes")
        made = row.blank(len(stored))
        made["events"] = [int.from_bytes(one[1:], "little") for one in stored]
        return row.as_words(made)

    older, newer = bytes([OLDER, 7, 1]), busy(1)[0].tobytes()
    assert not row.is_readable(older)
    monkeypatch.setitem(row.READERS, OLDER, from_older)
    assert row.is_readable(older)
    assert row.read([newer, older])["version"].tolist() == [VERSION, VERSION]
    assert row.read([older, newer])["events"].tolist() == [263, np.frombuffer(newer, ROW)["events"][0]]
    assert row.read([older, None, older])["events"].tolist() == [263, 0, 263]
    assert not row.is_readable(older + b"\0")
    with pytest.raises(BadState, match="three"):
        row.read([newer, older + b"\0"])


def test_rows_of_a_sparse_form_are_read_and_written_beside_those_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a later release will: a version of its own, whose rows are as long as what they hold."""
    sparse = WordSparse(OLDER, row.WORDS)
    monkeypatch.setattr(row, "FORM", sparse)
    monkeypatch.setitem(row.READERS, OLDER, sparse.read)
    rows = row.blank(3)
    rows["events"] = [1, 2, 3]
    rows["last_at"][1] = 7
    written = [bytes(one) for one in row.write(row.as_words(rows), np.array([1, 2, 0], np.int32))]
    assert [len(one) for one in written] == [8 * (4 + 3), 8 * (4 + 2), 8 * (4 + 2)]
    today = busy(1)[0].tobytes()
    read = row.read([written[0], None, today, written[1]])
    assert read.tobytes() == rows[1].tobytes() + row.blank(1).tobytes() + today + rows[2].tobytes()
    read["events"] = 9
    assert not row.is_readable(written[0][:-8])
