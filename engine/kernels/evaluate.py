"""Indicators of one row at a moment: which of them hold, which became active, and when silence may change that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.kernels.catalogue import FEATURES, FIRST_WINDOW
from engine.kernels.features import Wanted, read, read_wanted
from engine.kernels.forgetting import FORGOTTEN_AFTER_MS
from engine.kernels.groups import trait
from engine.kernels.groups.indicator import ACTIVE
from engine.kernels.jit import kernel
from engine.kernels.moments import Moments, next_hour, next_moment, sooner
from engine.kernels.predicates import Program, match
from engine.kernels.provenance import is_signed, provenance_at
from engine.kernels.row import ROW


class Rules(NamedTuple):
    """The indicators of a rulebook. I of them; the program has no other rules."""

    program: Program
    codes: np.ndarray  #: uint32[I], under which rows keep them
    moments: Moments  #: at which silence may change them
    wanted: Wanted  #: the features and traits that program and moments name


class Scratch(NamedTuple):
    """Buffers of one thread; what they hold between calls means nothing."""

    values: np.ndarray  #: float64[FEATURES + the traits that are wanted]
    truth: np.ndarray  #: uint64[W], of the program
    holds: np.ndarray  #: bool[I]
    held: np.ndarray  #: bool[I], at the moment before
    due: np.ndarray  #: int64[1]
    active: np.ndarray  #: uint32[ACTIVE]
    row: np.ndarray  #: ROW[1]


def scratch_of(values: int, words: int, indicators: int) -> Scratch:
    """Buffers for rules on `values` features and traits, of so many `words` of predicates and `indicators`."""
    return Scratch(
        np.zeros(values),
        np.zeros(words, np.uint64),
        np.zeros(indicators, np.bool_),
        np.zeros(indicators, np.bool_),
        np.zeros(1, np.int64),
        np.zeros(ACTIVE, np.uint32),
        np.zeros(1, ROW),
    )


#: One indicator that became active: the event's place in the batch (-1: in silence), the row, the indicator, the
#: flags of the moment (`provenance_at`), when, and what the customer was like: the features and traits.
ACTIVATION = np.dtype(
    [
        ("event", "i4"),
        ("slot", "i4"),
        ("indicator", "i4"),
        ("provenance", "u1"),
        ("at", "i8"),
        ("received_at", "i8"),
        ("features", "f8", (FEATURES,)),
        *trait.FIELDS,
    ],
    align=True,
)


@kernel
def is_active(row, code):
    """Whether the indicator of `code` is active on `row`."""
    for i in range(row.active_count):
        if row.active[i] == code:
            return True
    return False


@kernel
def evaluate(row, slot, event, at, received_at, signed, rules, scratch, activations, activated):
    """Match the indicators on `row` at `at`; write those that became active from ``activations[activated]`` on;
    returns the new count.

    More than `ACTIVE` indicators active at once: those last in the rulebook are neither kept nor activated.
    """
    read_wanted(row, at, rules.wanted, scratch.values)
    match(scratch.values, rules.program, scratch.truth, scratch.holds)
    codes, count, first = rules.codes, 0, activated
    for i in range(codes.shape[0]):
        if not scratch.holds[i] or count == ACTIVE:
            continue
        scratch.active[count] = codes[i]
        count += 1
        if not is_active(row, codes[i]):
            if activated == first:  # it carries all features, not only those that rules name
                read(row, at, scratch.values)
            activation = activations[activated]
            activation.event = event
            activation.slot = slot
            activation.indicator = i
            activation.provenance = provenance_at(row, at, signed)
            activation.at = at
            activation.received_at = received_at
            for feature in range(FEATURES):
                activation.features[feature] = scratch.values[feature]
            trait.copy_traits(row, activation)
            activated += 1
    for i in range(count):
        row.active[i] = scratch.active[i]
    for i in range(count, row.active_count):
        row.active[i] = 0
    row.active_count = count
    row.silence_ms = max(at - row.life_last_at, 0)
    row.silence_due = sooner(
        next_moment(row, scratch.values, at, rules.moments, FIRST_WINDOW, scratch.due),
        next_hour(at, row.life_last_at, rules.moments),
    )
    return activated


@kernel
def evaluate_silence(row, slot, until, rules, scratch, activations, activated):
    """Evaluate `row` at each moment of silence before `until` at which something changes, and before it is
    forgotten; returns the new count of ``activations``, and whether there was room for all: else call again."""
    until = min(until, row.life_last_at + FORGOTTEN_AFTER_MS + 1)
    while row.silence_due != 0 and row.silence_due < until:
        if not has_room(activations, activated, rules):
            return activated, False
        activated = evaluate(
            row, slot, -1, row.silence_due, 0, is_signed(row), rules, scratch, activations, activated
        )
    return activated, True


@kernel
def has_room(activations, activated, rules):
    """Whether the worst case of one moment, every indicator, still fits."""
    return activated + rules.codes.shape[0] <= activations.shape[0]
