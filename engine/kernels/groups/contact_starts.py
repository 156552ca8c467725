"""When the newest `STARTS` contacts began, for counts of contacts within the last days.

A start is one word: milliseconds since `EARLIEST_MS` (42 bits, in 2136 still enough), 20 bits of the contact's
hash, and two flags; so starts are sorted by comparing words. A contact begins with the earliest of its events that
show it coming in; the first flag says that its start is among them, the second that it was abandoned. Counts
within a window are exact as long as no more than `STARTS` contacts came in within it.

What falls out is counted by its flags, in ``contact_starts_before`` and ``contact_abandoned_before``: exact when
each contact has one event of a kind, whatever the order. A contact whose start nobody reported is counted while it
is among the newest. (Two of 12 contacts share their 20 bits in 1 of 16,000 customers with so many.)
"""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel
from engine.kernels.row_limits import U4_MAX
from engine.kernels.wire import EARLIEST_MS, FIRST_CONTACT_KIND, Kind

STARTS = 12

FIELDS = [
    ("contact_starts", "u8", (STARTS,)),  # the newest first; 0: a free place
    ("contact_starts_before", "u4"),
    ("contact_abandoned_before", "u4"),
]

LAST_CONTACT_KIND = int(Kind.CONTACT_SURVEYED)

_BEGIN = (
    Kind.CONTACT_STARTED,
    Kind.CONTACT_IN_IVR,
    Kind.CONTACT_QUEUED,
    Kind.CONTACT_CONNECTED,
    Kind.CONTACT_ABANDONED,
)
#: By code less `FIRST_CONTACT_KIND`: whether an event of the kind shows a contact coming in.
BEGINS = np.isin(np.arange(FIRST_CONTACT_KIND, LAST_CONTACT_KIND + 1), _BEGIN)

_BEGUN, _LEFT = np.uint64(1), np.uint64(2)  # flags
_FLAG_BITS, _TIME_BIT, _TAG_BIT = np.uint64(3), np.uint64(22), np.uint64(44)
_TAG_BITS = np.uint64(2**22 - 4)


@kernel
def add_start(row, identity, kind, at):
    """Add an event, of a kind that `BEGINS`, of the contact `identity` (64-bit hash)."""
    flags = np.uint64(0)
    if kind == Kind.CONTACT_STARTED:
        flags = _BEGUN
    elif kind == Kind.CONTACT_ABANDONED:
        flags = _LEFT
    tag = (identity >> _TAG_BIT) << np.uint64(2)
    _add(row, np.uint64(at - EARLIEST_MS + 1) << _TIME_BIT | tag | flags)


@kernel
def join_starts(into, other):
    """Add the starts of another row: first of contacts that both know."""
    both = 0
    for i in range(STARTS):
        word = other.contact_starts[i]
        if word != 0 and _place(into, word) >= 0:
            both |= 1 << i
            _add(into, word)
    for i in range(STARTS):
        word = other.contact_starts[i]
        if word != 0 and not both >> i & 1:
            _add(into, word)
    _count(into, other.contact_starts_before, other.contact_abandoned_before)


@kernel
def start_at(word):
    """When it began (epoch ms)."""
    return np.int64(word >> _TIME_BIT) - 1 + EARLIEST_MS


@kernel
def was_abandoned(word):
    """Whether the contact was."""
    return word & _LEFT != 0


@kernel
def _place(row, word):
    """The place of the contact of `word`; -1 for none."""
    for place in range(STARTS):
        known = row.contact_starts[place]
        if known != 0 and known & _TAG_BITS == word & _TAG_BITS:
            return place
    return -1


@kernel
def _add(row, word):
    place = _place(row, word)
    if place >= 0:
        known = row.contact_starts[place]
        earlier = min(known >> _TIME_BIT, word >> _TIME_BIT) << _TIME_BIT
        word = earlier | known & _TAG_BITS | (known | word) & _FLAG_BITS
    else:
        place = STARTS - 1
        fallen = row.contact_starts[place]
        if fallen > word:
            fallen, word = word, fallen
        _count(row, fallen & _BEGUN, (fallen & _LEFT) >> np.uint64(1))
    _put(row, place, word)


@kernel
def _put(row, place, word):
    """Write `word` in place of the one at `place`, and move it where it belongs."""
    starts = row.contact_starts
    while place > 0 and starts[place - 1] < word:
        starts[place] = starts[place - 1]
        place -= 1
    while place < STARTS - 1 and starts[place + 1] > word:
        starts[place] = starts[place + 1]
        place += 1
    starts[place] = word


@kernel
def _count(row, begun, left):
    row.contact_starts_before = min(np.int64(row.contact_starts_before) + np.int64(begun), U4_MAX)
    row.contact_abandoned_before = min(np.int64(row.contact_abandoned_before) + np.int64(left), U4_MAX)
