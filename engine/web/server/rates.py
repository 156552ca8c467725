"""Rates: token buckets, one for each name, as the generic cell rate algorithm has them (ITU-T I.371, annex A)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.errors import RateLimited

BURST_S = 10.0  # of a rate may come at once
MOST_NAMES = 100_000  # remembered; whoever was quiet for the longest is forgotten first


class Draught(NamedTuple):
    """What one request takes of one bucket."""

    name: str
    per_second: float
    cost: float = 1.0


class RateLimiter:
    """How much each name has taken: the moment at which its bucket is full again (the algorithm's theoretical
    arrival time), one float a name. `now` is a monotonic clock in seconds."""

    def __init__(self, most: int = MOST_NAMES, now: Callable[[], float] = time.monotonic) -> None:
        self._full_at: dict[str, float] = {}
        self._most, self._now = most, now

    def take(self, name: str, per_second: float, cost: float = 1.0) -> None:
        """Take `cost` from the bucket of `name`. Raises `RateLimited` where `BURST_S` of its rate are taken.

        What is let in may cost more than there is: a large batch is taken, and paid for by waiting longer.
        """
        self.take_all([Draught(name, per_second, cost)])

    def take_all(self, draughts: Sequence[Draught]) -> None:
        """Take from several buckets, or, where one has nothing left, from none. Raises `RateLimited`."""
        now = self._now()
        for name, per_second, _ in draughts:
            late = self._full_at.get(name, now) - now - max(BURST_S - 1 / per_second, 0.0)
            if late > 0:
                self._full_at[name] = self._full_at.pop(name)  # who goes on asking is not quiet
                raise RateLimited(f"more than {per_second:g} a second", math.ceil(late))
        for name, per_second, cost in draughts:
            self._full_at[name] = max(self._full_at.pop(name, now), now) + cost / per_second
            if len(self._full_at) > self._most:
                del self._full_at[next(iter(self._full_at))]
