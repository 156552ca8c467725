"""Contacts with the contact centre: one lattice a contact, of the newest `KEPT` contacts by their last event.

Of each contact (by the 64-bit hash of its id) every milestone keeps its earliest time, what recurs its latest, and
of each thing that is said of it the word said last stays. All of these are minima and maxima, so neither order nor
repeats matter, and an end that never came is simply not there. Transfers are summed, as repeats of one message
are dropped before. Which contacts are kept, and when each was last heard of, is exact always; a contact that five
or more others drove out, and that is heard of again, begins anew, so its milestones lie at or after the true ones.
How many contacts there were is kept apart (`contact_starts`).

*A contact without an id* (a live chat whose sender names none) is known by the id of the event that began it, and
an end without an id is an entry of its own; `contact_state` says which one it ends. Other events without an id say
nothing of any contact. *What became of an e-mail* (sent, opened, bounced) is no contact: such an outcome is passed
over.

A contact's reason is why they called, its outcome what it came to: the word of an end, a wrap-up or an outcome.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.contact_starts import BEGINS, LAST_CONTACT_KIND, add_start, join_starts
from engine.kernels.groups.contact_starts import FIELDS as STARTS
from engine.kernels.jit import kernel
from engine.kernels.wire import FIRST_CONTACT_KIND, ContactChannel, Kind

KEPT = 4

#: Milestones, by their place in ``contact_first``: the earliest time of each kind of event (0: none).
STARTED, IN_IVR, QUEUED, CONNECTED, HELD, TRANSFERRED, WRAPPED_UP, ABANDONED, CALLBACK = range(9)
MILESTONES = 9

#: Places in ``contact_latest``: of anything at all, of what shows that it goes on, of its end, and of what recurs.
HEARD, WENT_ON, ENDED, QUEUED_AGAIN, CONNECTED_AGAIN = range(5)
LATEST = 5

#: Places in ``contact_said``: 64-bit hashes of words, and hundredths of the survey's score.
QUEUE, AGENT, REASON, OUTCOME, SCORE = range(5)
SAID = 5

_MILESTONE_OF = {
    Kind.CONTACT_STARTED: STARTED,
    Kind.CONTACT_IN_IVR: IN_IVR,
    Kind.CONTACT_QUEUED: QUEUED,
    Kind.CONTACT_CONNECTED: CONNECTED,
    Kind.CONTACT_HELD: HELD,
    Kind.CONTACT_TRANSFERRED: TRANSFERRED,
    Kind.CONTACT_WRAPPED_UP: WRAPPED_UP,
    Kind.CONTACT_ABANDONED: ABANDONED,
    Kind.CALLBACK_ASKED: CALLBACK,
}
_CODES = range(FIRST_CONTACT_KIND, LAST_CONTACT_KIND + 1)
#: By code less `FIRST_CONTACT_KIND`: the milestone (-1: none), and whether a contact goes on by it.
MILESTONE = np.array([_MILESTONE_OF.get(Kind(code), -1) for code in _CODES], np.int8)
GOES_ON = np.array([_MILESTONE_OF.get(Kind(code), MILESTONES) <= TRANSFERRED for code in _CODES])

FIELDS = [
    ("contact_id", "u8", (KEPT,)),  # the newest first; 0: a free place, behind the others
    ("contact_first", "i8", (KEPT, MILESTONES)),
    ("contact_latest", "i8", (KEPT, LATEST)),
    ("contact_said_at", "i8", (KEPT, SAID)),
    ("contact_said", "u8", (KEPT, SAID)),
    *STARTS,
    ("contact_transfers", "u1", (KEPT,)),
    ("contact_channel", "u1", (KEPT,)),
    ("contact_nameless", "u1", (KEPT,)),  # 1: without an id; `UNKNOWN`: a row of version 1 did not have it
    ("contact_spare", "u1", (KEPT,)),
]

UNKNOWN = 2
MOST_TRANSFERS = 255
NO_WORD = np.uint64(0)


@kernel
def apply_contact(row, event):
    """Add one `event` (`decode.COLUMNS`), wherever in time it lies."""
    kind = event.kind
    if kind < FIRST_CONTACT_KIND or kind > LAST_CONTACT_KIND:
        return
    if kind == Kind.CONTACT_OUTCOME and event.contact_channel == ContactChannel.EMAIL:
        return
    ends = kind == Kind.CONTACT_ENDED or kind == Kind.CONTACT_ABANDONED
    nameless = event.contact == NO_WORD
    if nameless and not ends and kind != Kind.CONTACT_STARTED:
        return
    identity = event.id if nameless else event.contact
    if not (nameless and ends) and BEGINS[kind - FIRST_CONTACT_KIND]:
        add_start(row, identity, kind, event.at)
    place = _found(row, identity)
    if place < 0:
        place = _entered(row, identity, event.at)
        if place < 0:
            return
    _add(row, place, event, kind, ends)
    if nameless:
        row.contact_nameless[place] = 1
    _sort(row, place)


@kernel
def join_contact(into, other):
    """Add the contacts of another row: first those that both know, since what only one knows may push them out."""
    both = 0
    for i in range(KEPT):
        place = _found(into, other.contact_id[i])
        if place >= 0:
            both |= 1 << i
            _add_entry(into, place, other, i)
            _sort(into, place)
    for i in range(KEPT):
        identity = other.contact_id[i]
        if identity == 0 or both >> i & 1:
            continue
        place = _entered(into, identity, other.contact_latest[i, HEARD])
        if place >= 0:
            _add_entry(into, place, other, i)
            _sort(into, place)
    join_starts(into, other)


@kernel
def _found(row, identity):
    """The place of a contact; -1 for none, and for the id 0."""
    for place in range(KEPT):
        if identity != 0 and row.contact_id[place] == identity:
            return place
    return -1


@kernel
def _entered(row, identity, at):
    """Give a new contact, heard of at `at`, the last place, or the first that is free; -1: all know newer ones."""
    last = KEPT - 1
    if row.contact_id[last] != 0:
        heard = row.contact_latest[last, HEARD]
        if at < heard or (at == heard and identity < row.contact_id[last]):
            return -1
    place = last
    while place > 0 and row.contact_id[place - 1] == 0:
        place -= 1
    _clear(row, place)
    row.contact_id[place] = identity
    return place


@kernel
def _clear(row, place):
    for i in range(MILESTONES):
        row.contact_first[place, i] = 0
    for i in range(LATEST):
        row.contact_latest[place, i] = 0
    for i in range(SAID):
        row.contact_said_at[place, i] = 0
        row.contact_said[place, i] = 0
    row.contact_transfers[place] = row.contact_channel[place] = row.contact_nameless[place] = 0


@kernel
def _add(row, place, event, kind, ends):
    at, code = event.at, kind - FIRST_CONTACT_KIND
    if MILESTONE[code] >= 0:
        _earliest(row, place, MILESTONE[code], at)
    _latest(row, place, HEARD, at)
    if GOES_ON[code]:
        _latest(row, place, WENT_ON, at)
    if ends:
        _latest(row, place, ENDED, at)
    elif kind == Kind.CONTACT_QUEUED:
        _latest(row, place, QUEUED_AGAIN, at)
    elif kind == Kind.CONTACT_CONNECTED:
        _latest(row, place, CONNECTED_AGAIN, at)
    elif kind == Kind.CONTACT_TRANSFERRED:
        _add_transfers(row, place, 1)
    elif kind == Kind.CONTACT_SURVEYED:
        _say(row, place, SCORE, at, np.uint64(np.floor(event.value * 100.0 + 0.5)))
    row.contact_channel[place] = max(row.contact_channel[place], event.contact_channel)
    _say_word(row, place, QUEUE, at, event.contact_queue)
    _say_word(row, place, AGENT, at, event.contact_agent)
    comes_to = ends or kind == Kind.CONTACT_WRAPPED_UP or kind == Kind.CONTACT_OUTCOME
    _say_word(row, place, OUTCOME if comes_to else REASON, at, event.contact_reason)


@kernel
def _add_entry(into, place, other, i):
    """Add what another row knows of the same contact."""
    for milestone in range(MILESTONES):
        if other.contact_first[i, milestone] != 0:
            _earliest(into, place, milestone, other.contact_first[i, milestone])
    for of in range(LATEST):
        _latest(into, place, of, other.contact_latest[i, of])
    for of in range(SAID):
        _say(into, place, of, other.contact_said_at[i, of], other.contact_said[i, of])
    _add_transfers(into, place, np.int64(other.contact_transfers[i]))
    into.contact_channel[place] = max(into.contact_channel[place], other.contact_channel[i])
    into.contact_nameless[place] |= other.contact_nameless[i]


@kernel
def _earliest(row, place, milestone, at):
    known = row.contact_first[place, milestone]
    if known == 0 or at < known:
        row.contact_first[place, milestone] = at


@kernel
def _latest(row, place, of, at):
    row.contact_latest[place, of] = max(row.contact_latest[place, of], at)


@kernel
def _add_transfers(row, place, count):
    row.contact_transfers[place] = min(np.int64(row.contact_transfers[place]) + count, MOST_TRANSFERS)


@kernel
def _say_word(row, place, of, at, word):
    if word != NO_WORD:
        _say(row, place, of, at, word)


@kernel
def _say(row, place, of, at, value):
    """The later value stays; of two at one moment the greater."""
    known = row.contact_said_at[place, of]
    if at > known or (at == known and value > row.contact_said[place, of]):
        row.contact_said_at[place, of] = at
        row.contact_said[place, of] = value


@kernel
def _sort(row, place):
    """Move the contact at `place`, of which something newer may be known, before those that it is newer than."""
    while place > 0 and _newer(row, place, place - 1):
        _swap(row, place, place - 1)
        place -= 1


@kernel
def _newer(row, one, other):
    at, than = row.contact_latest[one, HEARD], row.contact_latest[other, HEARD]
    return at > than or (at == than and row.contact_id[one] > row.contact_id[other])


@kernel
def _swap(row, a, b):
    row.contact_id[a], row.contact_id[b] = row.contact_id[b], row.contact_id[a]
    for i in range(MILESTONES):
        first = row.contact_first
        first[a, i], first[b, i] = first[b, i], first[a, i]
    for i in range(LATEST):
        latest = row.contact_latest
        latest[a, i], latest[b, i] = latest[b, i], latest[a, i]
    for i in range(SAID):
        at, said = row.contact_said_at, row.contact_said
        at[a, i], at[b, i] = at[b, i], at[a, i]
        said[a, i], said[b, i] = said[b, i], said[a, i]
    transfers, channel, nameless = row.contact_transfers, row.contact_channel, row.contact_nameless
    transfers[a], transfers[b] = transfers[b], transfers[a]
    channel[a], channel[b] = channel[b], channel[a]
    nameless[a], nameless[b] = nameless[b], nameless[a]
