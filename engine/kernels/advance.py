"""The stream's one compiled call: a batch of events of one partition onto their customers' rows.

Indicators are judged after every event and at every moment of silence at which a threshold is crossed,
in event time, so the result depends on the order of a customer's events alone: not on how they were
batched, nor on when the worker's timers ran, as long as no event comes in after a silence that it would
have ended was judged (timers wait for `lateness_ms` before they do).
"""

from __future__ import annotations

import numpy as np

from engine.kernels.apply import U4, apply, seen
from engine.kernels.decode import OK
from engine.kernels.features import FEATURES, read
from engine.kernels.jit import kernel
from engine.kernels.predicates import match
from engine.kernels.row import ACTIVE

CALLED = -1  # a timer that fired just now

# what became of an event
BAD, APPLIED, DUPLICATE = 0, 1, 2

#: One indicator that rose: the event's place in the batch (-1: a silence), the row, the indicator, when.
ACTIVATION = np.dtype(
    [
        ("event", "i4"),
        ("slot", "i4"),
        ("indicator", "i4"),
        ("at", "i8"),
        ("received_at", "i8"),
        ("features", "f8", (FEATURES,)),
    ],
    align=True,
)


@kernel
def _stands(row, code):
    for i in range(row.active_count):
        if row.active[i] == code:
            return True
    return False


@kernel
def _evaluate(row, slot, event, at, received_at, rules, scratch, activations, activated):
    """Match the indicators on `row` at `at`; write what rose from `rises[risen]` on; returns the new count.

    More than `ACTIVE` indicators standing at once: those last in the rulebook are neither kept nor risen.
    """
    feature, op, other, threshold, first, required, forbidden, codes, sil_feature, sil_threshold, sil_grows = rules
    values, truth, holds, standing = scratch
    read(row, at, values)
    match(values, feature, op, other, threshold, first, required, forbidden, truth, holds)
    count = 0
    for i in range(codes.shape[0]):
        if not holds[i] or count == ACTIVE:
            continue
        standing[count] = codes[i]
        count += 1
        if not _stands(row, codes[i]):
            activation = activations[activated]
            activation.event = event
            activation.slot = slot
            activation.indicator = i
            activation.at = at
            activation.received_at = received_at
            activation.features[:] = values
            activated += 1
    row.active[:count] = standing[:count]
    row.active[count : row.active_count] = 0
    row.active_count = count
    row.silence_ms = min(max(at - row.last_at, 0), U4)
    row.silence_due = _next_due(values, at, sil_feature, sil_threshold, sil_grows)
    return activated


@kernel
def _next_due(values, at, feature, threshold, grows_ms):
    """When, after `at`, the first growing feature reaches one of its thresholds; 0: none will."""
    due = np.int64(0)
    for k in range(feature.shape[0]):
        gap = threshold[k] - values[feature[k]]
        if gap > 0.0:  # false for NaN: what never began does not grow
            # both sides are whole milliseconds over grows_ms
            moment = at + max(np.int64(np.rint(gap * grows_ms[k])), np.int64(1))
            if due == 0 or moment < due:
                due = moment
    return due


@kernel
def _silence(row, slot, until, rules, scratch, activations, activated):
    """Judge `row` at each threshold that silence crosses before `until`."""
    while row.silence_due != 0 and row.silence_due < until:
        activated = _evaluate(row, slot, -1, row.silence_due, 0, rules, scratch, activations, activated)
    return activated


@kernel
def _room(activations, activated, rules):
    """Whether the worst case of one event (every indicator at every threshold) still fits."""
    return activated + rules[7].shape[0] * (rules[8].shape[0] + 1) <= activations.shape[0]


@kernel
def advance(rows, slots, events, start, rules, scratch, outcomes, activations):
    """Apply ``events[start:]`` in order, each to ``rows[slots[i]]``.

    ``rows`` (`ROW`, capacity), ``slots`` (int32, N), ``events`` (`decode.COLUMNS`, N), ``rules``: tuple of
    the `Program` and `TimerThresholds` arrays and the indicators' codes, ``scratch``: tuple of buffers
    (`engine.stream.evaluator` makes both), ``outcomes`` (uint8, N) gets BAD, APPLIED or DUPLICATE,
    ``activations`` (`ACTIVATION`, M) what was activated, in order. Returns (next event, activations written):
    call again from the next event on when it is below N, which happens when `activations` is full.
    """
    activated = 0
    for i in range(start, events.shape[0]):
        if not _room(activations, activated, rules):
            return i, activated
        event = events[i]
        outcomes[i] = BAD
        if event.status != OK:
            continue
        row = rows[slots[i]]
        if seen(row, event.id):
            outcomes[i] = DUPLICATE
            continue
        activated = _silence(row, slots[i], event.at, rules, scratch, activations, activated)
        evaluated = row.last_at + np.int64(row.silence_ms)
        apply(row, event)
        # never before a moment that was judged: what stands since then would fall, and rise again
        now = max(row.last_at, evaluated)
        activated = _evaluate(row, slots[i], i, now, event.received_at, rules, scratch, activations, activated)
        outcomes[i] = APPLIED
    return events.shape[0], activated


@kernel
def fire(rows, slots, start, until, rules, scratch, activations):
    """Judge the silence of ``rows[slots[start:]]`` up to `until`; returns as `advance` does."""
    activated = 0
    for i in range(start, slots.shape[0]):
        if not _room(activations, activated, rules):
            return i, activated
        activated = _silence(rows[slots[i]], slots[i], until, rules, scratch, activations, activated)
    return slots.shape[0], activated


@kernel
def _timer(row, rules, scratch):
    """When silence will next raise an indicator of `row` (0: never), found by looking ahead."""
    feature, op, other, threshold, first, required, forbidden, codes, sil_feature, sil_threshold, sil_grows = rules
    values, truth, holds, _ = scratch
    due = row.silence_due
    while due != 0:
        read(row, due, values)
        match(values, feature, op, other, threshold, first, required, forbidden, truth, holds)
        for i in range(codes.shape[0]):
            if holds[i] and not _stands(row, codes[i]):
                return due
        due = _next_due(values, due, sil_feature, sil_threshold, sil_grows)
    return due


@kernel
def timers(rows, slots, standing, rules, scratch, changed):
    """Bring the timers of ``rows[slots]`` up to date; ``changed`` (bool, N): whose must be written.

    ``standing`` (int64, one a slot) is when the store will call the customer: 0 never, as far as we know;
    `CALLED` it just did. A timer that stands too early is left: it finds nothing due and is then set
    anew, which is cheaper than moving it with every event.
    """
    for i in range(slots.shape[0]):
        slot = slots[i]
        row, stands = rows[slot], standing[slot]
        changed[i] = False
        if stands > 0 and (row.silence_due == 0 or stands <= row.silence_due):
            continue
        due = _timer(row, rules, scratch)
        if stands == CALLED or (due != 0 and (stands == 0 or due < stands)):
            standing[slot] = due
            changed[i] = True


@kernel
def touched(slots, outcomes, stamps, stamp, out):
    """The different ``slots`` (int32, N) of applied events into `out` (int32, N), by first touch.

    ``stamps`` (int64, one a slot) are marks of earlier calls, all below `stamp`. Returns how many.
    """
    count = 0
    for i in range(slots.shape[0]):
        if outcomes[i] == APPLIED and stamps[slots[i]] != stamp:
            stamps[slots[i]] = stamp
            out[count] = slots[i]
            count += 1
    return count
