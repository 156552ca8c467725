"""The memory of rows: all of it is there, it is 0 until it is written, and none is used before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.kernels.row import ROW, ROW_BYTES
from engine.stream.row_memory import AHEAD, RowMemory


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


@pytest.mark.parametrize("capacity", [0, 1, AHEAD // ROW_BYTES, AHEAD // ROW_BYTES + 1, 1_000])
def test_all_rows_are_0_and_can_be_written_to_the_last(capacity: int) -> None:
    memory = RowMemory(capacity)
    assert (memory.rows.dtype, len(memory.rows)) == (ROW, capacity)
    for count in (0, 1, capacity // 2, capacity, 1, capacity):
        memory.make_ready(min(count, capacity))
        assert not any(memory.rows.tobytes())
    memory.rows["message_total"] = range(capacity)
    memory.make_ready(capacity)
    assert memory.rows["message_total"].tolist() == list(range(capacity))


def test_rows_outlive_what_made_them() -> None:
    rows = RowMemory(100).rows
    rows["message_total"] = 7
    assert rows["message_total"].tolist() == [7] * 100


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_rows_take_no_memory_until_they_are_used() -> None:
    before = resident_bytes()
    memory = RowMemory((1 << 30) // ROW_BYTES)
    memory.make_ready(1)
    memory.rows["message_total"][0] = 1
    assert resident_bytes() - before < 64 << 20
