"""Values of records, through the kernel that decodes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.kernels import decode
from engine.kernels.records import RECORD


def decoded(values: Sequence[bytes], came_in: NDArray[np.int64] | int) -> NDArray[np.void]:
    """`values` as columns; ``came_in`` is changed as the kernel changes it."""
    records: NDArray[np.void] = np.zeros(len(values), RECORD)
    lengths = np.array([len(value) for value in values], np.int64)
    records["value"], records["value_length"] = np.cumsum(lengths) - lengths, lengths
    times = np.full(len(values), came_in) if isinstance(came_in, int) else came_in
    out: NDArray[np.void] = np.zeros(len(values), decode.COLUMNS)
    decode.decode(np.frombuffer(b"".join(values), np.uint8), records, times, out)
    return out
