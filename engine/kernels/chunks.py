"""Where to cut a batch so that one commit does not write too many rows."""

from __future__ import annotations

from engine.kernels.jit import kernel


@kernel
def chunk_end(slots, start, most, stamps):
    """The end of the longest run ``slots[start:end]`` (int32) with at most `most` different slots.

    ``stamps`` (int64, one a slot) must be zeros at first and be handed on from call to call.
    """
    mark = start + 1
    different = 0
    for i in range(start, slots.shape[0]):
        if stamps[slots[i]] < mark:
            if different == most:
                return i
            stamps[slots[i]] = mark
            different += 1
    return slots.shape[0]
