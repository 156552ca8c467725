"""A rulebook made ready for the stream's kernels: the indicators' arrays and the buffers they need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.kernels import advance as kernels
from engine.kernels.features import FEATURES
from engine.kernels.layout import ACTIVE
from engine.rulebook.model import Rulebook

LEAST_RISES = 1024


class Judge:
    """One rulebook's indicators. Not for two threads at once: the buffers are shared by its calls."""

    def __init__(self, rulebook: Rulebook) -> None:
        indicators = len(rulebook.indicators)
        program = rulebook.program.head(indicators)
        silences = rulebook.silences
        self.rulebook = rulebook
        self._rules = (
            program.feature,
            program.op,
            program.other,
            program.threshold,
            program.first,
            program.required,
            program.forbidden,
            rulebook.codes,
            silences.feature,
            silences.threshold,
            silences.grows_ms,
        )
        self._scratch = (
            np.zeros(FEATURES),
            np.zeros(program.required.shape[1], np.uint64),
            np.zeros(indicators, np.bool_),
            np.zeros(ACTIVE, np.uint32),
        )
        most_at_once = indicators * (len(silences.feature) + 1)
        self._rises = np.zeros(max(LEAST_RISES, 2 * most_at_once), kernels.RISE)

    @property
    def nothing(self) -> NDArray[np.void]:
        """No rise."""
        return self._rises[:0]

    def advance(
        self, rows: NDArray[np.void], slots: NDArray[np.int32], events: NDArray[np.void]
    ) -> tuple[NDArray[np.uint8], NDArray[np.void]]:
        """Apply `events` to ``rows[slots]``; returns what became of each, and what rose, in order."""
        outcomes = np.zeros(len(events), np.uint8)
        parts: list[NDArray[np.void]] = []
        start = 0
        while True:
            start, risen = kernels.advance(
                rows, slots, events, start, self._rules, self._scratch, outcomes, self._rises
            )
            if start == len(events) and not parts:
                return outcomes, self._rises[:risen].copy()
            parts.append(self._rises[:risen].copy())
            if start == len(events):
                return outcomes, np.concatenate(parts)

    def fire(self, rows: NDArray[np.void], slots: NDArray[np.int32], until: int) -> NDArray[np.void]:
        """Judge the silence of ``rows[slots]`` up to and including `until` (epoch ms); returns what rose."""
        parts: list[NDArray[np.void]] = []
        start = 0
        while start < len(slots):
            start, risen = kernels.fire(rows, slots, start, until + 1, self._rules, self._scratch, self._rises)
            parts.append(self._rises[:risen].copy())
        return np.concatenate(parts) if parts else self._rises[:0]

    def timers(
        self, rows: NDArray[np.void], slots: NDArray[np.int32], standing: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Look each of ``rows[slots]`` ahead and bring `standing` (one a slot) up to date; returns whose
        timers must be written."""
        changed = np.zeros(len(slots), np.bool_)
        kernels.timers(rows, slots, standing, self._rules, self._scratch, changed)
        return changed
