"""The stream's one compiled call: a batch of events of one partition onto their customers' rows, row by row, and
each row's events in order.

Indicators are evaluated after every event and at every moment of silence at which a threshold is crossed,
in event time, so the result depends on the order of a customer's events alone: not on how they were
batched, nor on when the worker's timers ran, as long as no event comes in after a silence that it would
have ended was evaluated (timers wait for `lateness_ms` before they do).
"""

from __future__ import annotations

from engine.kernels.decode import COLUMNS, OK
from engine.kernels.evaluate import evaluate, evaluate_silence, has_room
from engine.kernels.forgetting import FORGOTTEN_AFTER_MS, forget, is_forgotten
from engine.kernels.groups.message_id import is_known, keep
from engine.kernels.jit import kernel, scalar
from engine.kernels.prefetch import LINE, prefetch
from engine.kernels.row import ROW_BYTES, apply
from engine.kernels.wire import FIRST_INSTRUCTION_KIND, Kind

EVENTS_AHEAD = 4  # of which the memory is asked for; of a row, one
_EVENT_BYTES = COLUMNS.itemsize

# what became of an event
BAD, APPLIED, DUPLICATE = 0, 1, 2
NOTED = 3  # it is done beside the rows, and changes none


@kernel
def _ask_ahead(rows, slots, events, order, turn):
    """Let the memory of what comes next be read while the present event is worked on."""
    if turn + EVENTS_AHEAD < order.shape[0]:
        for byte in range(0, _EVENT_BYTES, LINE):
            prefetch(events, order[turn + EVENTS_AHEAD], byte)
    if turn + 1 < order.shape[0] and slots[order[turn + 1]] != slots[order[turn]]:
        for byte in range(0, ROW_BYTES, LINE):
            prefetch(rows, slots[order[turn + 1]], byte)


@scalar
def advance(rows, slots, events, order, start, data, rules, scratch, outcomes, activations, causes):
    """Apply ``events[order[start:]]``, each to the row of its slot.

    ``rows`` (`ROW`, capacity), ``slots`` (int32, N), ``events`` (`decode.COLUMNS`, N) and ``data`` (uint8), which
    these point into, ``order`` (int32, N), their places, those of one row as they came (`row_order`); ``rules``
    and ``scratch`` (`evaluate.Rules`, `evaluate.Scratch`; `engine.stream.evaluator` makes both). ``outcomes``
    (uint8, N) gets BAD, APPLIED, DUPLICATE or NOTED, ``activations`` (`evaluate.ACTIVATION`, M) what became
    active, and ``causes`` (int32, M) the places of the events at which it did. Returns (next in order, activations
    written): call again from there on when it is below N, which happens when `activations` is full.
    """
    activated = 0
    for turn in range(start, order.shape[0]):
        _ask_ahead(rows, slots, events, order, turn)
        i, first = order[turn], activated
        event = events[i]
        outcomes[i] = BAD
        if event.status != OK:
            continue
        if event.kind >= FIRST_INSTRUCTION_KIND:
            outcomes[i] = NOTED
            continue
        row = rows[slots[i]]
        forgotten = is_forgotten(row, event)  # before all else: what was deleted knows no ids either
        if not forgotten and is_known(row, event.id):  # a repeat changes nothing, and ends no silence
            outcomes[i] = DUPLICATE
            continue
        until = row.life_last_at + FORGOTTEN_AFTER_MS + 1 if forgotten else event.at
        activated, whole = evaluate_silence(row, slots[i], until, rules, scratch, activations, activated)
        _caused(causes, first, activated, i)
        if not whole or not has_room(activations, activated, rules):
            return turn, activated
        if forgotten:
            forget(rows, slots[i])
        keep(row, event.id)
        evaluated = row.life_last_at + row.silence_ms
        apply(row, event, scratch.row[0], data)
        # never before a moment that was evaluated: what is active since then would end, and be activated again
        now = max(row.life_last_at, evaluated)
        if event.kind == Kind.TRAITS_SET:  # no event of the customer's: their silence goes on until it was said
            now = max(now, event.at)
        activated = evaluate(
            row, slots[i], i, now, event.received_at, event.signed != 0, rules, scratch, activations, activated
        )
        outcomes[i] = APPLIED
        _caused(causes, first, activated, i)
    return order.shape[0], activated


@kernel
def _caused(causes, first, activated, i):
    for k in range(first, activated):
        causes[k] = i


@scalar
def fire(rows, slots, start, until, rules, scratch, activations):
    """Evaluate the silence of ``rows[slots[start:]]`` up to `until`; returns as `advance` does."""
    activated = 0
    for i in range(start, slots.shape[0]):
        activated, whole = evaluate_silence(
            rows[slots[i]], slots[i], until, rules, scratch, activations, activated
        )
        if not whole:
            return i, activated
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
