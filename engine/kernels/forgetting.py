"""Customers who did nothing for very long: their next event finds a row as of somebody never seen.

How long is measured by when the event came in, as its record has it, and not by when it happened: a late one finds
the row forgotten, too. So a row may be deleted once records are that much newer, and no event shows that it was.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.decode import OK
from engine.kernels.jit import kernel
from engine.kernels.row import ROW
from engine.kernels.units import DAY

#: The longest that a row is kept without an event. It is the age, too, up to which events are taken over HTTP.
FORGOTTEN_AFTER_MS = 400 * DAY

_BLANK = np.zeros(1, ROW)


@kernel
def is_forgotten(row, event):
    """Whether `event` (`decode.COLUMNS`) came in more than `FORGOTTEN_AFTER_MS` after the row's newest.

    A record that claims to be that much newer than its event has no time to go by: its clock is wrong, or it is in
    another unit. Then the event's own counts.
    """
    moment = event.at
    if event.came_in > moment and event.came_in - moment <= FORGOTTEN_AFTER_MS:
        moment = event.came_in
    return row.life_last_at != 0 and moment - row.life_last_at > FORGOTTEN_AFTER_MS


@kernel
def newest_came_in(events):
    """When the newest of `events` (`decode.COLUMNS`) came in (epoch ms), by records with a sensible time; 0: none
    has one."""
    newest = np.int64(0)
    for i in range(events.shape[0]):
        event = events[i]
        if event.status == OK and event.came_in - event.at <= FORGOTTEN_AFTER_MS:
            newest = max(newest, event.came_in)
    return newest


@kernel
def forget(rows, slot):
    """Make ``rows[slot]`` (`ROW`) that of somebody never seen."""
    rows[slot] = _BLANK[0]
