"""The newest 32 events of a customer, in the order in which they happened.

They are the timeline, and kind a session is rebuilt from. A function of the set of events, always: which are kept,
where each lies, and when the newest activity was that had to leave. Events of one millisecond are ordered by kind,
then by what else is kept of them, so that ids are not needed: those that are alike in all of it may change places.

Event number n (from 0, in order of time) lies at place n % `RECENT`. The next one in order is one write; one that
comes late moves those that happened after it.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.entry import Entry
from engine.kernels.groups.activity import is_activity
from engine.kernels.jit import kernel
from engine.kernels.money import hundredths
from engine.kernels.units import SECOND
from engine.kernels.wire import EARLIEST_S

RECENT = 32  # a power of two
_PLACE = RECENT - 1

FIELDS = [
    ("recent_item", "u8", (RECENT,)),
    ("recent_category", "u8", (RECENT,)),
    ("recent_total", "i8"),  # events in all: those kept, and those that had to leave
    ("recent_left_at", "i8"),  # when the newest activity happened that is not kept (epoch ms; 0: none left)
    ("recent_s", "u4", (RECENT,)),  # seconds since EARLIEST_S
    ("recent_value", "u4", (RECENT,)),  # hundredths, the lower 32 bits
    ("recent_ms", "u2", (RECENT,)),  # milliseconds within the second
    ("recent_value_high", "u2", (RECENT,)),  # the bits above: none below 42,949,672.96
    ("recent_kind", "u1", (RECENT,)),
]

ENTRIES = (Entry("customer.events", "", "events ever seen"),)


@kernel
def kept(row):
    """How many events are kept."""
    return min(row.recent_total, RECENT)


@kernel
def place_of(row, rank):
    """Where event `rank` of those kept lies, the oldest is 0."""
    return (row.recent_total - kept(row) + rank) & _PLACE


@kernel
def at_of(row, place):
    """When the event at `place` happened (epoch ms)."""
    return (np.int64(row.recent_s[place]) + EARLIEST_S) * SECOND + np.int64(row.recent_ms[place])


@kernel
def value_of(row, place):
    """Its value in hundredths."""
    return np.int64(row.recent_value_high[place]) << 32 | np.int64(row.recent_value[place])


@kernel
def apply_recent(row, event):
    """Add one `event` (`decode.COLUMNS`), wherever in time it lies."""
    insert(row, event.at, np.int64(event.kind), hundredths(event.value), event.item, event.category)


@kernel
def join_recent(into, other):
    """Add the events of another row."""
    count = kept(other)
    for rank in range(count):
        place = place_of(other, rank)
        value, item, category = value_of(other, place), other.recent_item[place], other.recent_category[place]
        insert(into, at_of(other, place), np.int64(other.recent_kind[place]), value, item, category)
    into.recent_left_at = max(into.recent_left_at, other.recent_left_at)
    _pass_over(into, other.recent_total - count)


@kernel
def read_recent(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    out[index.customer_events] = row.recent_total


@kernel
def is_newest(row, at, kind, value, item, category):
    """Whether an event would follow all that are kept."""
    return row.recent_total == 0 or not _follows(
        row, (row.recent_total - 1) & _PLACE, at, kind, value, item, category
    )


@kernel
def insert(row, at, kind, value, item, category):
    """Put an event where it belongs, in place of the oldest if there are `RECENT`."""
    count, newer = kept(row), 0
    while newer < count and _follows(
        row, (row.recent_total - 1 - newer) & _PLACE, at, kind, value, item, category
    ):
        newer += 1
    if newer == RECENT:
        _leave(row, at, kind)
        _pass_over(row, 1)
        return
    place = row.recent_total & _PLACE
    if count == RECENT:
        _leave(row, at_of(row, place), np.int64(row.recent_kind[place]))
    row.recent_total += 1
    for _ in range(newer):
        _copy(row, (place - 1) & _PLACE, place)
        place = (place - 1) & _PLACE
    row.recent_s[place] = at // SECOND - EARLIEST_S
    row.recent_ms[place] = at % SECOND
    row.recent_kind[place] = kind
    row.recent_value[place] = value & 0xFFFFFFFF
    row.recent_value_high[place] = value >> 32
    row.recent_item[place] = item
    row.recent_category[place] = category


@kernel
def _follows(row, place, at, kind, value, item, category):
    """Whether the event at `place` comes after another."""
    own = at_of(row, place)
    if own != at:
        return own > at
    if row.recent_kind[place] != kind:
        return row.recent_kind[place] > kind
    if value_of(row, place) != value:
        return value_of(row, place) > value
    if row.recent_item[place] != item:
        return row.recent_item[place] > item
    return row.recent_category[place] > category


@kernel
def _leave(row, at, kind):
    """An event that is not kept, or no longer."""
    if is_activity(kind):
        row.recent_left_at = max(row.recent_left_at, at)


@kernel
def _copy(row, source, place):
    row.recent_s[place] = row.recent_s[source]
    row.recent_ms[place] = row.recent_ms[source]
    row.recent_kind[place] = row.recent_kind[source]
    row.recent_value[place] = row.recent_value[source]
    row.recent_value_high[place] = row.recent_value_high[source]
    row.recent_item[place] = row.recent_item[source]
    row.recent_category[place] = row.recent_category[source]


@kernel
def _pass_over(row, events):
    """Count events that are older than all of the `RECENT` that are kept: each of these has a number more."""
    row.recent_total += events
    for _ in range(events & _PLACE):
        _turn(row.recent_s)
        _turn(row.recent_ms)
        _turn(row.recent_kind)
        _turn(row.recent_value)
        _turn(row.recent_value_high)
        _turn(row.recent_item)
        _turn(row.recent_category)


@kernel
def _turn(values):
    last = values[_PLACE]
    for place in range(_PLACE, 0, -1):
        values[place] = values[place - 1]
    values[0] = last
