"""What is kept of one contact, at its place in a row: a lattice.

Of two rows' entries of one contact each milestone keeps the earlier time, what recurs the later, and of each thing
that is said of it the word said last stays; counts are sums.

A contact's reason is why they called: the word of what shows it coming in, or of a callback asked for. Its outcome
is what it came to: the word of an end, a wrap-up or an outcome. The *queue* and the *agent* are whom it is with
from that event on, so events by which it does not go on name none: an agent who wraps up has handed it on, or is
done. Of one moment, the queue that it came into and the agent who was connected count: what other events name
counts as if it had been said a millisecond before.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.contact_starts import LAST_CONTACT_KIND
from engine.kernels.jit import kernel
from engine.kernels.wire import FIRST_CONTACT_KIND, ContactChannel, Kind

KEPT = 4

#: Milestones, by place in ``contact_first``: the earliest time of each kind of event (`LEFT`: of either end),
#: but of two the latest; 0: none. Rows that were kept before wrap-ups were counted have the earliest of all, and a
#: hold's in place of `LEFT`: no wait ends there, but wrap-ups alone do not close such a contact.
STARTED, IN_IVR, QUEUED, CONNECTED, LEFT, TRANSFERRED, WRAPPED_UP, ABANDONED, CALLBACK = range(9)
MILESTONES = 9
IS_LATEST = np.isin(np.arange(MILESTONES), [WRAPPED_UP, CALLBACK])

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
    Kind.CONTACT_TRANSFERRED: TRANSFERRED,
    Kind.CONTACT_WRAPPED_UP: WRAPPED_UP,
    Kind.CONTACT_ABANDONED: ABANDONED,
    Kind.CALLBACK_ASKED: CALLBACK,
}
_SHOWN = (Kind.CONTACT_STARTED, Kind.CONTACT_IN_IVR, Kind.CONTACT_QUEUED, Kind.CONTACT_CONNECTED)
_CODES = range(FIRST_CONTACT_KIND, LAST_CONTACT_KIND + 1)
#: By code less `FIRST_CONTACT_KIND`: the milestone (-1: none), and whether a contact goes on by it.
MILESTONE = np.array([_MILESTONE_OF.get(Kind(code), -1) for code in _CODES], np.int8)
GOES_ON = np.isin(_CODES, [*_SHOWN, Kind.CONTACT_HELD, Kind.CONTACT_TRANSFERRED])

_COMES_TO = (Kind.CONTACT_ENDED, Kind.CONTACT_ABANDONED, Kind.CONTACT_WRAPPED_UP, Kind.CONTACT_OUTCOME)
_ASKS = (*_SHOWN, Kind.CALLBACK_ASKED)
#: What its word says (-1: nothing that is kept).
WORD_OF = np.array([OUTCOME if code in _COMES_TO else REASON if code in _ASKS else -1 for code in _CODES], np.int8)

#: By kind, channel (bool, 256 x channels): whether an event is about a contact; what became of an e-mail is not.
IS_ABOUT = np.zeros((256, len(ContactChannel)), np.bool_)
IS_ABOUT[FIRST_CONTACT_KIND : LAST_CONTACT_KIND + 1] = True
IS_ABOUT[Kind.CONTACT_OUTCOME, ContactChannel.EMAIL] = False

UNKNOWN = 2
MOST_TRANSFERS = 255
MOST_COUNTED, _UPPER_HALF = 15, 4
ONE_WRAP_UP, ONE_CONNECTION = 1, 1 << _UPPER_HALF
NO_WORD = np.uint64(0)


@kernel
def add_event(row, place, event, kind, ends):
    """Add an event of `kind`; `ends`: it is an end."""
    at, code = event.at, kind - FIRST_CONTACT_KIND
    if MILESTONE[code] >= 0:
        _reached(row, place, MILESTONE[code], at)
    _latest(row, place, HEARD, at)
    if GOES_ON[code]:
        _latest(row, place, WENT_ON, at)
        _say_word(row, place, QUEUE, at - (kind != Kind.CONTACT_QUEUED), event.contact_queue)
        _say_word(row, place, AGENT, at - (kind != Kind.CONTACT_CONNECTED), event.contact_agent)
    if ends:
        _reached(row, place, LEFT, at)
        _latest(row, place, ENDED, at)
    elif kind == Kind.CONTACT_QUEUED:
        _latest(row, place, QUEUED_AGAIN, at)
    elif kind == Kind.CONTACT_CONNECTED:
        _latest(row, place, CONNECTED_AGAIN, at)
        _add_counts(row, place, ONE_CONNECTION)
    elif kind == Kind.CONTACT_WRAPPED_UP:
        _add_counts(row, place, ONE_WRAP_UP)
    elif kind == Kind.CONTACT_TRANSFERRED:
        _add_transfers(row, place, 1)
    elif kind == Kind.CONTACT_SURVEYED:
        _say(row, place, SCORE, at, np.uint64(np.floor(event.value * 100.0 + 0.5)))
    row.contact_channel[place] = max(row.contact_channel[place], event.contact_channel)
    if WORD_OF[code] >= 0:
        _say_word(row, place, WORD_OF[code], at, event.contact_reason)


@kernel
def add_entry(into, place, other, i):
    """Add what another row knows of the same contact."""
    for milestone in range(MILESTONES):
        if other.contact_first[i, milestone] != 0:
            _reached(into, place, milestone, other.contact_first[i, milestone])
    for of in range(LATEST):
        _latest(into, place, of, other.contact_latest[i, of])
    for of in range(SAID):
        _say(into, place, of, other.contact_said_at[i, of], other.contact_said[i, of])
    _add_transfers(into, place, np.int64(other.contact_transfers[i]))
    _add_counts(into, place, np.int64(other.contact_counts[i]))
    into.contact_channel[place] = max(into.contact_channel[place], other.contact_channel[i])
    into.contact_nameless[place] |= other.contact_nameless[i]


@kernel
def wrap_ups(row, place):
    """How many agents wrapped up the contact at `place`; rows of before this was counted know of one."""
    any_ = np.int64(row.contact_first[place, WRAPPED_UP] != 0)
    return max(np.int64(row.contact_counts[place]) & MOST_COUNTED, any_)


@kernel
def connections(row, place):
    """How often it was connected with an agent."""
    any_ = np.int64(row.contact_first[place, CONNECTED] != 0)
    return max(np.int64(row.contact_counts[place]) >> _UPPER_HALF, any_)


@kernel
def _reached(row, place, milestone, at):
    known = row.contact_first[place, milestone]
    if known == 0 or (at > known if IS_LATEST[milestone] else at < known):
        row.contact_first[place, milestone] = at


@kernel
def _latest(row, place, of, at):
    row.contact_latest[place, of] = max(row.contact_latest[place, of], at)


@kernel
def _add_transfers(row, place, count):
    row.contact_transfers[place] = min(np.int64(row.contact_transfers[place]) + count, MOST_TRANSFERS)


@kernel
def _add_counts(row, place, counts):
    known = np.int64(row.contact_counts[place])
    wraps = min((known & MOST_COUNTED) + (counts & MOST_COUNTED), MOST_COUNTED)
    connected = min((known >> _UPPER_HALF) + (counts >> _UPPER_HALF), MOST_COUNTED)
    row.contact_counts[place] = connected << _UPPER_HALF | wraps


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
def clear(row, place):
    for i in range(MILESTONES):
        row.contact_first[place, i] = 0
    for i in range(LATEST):
        row.contact_latest[place, i] = 0
    for i in range(SAID):
        row.contact_said_at[place, i] = 0
        row.contact_said[place, i] = 0
    row.contact_transfers[place] = row.contact_channel[place] = 0
    row.contact_nameless[place] = row.contact_counts[place] = 0


@kernel
def swap(row, a, b):
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
    row.contact_counts[a], row.contact_counts[b] = row.contact_counts[b], row.contact_counts[a]
