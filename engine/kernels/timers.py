"""When the store is to call for a customer who does nothing: the next activation in silence, looked up ahead."""

from __future__ import annotations

import numpy as np

from engine.kernels.catalogue import FIRST_WINDOW
from engine.kernels.evaluate import is_active
from engine.kernels.features import read_wanted
from engine.kernels.forgetting import FORGOTTEN_AFTER_MS
from engine.kernels.jit import kernel, scalar
from engine.kernels.moments import CLOCK_MS, WEEK_MS, next_hour, next_moment, sooner
from engine.kernels.predicates import match

CALLED = -1  # a timer that fired just now


@kernel
def _next_activation(row, rules, scratch):
    """When silence will next activate an indicator of `row`, which may have ended by then; 0: never, or not before
    it is forgotten."""
    codes, moments, due = rules.codes, rules.moments, row.silence_due
    for i in range(codes.shape[0]):
        scratch.held[i] = is_active(row, codes[i])
    settled, moment = due, np.int64(0)  # the last and the next that are no clock's
    while due != 0 and due <= row.life_last_at + FORGOTTEN_AFTER_MS:
        if due - settled > WEEK_MS:  # weeks in which nothing but clocks changes are alike
            _hold(row, min(moment - 1, row.life_last_at + CLOCK_MS), rules, scratch, scratch.held)
            due = settled = moment
            continue
        _hold(row, due, rules, scratch, scratch.holds)
        for i in range(codes.shape[0]):
            if scratch.holds[i] and not scratch.held[i]:
                return due
            scratch.held[i] = scratch.holds[i]
        moment = next_moment(row, scratch.values, due, moments, FIRST_WINDOW, scratch.due)
        hour = next_hour(due, row.life_last_at, moments)
        due = sooner(moment, hour)
        if due == moment:
            settled = due
    return np.int64(0)


@kernel
def _hold(row, at, rules, scratch, holds):
    """Fill `holds` (bool, I) with which indicators hold for `row` at a moment."""
    read_wanted(row, at, rules.wanted, scratch.values)
    match(scratch.values, rules.program, scratch.truth, holds)


@scalar
def timers(rows, slots, scheduled, rules, scratch, changed):
    """Bring the timers of ``rows[slots]`` up to date; ``changed`` (bool, N): whose must be written.

    ``scheduled`` (int64, one a slot) is when the store will call for the customer: 0 never, as far as we know;
    `CALLED` it just did. A timer that is too early is left: it finds nothing due and is then set
    anew, which is cheaper than moving it with every event.
    """
    for i in range(slots.shape[0]):
        slot = slots[i]
        row, call = rows[slot], scheduled[slot]
        changed[i] = False
        if call > 0 and (row.silence_due == 0 or call <= row.silence_due):
            continue
        due = _next_activation(row, rules, scratch)
        if call == CALLED or (due != 0 and (call == 0 or due < call)):
            scheduled[slot] = due
            changed[i] = True
