"""Feature vectors as bytes, read back by hand."""

from __future__ import annotations

import itertools
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernels.sparse import pack, pack_many


def packed(values: list[float]) -> bytes:
    out = np.full(2 + -(-len(values) // 8) + 8 * len(values) + 8, 0xAA, np.uint8)
    return out[: pack(np.array(values, np.float64), out)].tobytes()


def unpacked(data: bytes) -> list[float]:
    (count,) = struct.unpack_from("<H", data)
    bits = "".join(f"{byte:08b}" for byte in data[2 : 2 + -(-count // 8)])
    assert "1" not in bits[count:]
    rest = iter(struct.unpack(f"={bits.count('1')}d", data[2 + len(bits) // 8 :]))
    return [next(rest) if bit == "1" else 0.0 for bit in bits[:count]]


@given(st.lists(st.sampled_from([0.0, 0.0, 1.0, -2.5, math.inf, 1e300]), max_size=40))
def test_what_is_packed_is_read_back(values: list[float]) -> None:
    assert unpacked(packed(values)) == values


@pytest.mark.parametrize("count", [1, 7, 8, 9, 255, 256, 257, 300])
def test_as_many_as_two_bytes_can_count(count: int) -> None:
    values = [float(number % 3) for number in range(count)]
    assert unpacked(packed(values)) == values


def test_no_value_is_a_value() -> None:
    data = packed([0.0, math.nan, -0.0])
    assert data[:3] == b"\x03\x00\x40"
    assert math.isnan(struct.unpack("=d", data[3:])[0])


@given(st.lists(st.lists(st.sampled_from([0.0, 0.0, 1.0, -2.5]), min_size=9, max_size=9), max_size=5))
def test_many_are_packed_as_each_alone(rows: list[list[float]]) -> None:
    out, ends = np.full(5 * (4 + 9 * 8) + 8, 0xAA, np.uint8), np.zeros(len(rows), np.int64)
    pack_many(np.array(rows, np.float64).reshape(-1, 9), out, ends)
    starts = [0, *ends.tolist()]
    parts = [out[start:end].tobytes() for start, end in itertools.pairwise(starts)]
    assert parts == [packed(row) for row in rows]
