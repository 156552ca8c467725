"""How long a contact waits for an agent, the first or, once it was handed on, another.

Of queues, connections and ends a row knows the first and the last. So the first and the last wait are exact, but
where a contact was queued more than once within a later wait: then it counts from when it was queued last. Nothing
is said of a wait that the last connection may have ended, or one before it. Where a contact is said to have been
with an agent before it was ever queued, and was not transferred, clocks may disagree: that it ended makes no wait.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.groups import contact_entry as of
from engine.kernels.groups.contact_state import end_of
from engine.kernels.jit import kernel


@kernel
def waits_since(row, place):
    """Since when it waits, had it not ended (epoch ms); 0: it does not."""
    again = row.contact_latest[place, of.QUEUED_AGAIN]
    if again <= row.contact_latest[place, of.CONNECTED_AGAIN]:
        return np.int64(0)
    first = row.contact_first[place, of.QUEUED]
    if row.contact_first[place, of.CONNECTED] == 0 and end_of(row, place) < first:
        return first
    return again


@kernel
def wait_of(row, place):
    """The longest wait that is over (ms); -1: there was none, or nobody knows until when."""
    first, again = row.contact_first[place, of.QUEUED], row.contact_latest[place, of.QUEUED_AGAIN]
    if first == 0:
        return np.int64(-1)
    wait = _wait(row, place, first)
    return max(wait, _wait(row, place, again)) if wait < 0 or again > first + wait else wait


@kernel
def _wait(row, place, queued):
    """How long the wait was that began at `queued`: until the first that is known to have ended it, an agent or
    that the customer left."""
    first, again = row.contact_first[place, of.CONNECTED], row.contact_latest[place, of.CONNECTED_AGAIN]
    if first < queued <= again and of.connections(row, place) > 2:
        return np.int64(-1)
    left, ended = row.contact_first[place, of.LEFT], row.contact_latest[place, of.ENDED]
    if 0 < first < row.contact_first[place, of.QUEUED] and row.contact_transfers[place] == 0:
        left = ended = np.int64(0)
    until = np.int64(0)
    for at in (first, again, left, ended):
        if at >= queued and (until == 0 or at < until):
            until = at
    return until - queued if until != 0 else np.int64(-1)
