"""Indicators that are active, and until when silence was evaluated: what follows from rules, and not from events
alone."""

from __future__ import annotations

from engine.kernels.jit import kernel

ACTIVE = 24  # that may be active at the same time

FIELDS = [
    ("silence_due", "i8"),  # when silence next changes something (epoch ms; 0: nothing is ahead)
    ("silence_ms", "i8"),  # how far beyond the last event the indicators were evaluated
    ("active", "u4", (ACTIVE,)),  # by hash of their names; ``active_count`` in the head says how many
]


@kernel
def join_indicator(into, other):
    """Let those be active that are on either row; it is to be evaluated anew, at the later moment of both."""
    for i in range(other.active_count):
        _activate(into, other.active[i])


@kernel
def _activate(row, code):
    for i in range(row.active_count):
        if row.active[i] == code:
            return
    if row.active_count < ACTIVE:
        row.active[row.active_count] = code
        row.active_count += 1
