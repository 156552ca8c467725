"""How many sessions two rows have together."""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.activity import is_activity
from engine.kernels.groups.recent import at_of, kept, place_of
from engine.kernels.jit import kernel
from engine.kernels.row_limits import SESSION_GAP_MS


@kernel
def joined_number(into, other):
    """How many sessions two rows have together.

    From the last activity on that left either row the sessions are counted anew, by the recent events of both.
    Those before are taken for different ones; a single event is taken for a part of one that is known.
    """
    within = into.session_started <= other.session_started and other.session_last <= into.session_last
    if within and other.session_number == 1:
        return np.int64(into.session_number)  # the only one of `other` lies within the present one
    start = max(into.recent_left_at, other.recent_left_at)
    own = _begun(into, start)
    others = _begun(other, start)
    before, others_before = np.int64(into.session_number) - own, np.int64(other.session_number) - others
    if into.recent_total == 1 or other.recent_total == 1:
        before = max(before, others_before)
    else:
        before += others_before
    return before + _begun_in_both(into, other, start)


@kernel
def _begun(row, start):
    """How many sessions among the recent events began at `start` or later."""
    count, last = 0, row.recent_left_at
    for rank in range(kept(row)):
        place = place_of(row, rank)
        if is_activity(row.recent_kind[place]):
            at = at_of(row, place)
            count += at >= start and at - last > SESSION_GAP_MS
            last = at
    return count


@kernel
def _begun_in_both(one, other, start):
    """The same of the recent events of two rows together."""
    count, last, i, k = 0, start, 0, 0
    while i < kept(one) or k < kept(other):
        if k == kept(other) or (
            i < kept(one) and at_of(one, place_of(one, i)) <= at_of(other, place_of(other, k))
        ):
            row, place = one, place_of(one, i)
            i += 1
        else:
            row, place = other, place_of(other, k)
            k += 1
        if is_activity(row.recent_kind[place]):
            at = at_of(row, place)
            if at >= start:
                count += at - last > SESSION_GAP_MS
                last = at
    return count
