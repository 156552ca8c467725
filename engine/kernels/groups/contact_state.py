"""What follows from the state of each contact: whether it goes on, when it began and ended.

A contact goes on until it ends, is abandoned, or is wrapped up by all who had it; what shows that it goes on after
that opens it again. Without an end it is closed `CLOSED_AFTER_MS` after it was last heard of, by its channel. Of
contacts without an id each end closes the one that began last of those that are open: like brackets. One whose id
is not known, because a row of version 1 had none, is also closed by the end of a contact whose start is not known.

*Who had it* are one agent more than it was handed on: as often as it was transferred, once more if it went on
after its first end, and at least once if it was queued again after an agent had it. So an agent who wraps up after
the next one was connected closes nothing. Bounds: of hand-overs that are not said to be transfers one is known, so
of three agents the wrap-ups of two close it; and where an agent never wraps up, wrap-ups do not close what was
handed on, but its end, or silence.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.groups import contact_entry as of
from engine.kernels.jit import kernel
from engine.kernels.units import DAY, HOUR
from engine.kernels.wire import ContactChannel

#: By `ContactChannel`: the silence after which a contact that nobody ended is held to be over.
CLOSED_AFTER_MS = np.array([DAY, 4 * HOUR, DAY, 7 * DAY, DAY], np.int64)
assert CLOSED_AFTER_MS.shape[0] == max(ContactChannel) + 1


@kernel
def ended_by_others(row):
    """A bit for each contact without an id that the end of another has closed, and for each end without an id."""
    begun = closed = unknown = 0
    for place in range(of.KEPT - 1, -1, -1):  # in the order of time
        started = row.contact_first[place, of.STARTED] != 0
        if row.contact_nameless[place] == 0:
            if not started and end_of(row, place) != 0:
                closed |= unknown
                begun &= ~unknown
            continue
        if started:
            begun |= 1 << place
            unknown |= (row.contact_nameless[place] // of.UNKNOWN) << place
            continue
        closed |= 1 << place
        for last in range(place + 1, of.KEPT):
            if begun >> last & 1:
                begun ^= 1 << last
                closed |= 1 << last
                break
    return closed


@kernel
def closes_at(row, place):
    """When it is held to be over, unless its end comes or something else is heard of it."""
    return row.contact_latest[place, of.HEARD] + CLOSED_AFTER_MS[row.contact_channel[place]]


@kernel
def is_over(row, place, ended):
    """Whether its end is known."""
    end = end_of(row, place)
    return (ended >> place & 1) != 0 or (end != 0 and row.contact_latest[place, of.WENT_ON] <= end)


@kernel
def end_of(row, place):
    """When it ended last, or all who had it had wrapped up (epoch ms; 0: it did not). The end that was stated
    counts, unless something was heard that shows that it went on after that."""
    ended = row.contact_latest[place, of.ENDED]
    if ended != 0 and row.contact_latest[place, of.WENT_ON] <= ended:
        return ended
    if of.wrap_ups(row, place) > _handed_on(row, place):
        return max(ended, row.contact_first[place, of.WRAPPED_UP])
    return ended


@kernel
def is_queued_again(row, place):
    """Whether it was queued after an agent had it."""
    connected = row.contact_first[place, of.CONNECTED]
    return connected != 0 and row.contact_latest[place, of.QUEUED_AGAIN] > connected


@kernel
def _handed_on(row, place):
    """How many agents handed it on, or had it when it ended before. A first transfer before any of them had it is
    none of theirs."""
    times = np.int64(row.contact_transfers[place])
    moved, connected, left = (
        row.contact_first[place, of.TRANSFERRED],
        row.contact_first[place, of.CONNECTED],
        row.contact_first[place, of.LEFT],
    )
    if 0 < moved < connected:
        times -= 1
    if 0 < connected <= left < row.contact_latest[place, of.WENT_ON]:
        times += 1
    return max(times, np.int64(is_queued_again(row, place)))


@kernel
def goes_on(row, place, now, ended):
    """Whether it does at `now`; ``ended`` is what `ended_by_others` found."""
    if row.contact_latest[place, of.WENT_ON] == 0 or is_over(row, place, ended):
        return False
    return now <= closes_at(row, place)


@kernel
def begun_at(row, place):
    """When it began, as far as is known; 0: it is not known to have begun, or is the end of another."""
    begun = row.contact_first[place, of.STARTED]
    if row.contact_nameless[place] != 0:
        return begun
    for milestone in (of.IN_IVR, of.QUEUED, of.CONNECTED, of.ABANDONED):
        at = row.contact_first[place, milestone]
        if at != 0 and (begun == 0 or at < begun):
            begun = at
    return begun if begun != 0 else row.contact_latest[place, of.WENT_ON]


@kernel
def newest_contact(row):
    """The place of the contact that began last; -1: none did."""
    newest = -1
    for place in range(of.KEPT):
        if begun_at(row, place) != 0 and (newest < 0 or begun_at(row, place) > begun_at(row, newest)):
            newest = place
    return newest
