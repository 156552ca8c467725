"""Contacts with the contact centre: one lattice a contact, of the newest `KEPT` contacts by their last event.

Of each contact (by the 64-bit hash of its id) every milestone keeps its earliest time, what recurs its latest, and
of each thing that is said of it the word said last stays. All of these are minima and maxima, so neither order nor
repeats matter, and an end that never came is simply not there. Transfers, wrap-ups and connections are summed, as
repeats of one message are dropped before. Which contacts are kept, and when each was last heard of, is exact
always; a contact that five or more others drove out, and that is heard of again, begins anew, so its milestones
lie at or after the true ones. How many contacts there were is kept apart (`contact_starts`).

*A contact without an id* (a live chat whose sender names none) is known by the id of the event that began it, and
an end without an id is an entry of its own; `contact_state` says which one it ends. Other events without an id say
nothing of any contact. *What became of an e-mail* (sent, opened, bounced) is no contact: an outcome by that
channel is passed over, whatever else has the same id.
"""

from __future__ import annotations

from engine.kernels.groups.contact_entry import (
    HEARD,
    IS_ABOUT,
    KEPT,
    LATEST,
    MILESTONES,
    NO_WORD,
    SAID,
    add_entry,
    add_event,
    clear,
    swap,
)
from engine.kernels.groups.contact_starts import BEGINS, add_start, join_starts
from engine.kernels.groups.contact_starts import FIELDS as STARTS
from engine.kernels.jit import kernel
from engine.kernels.wire import FIRST_CONTACT_KIND, Kind

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
    (
        "contact_counts",
        "u1",
        (KEPT,),
    ),  # wrap-ups, connections in the upper half: `MOST_COUNTED` of each at most
]


@kernel
def apply_contact(row, event):
    """Add one `event` (`decode.COLUMNS`), wherever in time it lies."""
    kind = event.kind
    if not IS_ABOUT[kind, event.contact_channel]:
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
    add_event(row, place, event, kind, ends)
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
            add_entry(into, place, other, i)
            _sort(into, place)
    for i in range(KEPT):
        identity = other.contact_id[i]
        if identity == 0 or both >> i & 1:
            continue
        place = _entered(into, identity, other.contact_latest[i, HEARD])
        if place >= 0:
            add_entry(into, place, other, i)
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
    clear(row, place)
    row.contact_id[place] = identity
    return place


@kernel
def _sort(row, place):
    """Move the contact at `place`, of which something newer may be known, before those that it is newer than."""
    while place > 0 and _newer(row, place, place - 1):
        swap(row, place, place - 1)
        place -= 1


@kernel
def _newer(row, one, other):
    at, than = row.contact_latest[one, HEARD], row.contact_latest[other, HEARD]
    return at > than or (at == than and row.contact_id[one] > row.contact_id[other])
