"""Durations counted in buckets: coarse ones for Prometheus, fine ones for quantiles in the process."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Upper bounds of the coarse buckets in seconds: 50 from 0.1 ms to 60 s, each 31 % above the one before.
BOUNDS: tuple[float, ...] = tuple(float(f"{1e-4 * 6e5 ** (i / 49):.3g}") for i in range(50))

#: The fine buckets: from 1 µs to over 1,000 s, each 2 % above the one before.
FINE_FIRST, FINE_STEP, FINE = 1e-6, math.log(1.02), 1_050

#: So many durations are counted together.
ENOUGH = 512

_BOUNDS = np.array(BOUNDS)


class Durations:
    """One series of durations in seconds. Values wait in a list and are counted when read or
    enough wait: one costs 0.1 µs then, and 2 µs (of a small array 20) if counted at once."""

    def __init__(self) -> None:
        self._waiting: list[float] = []
        self._coarse = np.zeros(len(BOUNDS) + 1, np.int64)
        self._fine = np.zeros(FINE, np.int64)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one. Below 0, from clocks that differ, counts as 0; NaN counts as none."""
        self._waiting.append(seconds)
        if len(self._waiting) >= ENOUGH:
            self._settle()

    def add_many(self, seconds: NDArray[np.float64]) -> None:
        """Count each of `seconds` (N), as `add` does."""
        if len(seconds) >= ENOUGH:
            self._count(seconds)
            return
        self._waiting += seconds.tolist()
        if len(self._waiting) >= ENOUGH:
            self._settle()

    @property
    def coarse(self) -> NDArray[np.int64]:
        """How many fell into each of the coarse buckets; the last is for what lies above all `BOUNDS`."""
        self._settle()
        return self._coarse

    @property
    def fine(self) -> NDArray[np.int64]:
        """How many fell into each of the fine buckets."""
        self._settle()
        return self._fine

    @property
    def sum(self) -> float:
        """All of them together."""
        self._settle()
        return self._sum

    def _settle(self) -> None:
        if self._waiting:
            self._count(np.array(self._waiting))
            self._waiting.clear()

    def _count(self, seconds: NDArray[np.float64]) -> None:
        known = np.clip(seconds[~np.isnan(seconds)], 0.0, 1e6)
        self._coarse += np.bincount(np.searchsorted(_BOUNDS, known), minlength=len(self._coarse))
        steps = np.ceil(np.log(np.maximum(known, FINE_FIRST) / FINE_FIRST) / FINE_STEP)
        self._fine += np.bincount(np.minimum(steps, FINE - 1).astype(np.int64), minlength=FINE)
        self._sum += float(known.sum())


def fine_quantile(counts: NDArray[np.int64], q: float) -> float:
    """The q-quantile (0..1) in seconds of fine `counts` (`FINE`), within 2 %; NaN when they are empty."""
    total = int(counts.sum())
    if total == 0:
        return math.nan
    step = int(np.searchsorted(np.cumsum(counts), max(math.ceil(q * total), 1)))
    return FINE_FIRST * math.exp((step - 0.5) * FINE_STEP) if step else FINE_FIRST


def coarse_quantile(bounds: Sequence[float], cumulated: Sequence[float], q: float) -> float:
    """As Prometheus' ``histogram_quantile``: linear within the bucket that holds the rank.

    `bounds` ascend and end with inf; a rank in that last bucket gives the last finite bound. NaN when empty.
    """
    if not cumulated or cumulated[-1] == 0:
        return math.nan
    rank = q * cumulated[-1]
    index = next(i for i, count in enumerate(cumulated) if count >= rank)
    if math.isinf(bounds[index]):
        return bounds[index - 1]
    low, below = (bounds[index - 1], cumulated[index - 1]) if index else (0.0, 0.0)
    inside = cumulated[index] - below
    return low + (bounds[index] - low) * ((rank - below) / inside if inside else 1.0)
