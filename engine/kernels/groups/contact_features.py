"""Features of contacts: who waits now and since when, what became of the last ones, and whether one calls again.

A contact that nobody ends is closed some time after it was last heard of (`contact_state`): until then
``contact.quiet_seconds`` grows, and nothing has to be written when the time is over. `contact_due` is when a value
changes next without an event.

`read_contact` needs the fields of `groups.recent`, and one of `groups.session`: ``session_struggled_at``, when the
customer last struggled on the website in the present session, or the last one. What they did since may have moved
it, so a struggle before a call is also looked for among the recent events.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from engine.kernels.entry import Entry
from engine.kernels.groups import contact_entry as of
from engine.kernels.groups.contact_starts import STARTS, start_at, was_abandoned
from engine.kernels.groups.contact_state import (
    begun_at,
    closes_at,
    end_of,
    ended_by_others,
    goes_on,
    is_queued_again,
    newest_contact,
)
from engine.kernels.groups.contact_waits import wait_of, waits_since
from engine.kernels.groups.struggle import struggled_between
from engine.kernels.jit import kernel
from engine.kernels.units import DAY, HOUR, MINUTE, SECOND
from engine.kernels.wire import ContactChannel

HOP_MS = 30 * MINUTE  # from a struggle on the website to a call
SAME_REASON_MS = 30 * DAY  # between the starts of two contacts
RECENT_MS, WEEK_MS = DAY, 7 * DAY

WORD = "word"  # the unit of a feature that is a word: a number for each

ENTRIES = (
    Entry("contact.count", "", "contacts with the contact centre"),
    Entry("contact.count_24h", "", f"contacts that began in the last 24 hours (exact up to {STARTS})"),
    Entry("contact.count_7d", "", f"contacts that began in the last 7 days (exact up to {STARTS})"),
    Entry("contact.open", "", f"contacts that are going on, of the newest {of.KEPT}"),
    Entry("contact.hours_since", "h", "time since the last contact began or ended", HOUR),
    Entry("contact.hours_between", "h", "time between the starts of the last two contacts"),
    Entry("contact.quiet_seconds", "s", "time since anything was heard of the contact that goes on", SECOND),
    Entry("contact.waiting", "", "contacts that wait for an agent now"),
    Entry("contact.waiting_seconds", "s", "how long the one that waits has been waiting", SECOND),
    Entry("contact.longest_wait", "s", f"longest wait that is over, of the newest {of.KEPT} contacts"),
    Entry("contact.abandoned", "", "contacts that were abandoned: given up while waiting, for whichever agent"),
    Entry("contact.abandoned_7d", "", "contacts of the last 7 days that were abandoned"),
    Entry("contact.same_reason", "", "earlier contacts with the reason of the newest one, within 30 days"),
    Entry("contact.transfers", "", "times that the newest contact was transferred"),
    Entry("contact.channel_hop", "", "1 when the newest contact is a call within 30 min of a struggle on the web"),
    Entry("contact.last_outcome", WORD, "what a contact came to, as it was said last"),
    Entry("contact.last_survey", "", "score of the last survey"),
    Entry(
        "contact.unresolved", "", "1 when the newest contact came to nothing: no agent after waiting, or said so"
    ),
    Entry("contact.callback_asked", "", "1 when a callback was asked for, and nobody has spoken to them since"),
    Entry("contact.callback_hours", "h", "time since that callback was asked for last", HOUR),
    Entry("contact.agent_now", WORD, "the agent who has the contact that goes on; none while it waits"),
    Entry("contact.queue_now", WORD, "the queue of the contact that goes on"),
)

#: The places of `ENTRIES`, where they stand alone.
INDEX: Any = namedtuple("ContactIndex", [entry.name.replace(".", "_") for entry in ENTRIES])(*range(len(ENTRIES)))


#: Outcomes that say of themselves whether something came of it: the hashes of unresolved, Unresolved, UNRESOLVED,
#: and of resolved, Resolved, RESOLVED. Written, because an import that hashes starts the compiler.
UNRESOLVED = np.array([0x152B85F97C792D9B, 0x7AE36A59CDD0C6EB, 0x097DE04F80BEF2F6], np.uint64)
RESOLVED = np.array([0x4470DF01FB1DF8C3, 0x40BE22336EC5A153, 0x9F11119DE4E2649C], np.uint64)

_WORD_SHIFT = np.uint64(11)


@kernel
def word_value(word):
    """A 64-bit hash as the value of a feature: its upper 53 bits, which a float64 holds; NaN for no word."""
    return np.float64(word >> _WORD_SHIFT) if word != 0 else np.nan


@kernel
def read_contact(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    if row.contact_id[0] == 0 and row.contact_starts[0] == 0:  # most customers never had one
        _read_none(out, index)
        return
    ended = ended_by_others(row)
    _read_counts(row, now, out, index)
    _read_open(row, now, ended, out, index)
    _read_said(row, out, index)
    _read_callback(row, now, out, index)
    out[index.contact_longest_wait] = _longest_wait(row)
    newest = newest_contact(row)
    out[index.contact_transfers] = row.contact_transfers[newest] if newest >= 0 else 0
    out[index.contact_same_reason] = _same_reason(row, newest)
    out[index.contact_channel_hop] = _is_hop(row, newest)
    out[index.contact_unresolved] = _is_unresolved(row, newest, now, ended)


@kernel
def _read_none(out, index):
    out[index.contact_count] = out[index.contact_count_24h] = out[index.contact_count_7d] = 0.0
    out[index.contact_open] = out[index.contact_waiting] = out[index.contact_transfers] = 0.0
    out[index.contact_abandoned] = out[index.contact_abandoned_7d] = out[index.contact_same_reason] = 0.0
    out[index.contact_channel_hop] = out[index.contact_unresolved] = out[index.contact_callback_asked] = 0.0
    out[index.contact_hours_since] = out[index.contact_hours_between] = out[index.contact_quiet_seconds] = np.nan
    out[index.contact_waiting_seconds] = out[index.contact_longest_wait] = out[index.contact_last_outcome] = np.nan
    out[index.contact_last_survey] = out[index.contact_callback_hours] = np.nan
    out[index.contact_agent_now] = out[index.contact_queue_now] = np.nan


@kernel
def contact_due(row, now):
    """When a feature changes next without an event, other than by growing (epoch ms, after `now`); 0: never. That
    is when a contact is closed without an end, or its start leaves a window."""
    due = np.int64(0)
    if row.contact_id[0] == 0 and row.contact_starts[0] == 0:
        return due
    ended = ended_by_others(row)
    for place in range(of.KEPT):
        if row.contact_id[place] != 0 and goes_on(row, place, now, ended):
            due = _sooner(due, closes_at(row, place) + 1, now)
    for place in range(STARTS):
        if row.contact_starts[place] != 0:
            at = start_at(row.contact_starts[place])
            due = _sooner(_sooner(due, at + RECENT_MS, now), at + WEEK_MS, now)
    return due


@kernel
def _sooner(due, at, now):
    return at if at > now and (due == 0 or at < due) else due


@kernel
def _read_counts(row, now, out, index):
    kept = lately = weekly = left = left_lately = 0
    for place in range(STARTS):
        word = row.contact_starts[place]
        if word == 0:
            break
        ago = now - start_at(word)
        kept += 1
        lately += ago < RECENT_MS
        weekly += ago < WEEK_MS
        left += was_abandoned(word)
        left_lately += ago < WEEK_MS and was_abandoned(word)
    out[index.contact_count] = row.contact_starts_before + kept
    out[index.contact_count_24h] = lately
    out[index.contact_count_7d] = weekly
    out[index.contact_abandoned] = row.contact_abandoned_before + left
    out[index.contact_abandoned_7d] = left_lately
    last = start_at(row.contact_starts[0]) if kept > 0 else np.int64(0)
    out[index.contact_hours_between] = np.nan
    if kept > 1:
        out[index.contact_hours_between] = (last - start_at(row.contact_starts[1])) / HOUR
    for place in range(of.KEPT):
        last = max(last, end_of(row, place))
    out[index.contact_hours_since] = max(now - last, 0) / HOUR if last != 0 else np.nan


@kernel
def _read_open(row, now, ended, out, index):
    number = waiting = 0
    heard, since, current = np.int64(0), np.int64(0), -1
    for place in range(of.KEPT):
        if row.contact_id[place] == 0 or not goes_on(row, place, now, ended):
            continue
        number += 1
        heard = max(heard, row.contact_latest[place, of.HEARD])
        if current < 0 or begun_at(row, place) > begun_at(row, current):
            current = place
        begun = waits_since(row, place)
        if begun != 0:
            waiting += 1
            since = begun if since == 0 else min(since, begun)
    out[index.contact_open] = number
    out[index.contact_waiting] = waiting
    out[index.contact_quiet_seconds] = max(now - heard, 0) / SECOND if number > 0 else np.nan
    out[index.contact_waiting_seconds] = max(now - since, 0) / SECOND if waiting > 0 else np.nan
    waits = current >= 0 and waits_since(row, current) != 0
    out[index.contact_agent_now] = np.nan if waits else _with_now(row, current, of.AGENT)
    out[index.contact_queue_now] = _with_now(row, current, of.QUEUE)


@kernel
def _with_now(row, place, which):
    """Whom the contact at `place` (-1: none) is with; NaN where none was named since it was queued again."""
    if place < 0:
        return np.nan
    again = row.contact_latest[place, of.QUEUED_AGAIN]
    if is_queued_again(row, place) and row.contact_said_at[place, which] < again:
        return np.nan
    return word_value(row.contact_said[place, which])


@kernel
def _longest_wait(row):
    longest = np.int64(-1)
    for place in range(of.KEPT):
        longest = max(longest, wait_of(row, place))
    return longest / SECOND if longest >= 0 else np.nan


@kernel
def _read_said(row, out, index):
    said_at = np.int64(0)
    outcome = np.uint64(0)
    scored_at, score = np.int64(0), np.nan
    for place in range(of.KEPT):
        if row.contact_said_at[place, of.OUTCOME] > said_at:
            said_at, outcome = row.contact_said_at[place, of.OUTCOME], row.contact_said[place, of.OUTCOME]
        if row.contact_said_at[place, of.SCORE] > scored_at:
            scored_at, score = row.contact_said_at[place, of.SCORE], row.contact_said[place, of.SCORE] / 100.0
    out[index.contact_last_outcome] = word_value(outcome)
    out[index.contact_last_survey] = score


@kernel
def _read_callback(row, now, out, index):
    asked = spoken = np.int64(0)
    for place in range(of.KEPT):
        asked = max(asked, row.contact_first[place, of.CALLBACK])
        spoken = max(spoken, row.contact_latest[place, of.CONNECTED_AGAIN])
    open_ = asked != 0 and spoken < asked
    out[index.contact_callback_asked] = open_
    out[index.contact_callback_hours] = max(now - asked, 0) / HOUR if open_ else np.nan


@kernel
def _same_reason(row, newest):
    if newest < 0 or row.contact_said[newest, of.REASON] == 0:
        return 0
    same, begun = 0, begun_at(row, newest)
    for place in range(of.KEPT):
        before = begun_at(row, place)
        alike = row.contact_said[place, of.REASON] == row.contact_said[newest, of.REASON]
        if place != newest and before != 0 and alike and begun - before <= SAME_REASON_MS:
            same += 1
    return same


@kernel
def _is_hop(row, newest):
    if newest < 0 or row.contact_channel[newest] != ContactChannel.VOICE:
        return False
    begun = begun_at(row, newest)
    if row.session_struggled_at != 0 and 0 <= begun - row.session_struggled_at <= HOP_MS:
        return True
    return struggled_between(row, begun - HOP_MS, begun)


@kernel
def _is_unresolved(row, newest, now, ended):
    """As its outcome says; else whether it was over, by its end or by silence, while an agent was waited for, or
    was abandoned since an agent had it. What was resolved before it was queued again is not."""
    if newest < 0 or goes_on(row, newest, now, ended):
        return False
    outcome = row.contact_said[newest, of.OUTCOME]
    is_last = row.contact_said_at[newest, of.OUTCOME] >= row.contact_latest[newest, of.QUEUED_AGAIN]
    for i in range(UNRESOLVED.shape[0]):
        if outcome == UNRESOLVED[i]:
            return True
        if outcome == RESOLVED[i] and is_last:
            return False
    abandoned = row.contact_first[newest, of.ABANDONED]
    left = abandoned != 0 and abandoned >= row.contact_latest[newest, of.CONNECTED_AGAIN]
    return left or waits_since(row, newest) != 0
