"""A batch's events row by row, since a row lies in the processor's cache only while nothing else is worked on."""

from __future__ import annotations

from engine.kernels.jit import kernel

DIGIT_BITS = 11  # as many counters fit into the first cache
DIGITS = 1 << DIGIT_BITS
_DIGIT = DIGITS - 1


@kernel
def row_order(slots, order, spare, counts):
    """Put the places of ``slots`` (int32, N, none negative) into `order` (int32, N), by slot, those of one slot as
    they came; ``spare`` (int32, N) and ``counts`` (int32, `DIGITS`) are to work with."""
    last = 0
    for i in range(slots.shape[0]):
        order[i] = i
        last = max(last, slots[i])
    shift = 0
    while last >> shift:
        for i in range(slots.shape[0]):
            spare[i] = order[i]
        _count(slots, shift, counts)
        for i in range(slots.shape[0]):
            digit = slots[spare[i]] >> shift & _DIGIT
            order[counts[digit]] = spare[i]
            counts[digit] += 1
        shift += DIGIT_BITS


@kernel
def _count(slots, shift, counts):
    """Where the first of each digit belongs."""
    for digit in range(DIGITS):
        counts[digit] = 0
    for i in range(slots.shape[0]):
        counts[slots[i] >> shift & _DIGIT] += 1
    before = 0
    for digit in range(DIGITS):
        before, counts[digit] = before + counts[digit], before
