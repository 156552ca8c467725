"""The events of one commit, applied to the rows piece by piece: between two pieces links are followed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.kernels.row import ROW
from engine.stream.evaluator import IndicatorEvaluator
from engine.stream.row_cache import RowCache

NOBODY: NDArray[np.void] = np.zeros(1, ROW)  # adds nothing


class ChunkRun:
    """Applies `events` (`COLUMNS`, N), which point into `data`, to the rows in `slots` (N) of `cache`."""

    def __init__(
        self,
        evaluator: IndicatorEvaluator,
        cache: RowCache,
        slots: NDArray[np.int32],
        events: NDArray[np.void],
        data: bytes,
    ) -> None:
        self.events = events
        self.slots = slots
        self.outcomes: NDArray[np.uint8] = np.zeros(len(events), np.uint8)
        self._evaluator = evaluator
        self._cache = cache
        self._data = data
        self._activations: list[NDArray[np.void]] = []
        self._changed: dict[int, None] = {}
        self._next = 0

    def go_on(self, stop: int) -> None:
        """Apply the events before `stop` that are not applied yet."""
        first, self._next = self._next, max(stop, self._next)
        if stop <= first:
            return
        outcomes, activations = self._evaluator.advance(
            self._cache.rows, self.slots[first:stop], self.events[first:stop], self._data
        )
        self.outcomes[first:stop] = outcomes
        self._add(activations, first)

    def meet(self, place: int, other: NDArray[np.void] = NOBODY) -> None:
        """Apply the events before the link at `place`, bring its row up to it, and add `other` (`ROW`, 1)."""
        self.go_on(place)
        links = slice(place, place + 1)
        self._add(self._evaluator.merge(self._cache.rows, self.slots[links], self.events[links], other), place)
        self.change(place)

    def cut(self) -> None:
        """Forget the row that the first event's customer kept of what it once sent."""
        slot = int(self.slots[0])
        self._cache.tie(slot, self._cache.ties(slot).without_kept)
        self.change(0)

    def change(self, place: int) -> None:
        """The row of event `place`, or what stands before it, is to be stored."""
        self._changed[int(self.slots[place])] = None

    @property
    def touched(self) -> NDArray[np.int32]:
        """The different slots whose rows are to be stored."""
        touched = self._cache.touched(self.slots, self.outcomes)
        if not self._changed:
            return touched
        return np.array([*dict.fromkeys([*touched.tolist(), *self._changed])], np.int32)

    @property
    def activations(self) -> NDArray[np.void]:
        """What became active, in order."""
        if len(self._activations) == 1:
            return self._activations[0]
        return np.concatenate(self._activations) if self._activations else self._evaluator.nothing

    def _add(self, activations: NDArray[np.void], first: int) -> None:
        if first:
            activations["event"][activations["event"] >= 0] += first
        self._activations.append(activations)
