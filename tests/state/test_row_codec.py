"""The one codec of stored rows: blank, read, upgrade, write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadState
from engine.kernels.row import ROW, ROW_BYTES, VERSION
from engine.state import row_codec as row

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
    for reading in (lambda: row.upgrade(stored), lambda: row.read([row.blank(1).tobytes(), stored])):
        with pytest.raises(BadState):
            reading()


def test_a_row_of_today_is_upgraded_to_itself() -> None:
    stored = busy(1)[0].tobytes()
    assert row.upgrade(stored) == stored
    assert row.is_readable(stored)
    assert row.is_readable(None)


def test_an_older_version_is_upgraded_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 200 held the number of events, in two bytes, and nothing else."""

    def from_older(stored: bytes) -> bytes:
        if len(stored) != 3:
            raise BadState("not three bytes")
        made = row.blank(1)
        made["events"] = int.from_bytes(stored[1:], "little")
        return made.tobytes()

    older, newer = bytes([OLDER, 7, 1]), busy(1)[0].tobytes()
    assert not row.is_readable(older)
    monkeypatch.setitem(row.UPGRADES, OLDER, from_older)
    assert row.is_readable(older)
    assert row.read([newer, older])["version"].tolist() == [VERSION, VERSION]
    assert row.read([older, newer])["events"][0] == 263
    assert not row.is_readable(older + b"\0")
    with pytest.raises(BadState, match="three"):
        row.read([older + b"\0"])
