"""Which offers win: the order of offers, and how many of them are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.rulebook.model import Offer


class Arbitration(Protocol):
    """A way to choose among offers that passed every stage. Registered in an arm
    (`engine.decisions.experiments`)."""

    def order(
        self, offers: Sequence[Offer], positions: Sequence[int], priority: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        """`positions` (of `offers`), best first; ``priority`` is float64[O]."""

    def select(self, ordered: Sequence[int], slots: int) -> tuple[int, ...]:
        """Those of `ordered` (positions, best first) that fill up to `slots` places."""


class HighestPriority:
    """By falling priority; equal ones by id, so that nothing depends on the order of files."""

    def order(
        self, offers: Sequence[Offer], positions: Sequence[int], priority: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        values = priority.tolist()
        return np.array(sorted(positions, key=lambda i: (-values[i], offers[i].id)), np.intp)

    def select(self, ordered: Sequence[int], slots: int) -> tuple[int, ...]:
        return tuple(ordered[:slots])
