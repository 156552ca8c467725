"""The stream's one compiled call: a batch of events of one partition onto their customers' rows.

Indicators are evaluated after every event and at every moment of silence at which a threshold is crossed,
in event time, so the result depends on the order of a customer's events alone: not on how they were
batched, nor on when the worker's timers ran, as long as no event comes in after a silence that it would
have ended was evaluated (timers wait for `lateness_ms` before they do).
"""

from __future__ import annotations

import numpy as np

from engine.kernels.cart import apply_to_cart
from engine.kernels.contacts import apply_contact
from engine.kernels.decode import OK
from engine.kernels.evaluate import evaluate, evaluate_silence, has_room
from engine.kernels.forgetting import FORGOTTEN_AFTER_MS, forget, is_forgotten
from engine.kernels.history import remember
from engine.kernels.jit import kernel
from engine.kernels.orders import apply_order
from engine.kernels.provenance import apply_provenance
from engine.kernels.recent_ids import seen
from engine.kernels.row import VERSION
from engine.kernels.session import apply_to_session
from engine.kernels.windows import RINGS, counting
from engine.kernels.wire import FIRST_CONTACT_KIND, Kind

# what became of an event
BAD, APPLIED, DUPLICATE = 0, 1, 2
NOTED = 3  # it says something of the customer, and changes no row

count_in_windows = counting(RINGS)


@kernel
def apply(row, event):
    """Change `row` (one `ROW`) by `event` (one `decode.COLUMNS` record). Late events add, and reset nothing."""
    at = event.at
    row.version = VERSION
    if row.first_at == 0 or at < row.first_at:
        row.first_at = at
    row.last_at = max(row.last_at, at)
    row.events += 1
    count_in_windows(row, at)
    apply_to_session(row, event)
    apply_provenance(row, event)
    if event.kind == Kind.CART_ADDED or event.kind == Kind.CART_REMOVED:
        apply_to_cart(row, event)
    elif event.kind == Kind.ORDER_COMPLETED:
        apply_order(row, event)
    elif event.kind >= FIRST_CONTACT_KIND:
        apply_contact(row, event.kind, at)
    remember(row, event)


@kernel
def advance(rows, slots, events, start, rules, scratch, outcomes, activations):
    """Apply ``events[start:]`` in order, each to ``rows[slots[i]]``.

    ``rows`` (`ROW`, capacity), ``slots`` (int32, N), ``events`` (`decode.COLUMNS`, N), ``rules`` and ``scratch``
    (`evaluate.Rules`, `evaluate.Scratch`; `engine.stream.evaluator` makes both), ``outcomes`` (uint8, N) gets BAD,
    APPLIED, DUPLICATE or NOTED, ``activations`` (`evaluate.ACTIVATION`, M) what became active, in order. Returns
    (next event, activations written): call again from the next event on when it is below N, which happens when
    `activations` is full.
    """
    activated = 0
    for i in range(start, events.shape[0]):
        if not has_room(activations, activated, rules):
            return i, activated
        event = events[i]
        outcomes[i] = BAD
        if event.status != OK:
            continue
        if event.kind == Kind.TRAITS_SET:
            outcomes[i] = NOTED
            continue
        row = rows[slots[i]]
        if is_forgotten(row, event):  # before all else: what was deleted knows no ids either
            activated = evaluate_silence(
                row, slots[i], row.last_at + FORGOTTEN_AFTER_MS + 1, rules, scratch, activations, activated
            )
            forget(rows, slots[i])
        if seen(row, event.id):
            outcomes[i] = DUPLICATE
            continue
        activated = evaluate_silence(row, slots[i], event.at, rules, scratch, activations, activated)
        evaluated = row.last_at + np.int64(row.silence_ms)
        apply(row, event)
        # never before a moment that was evaluated: what is active since then would end, and be activated again
        now = max(row.last_at, evaluated)
        activated = evaluate(
            row, slots[i], i, now, event.received_at, event.signed != 0, rules, scratch, activations, activated
        )
        outcomes[i] = APPLIED
    return events.shape[0], activated


@kernel
def fire(rows, slots, start, until, rules, scratch, activations):
    """Evaluate the silence of ``rows[slots[start:]]`` up to `until`; returns as `advance` does."""
    activated = 0
    for i in range(start, slots.shape[0]):
        if not has_room(activations, activated, rules):
            return i, activated
        activated = evaluate_silence(rows[slots[i]], slots[i], until, rules, scratch, activations, activated)
    return slots.shape[0], activated


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
