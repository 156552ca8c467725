"""Where the events of a micro-batch are split into commits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.kernels.chunks import chunk_end


def commit_ends(slots: NDArray[np.int32], capacity: int, held: int, most: int, cuts: Sequence[int]) -> list[int]:
    """Where to split the events of `slots` (places below `capacity`, `held` of them in use), so that no commit
    has more than `most` rows, and one begins at each of `cuts`."""
    ends = []
    if min(len(slots), held) > most:
        stamps, stop = np.zeros(capacity, np.int64), 0
        while (stop := chunk_end(slots, stop, most, stamps)) < len(slots):
            ends.append(stop)
    return sorted({*ends, *cuts, len(slots)})
