"""A fair sample of bounded size of what was measured, however long it goes on."""

from __future__ import annotations

import numpy as np

SIZE = 10_000


class Sample:
    """The first ``size`` values, later ones in place of random earlier ones, so that each of the ``count`` values
    added has the same chance to be in ``values`` (Vitter 1985, "Random sampling with a reservoir", algorithm R).
    """

    def __init__(self, rng: np.random.Generator, size: int = SIZE) -> None:
        self.count = 0
        self.values: list[float] = []
        self._rng, self._size = rng, size

    def add(self, value: float) -> None:
        """One more measurement."""
        self.count += 1
        if len(self.values) < self._size:
            self.values.append(value)
        elif (place := int(self._rng.integers(self.count))) < self._size:
            self.values[place] = value
