"""Two ids of one customer: one's row is brought up to the link's moment, and joins the other's."""

from __future__ import annotations

from engine.kernels.evaluate import evaluate, evaluate_silence, has_room
from engine.kernels.forgetting import FORGOTTEN_AFTER_MS, forget, is_forgotten
from engine.kernels.jit import scalar
from engine.kernels.provenance import is_signed
from engine.kernels.row import join


@scalar
def merge(rows, slots, links, start, others, rules, scratch, activations):
    """Bring each of ``rows[slots[start:]]`` up to the moment of its link, and add ``others[i]`` to it.

    ``rows`` (`ROW`, capacity), ``slots`` (int32, N), ``links`` (`decode.COLUMNS`, N), ``others`` (`ROW`, N; all of
    it 0: nothing is added, and nothing evaluated then), the rest as of `advance.advance`; returns as that does.
    As an event does, a link ends the silence before it, and finds a row forgotten that was idle for too long.
    """
    activated = 0
    for i in range(start, slots.shape[0]):
        link, row = links[i], rows[slots[i]]
        until = link.at
        forgotten = is_forgotten(row, link)
        if forgotten:
            until = row.life_last_at + FORGOTTEN_AFTER_MS + 1
        activated, whole = evaluate_silence(row, slots[i], until, rules, scratch, activations, activated)
        if not whole or not has_room(activations, activated, rules):
            return i, activated
        if forgotten:
            forget(rows, slots[i])
        if others[i].version == 0:
            continue
        join(row, others[i])
        now = max(row.life_last_at + row.silence_ms, row.window_at)  # orders may have come apart from the events
        if now > 0:
            activated = evaluate(
                row, slots[i], i, now, link.received_at, is_signed(row), rules, scratch, activations, activated
            )
    return slots.shape[0], activated
