"""A rulebook made ready for the stream's kernels: the indicators' arrays and the buffers they need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.kernels import advance as kernels
from engine.kernels.catalogue import FEATURES
from engine.kernels.evaluate import ACTIVATION, Rules, scratch_of
from engine.kernels.features import wanted_of
from engine.kernels.merge import merge
from engine.kernels.moments import Moments
from engine.kernels.predicates import Program
from engine.kernels.row_order import DIGITS, row_order
from engine.kernels.timers import timers
from engine.rulebook.model import Rulebook
from engine.state.vector import TraitColumns

LEAST_ACTIVATIONS = 1024
NO_DATA = b"\0"  # an array of no bytes cannot be made of them


def named_features(program: Program, moments: Moments) -> NDArray[np.bool_]:
    """Which features (bool, `FEATURES`) the rules of `program` compare, or whose `moments` are waited for."""
    named = np.zeros(FEATURES, np.bool_)
    for places in (program.feature, program.other, moments.feature):
        named[places[(places >= 0) & (places < FEATURES)]] = True
    return named


def named_traits(program: Program, columns: TraitColumns) -> TraitColumns:
    """Those of `columns` up to the last that the rules of `program` compare."""
    last = max(int(places.max(initial=-1)) for places in (program.feature, program.other))
    count = max(last + 1 - FEATURES, 0)
    return TraitColumns(columns.names[:count].copy(), columns.types[:count].copy())


def _in_order(parts: Sequence[tuple[NDArray[np.void], NDArray[np.int32]]]) -> NDArray[np.void]:
    """What became active, by the place of the event at which it did, as a new array. Of one part, as nearly
    always, it is copied once: a copy of a batch's is new memory, whose pages cost more than its bytes."""
    found, causes = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
    return found.take(causes.argsort(kind="stable"))


class IndicatorEvaluator:
    """One rulebook's indicators. Not for two threads at once: the buffers are shared by its calls."""

    def __init__(self, rulebook: Rulebook) -> None:
        indicators = len(rulebook.indicators)
        program = rulebook.program.head(indicators)
        self.rulebook = rulebook
        moments = rulebook.moments
        traits = named_traits(program, rulebook.columns)
        wanted = wanted_of(named_features(program, moments), *traits)
        self._rules = Rules(program, rulebook.codes, moments, wanted)
        self._scratch = scratch_of(traits.width, program.required.shape[1], indicators)
        self._activations = np.zeros(max(LEAST_ACTIVATIONS, 2 * indicators), ACTIVATION)
        self._causes = np.zeros(len(self._activations), np.int32)
        self._digits = np.zeros(DIGITS, np.int32)

    @property
    def nothing(self) -> NDArray[np.void]:
        """No activation."""
        return self._activations[:0]

    def advance(
        self, rows: NDArray[np.void], slots: NDArray[np.int32], events: NDArray[np.void], data: bytes = b""
    ) -> tuple[NDArray[np.uint8], NDArray[np.void]]:
        """Apply `events`, which point into `data`, to ``rows[slots]``; returns what became of each, and what
        became active, in order."""
        read = np.frombuffer(data or NO_DATA, np.uint8)
        outcomes, order = np.zeros(len(events), np.uint8), np.empty(len(events), np.int32)
        row_order(slots, order, np.empty_like(order), self._digits)
        parts: list[tuple[NDArray[np.void], NDArray[np.int32]]] = []
        start = 0
        while True:
            start, activated = kernels.advance(
                rows,
                slots,
                events,
                order,
                start,
                read,
                self._rules,
                self._scratch,
                outcomes,
                self._activations,
                self._causes,
            )
            part = self._activations[:activated], self._causes[:activated]
            if start == len(events):
                return outcomes, _in_order([*parts, part])
            parts.append((part[0].copy(), part[1].copy()))

    def fire(self, rows: NDArray[np.void], slots: NDArray[np.int32], until: int) -> NDArray[np.void]:
        """Evaluate the inactivity of ``rows[slots]`` up to and including `until` (epoch ms); returns the
        activations."""
        parts: list[NDArray[np.void]] = []
        start = 0
        while start < len(slots):
            start, activated = kernels.fire(
                rows, slots, start, until + 1, self._rules, self._scratch, self._activations
            )
            parts.append(self._activations[:activated].copy())
        return np.concatenate(parts) if parts else self._activations[:0]

    def merge(
        self, rows: NDArray[np.void], slots: NDArray[np.int32], links: NDArray[np.void], others: NDArray[np.void]
    ) -> NDArray[np.void]:
        """Bring ``rows[slots]`` up to the moments of `links`, and add `others` to them (all 0: nothing); returns
        the activations, whose events are places among the links."""
        parts: list[NDArray[np.void]] = []
        start = 0
        while start < len(slots):
            start, activated = merge(
                rows, slots, links, start, others, self._rules, self._scratch, self._activations
            )
            parts.append(self._activations[:activated].copy())
        return np.concatenate(parts) if parts else self.nothing

    def timers(
        self, rows: NDArray[np.void], slots: NDArray[np.int32], scheduled: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Look each of ``rows[slots]`` ahead and bring `scheduled` (one a slot) up to date; returns whose
        timers must be written."""
        changed = np.zeros(len(slots), np.bool_)
        timers(rows, slots, scheduled, self._rules, self._scratch, changed)
        return changed
