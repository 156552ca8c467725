"""What follows from the state of each contact: whether it goes on, when it began, how long it waited.

A contact goes on until it ends, is abandoned or is wrapped up; what shows that it goes on after that opens it
again. Without an end it is closed `CLOSED_AFTER_MS` after it was last heard of, by its channel. Of contacts
without an id each end closes the one that began last of those that are open: like brackets. One whose id is not
known, because a row of version 1 had none, is also closed by the end of a contact whose start is not known.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.groups import contact as of
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
            if not started and _end(row, place) != 0:
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
    end = _end(row, place)
    return (ended >> place & 1) != 0 or (end != 0 and row.contact_latest[place, of.WENT_ON] <= end)


@kernel
def _end(row, place):
    """When it ended or was wrapped up, the latest of it (epoch ms; 0: it did not)."""
    return max(row.contact_latest[place, of.ENDED], row.contact_first[place, of.WRAPPED_UP])


@kernel
def goes_on(row, place, now, ended):
    """Whether it does at `now`; ``ended`` is what `ended_by_others` found."""
    if row.contact_latest[place, of.WENT_ON] == 0 or is_over(row, place, ended):
        return False
    return now <= closes_at(row, place)


@kernel
def begun_at(row, place):
    """When it began, as far as is known; 0: it is not known to have begun."""
    begun = np.int64(0)
    for milestone in range(of.STARTED, of.CONNECTED + 1):
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


@kernel
def waits_since(row, place):
    """Since when it waits for an agent, the first or, after a transfer, another; 0: it does not."""
    if row.contact_latest[place, of.QUEUED_AGAIN] <= row.contact_latest[place, of.CONNECTED_AGAIN]:
        return np.int64(0)
    if row.contact_first[place, of.CONNECTED] == 0:
        return row.contact_first[place, of.QUEUED]
    return row.contact_latest[place, of.QUEUED_AGAIN]


@kernel
def wait_of(row, place):
    """How long the contact at `place` waited for its first agent, or until it was over (ms); -1: it did not wait,
    or nobody knows until when."""
    queued = row.contact_first[place, of.QUEUED]
    until = row.contact_first[place, of.CONNECTED]
    if until == 0:
        until = row.contact_first[place, of.ABANDONED]
    if until == 0:
        until = row.contact_latest[place, of.ENDED]
    return until - queued if queued != 0 and until >= queued else np.int64(-1)
