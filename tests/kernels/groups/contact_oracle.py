"""What is known of contacts, once more in plain Python: from all events at once, in no order, with no bound."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.events import ContactChannel, Kind
from engine.kernels import decode
from engine.kernels.groups.contact import apply_contact
from engine.kernels.groups.contact_features import INDEX, read_contact
from engine.kernels.hashing import word_hash
from tests.kernels.builders import DAY, HOUR, MINUTE, SECOND
from tests.kernels.groups.rows import CONTACTS as ROW

EARLIEST = (
    Kind.CONTACT_STARTED,
    Kind.CONTACT_IN_IVR,
    Kind.CONTACT_QUEUED,
    Kind.CONTACT_CONNECTED,
    Kind.CONTACT_HELD,
    Kind.CONTACT_TRANSFERRED,
    Kind.CONTACT_WRAPPED_UP,
    Kind.CONTACT_ABANDONED,
    Kind.CALLBACK_ASKED,
)
ACTIVE = EARLIEST[:6]
ARRIVING = (*EARLIEST[:4], Kind.CONTACT_ABANDONED)
ENDS = (Kind.CONTACT_ENDED, Kind.CONTACT_ABANDONED)
ASKING = (*EARLIEST[:4], Kind.CALLBACK_ASKED)
RESULTS = (*ENDS, Kind.CONTACT_WRAPPED_UP, Kind.CONTACT_OUTCOME)
NOTHING_CAME = [word_hash(word) for word in ("unresolved", "Unresolved", "UNRESOLVED")]
SETTLED = [word_hash(word) for word in ("resolved", "Resolved", "RESOLVED")]
PATIENCE = {0: 24 * HOUR, 1: 4 * HOUR, 2: 24 * HOUR, 3: 7 * DAY, 4: 24 * HOUR}


@dataclass(frozen=True)
class Told:
    """One event of a contact; `contact` 0 is one without an id."""

    at: int
    kind: Kind
    id: int
    contact: int = 0
    channel: int = 0
    queue: int = 0
    agent: int = 0
    reason: int = 0
    value: float = 0.0


def columns(events: Iterable[Told]) -> NDArray[np.void]:
    listed = list(events)
    out = np.zeros(len(listed), decode.COLUMNS)
    for got, event in zip(out, listed, strict=True):
        got["at"], got["kind"], got["id"], got["value"] = event.at, event.kind, event.id, event.value
        got["contact"], got["contact_channel"] = event.contact, event.channel
        for name in ("queue", "agent", "reason"):
            got[f"contact_{name}"] = getattr(event, name)
    return out


def folded(events: Iterable[Told]) -> NDArray[np.void]:
    """One row after `events`, in their order."""
    rows: NDArray[np.void] = np.zeros(1, ROW)
    for event in columns(events):
        apply_contact(rows[0], event)
    return rows


def features(rows: NDArray[np.void], now: int) -> dict[str, float]:
    out = np.full(len(INDEX), -7.0)
    read_contact(rows[0], now, out, INDEX)
    return dict(zip(INDEX._fields, out.tolist(), strict=True))


@dataclass
class Known:
    """All that was said of one contact."""

    id: int
    events: list[Told] = field(default_factory=list)
    nameless: bool = False

    def times(self, *kinds: Kind) -> list[int]:
        return [event.at for event in self.events if event.kind in kinds]

    def first(self, *kinds: Kind) -> int:
        return min(self.times(*kinds), default=0)

    def last(self, *kinds: Kind) -> int:
        return max(self.times(*kinds), default=0)

    def heard(self) -> int:
        return max(event.at for event in self.events)

    def said(self, name: str, kinds: Collection[Kind], before_others: Kind | None = None) -> tuple[int, int]:
        """When events of `kinds` named something last, and what. At one moment those `before_others` count: what
        others name is a millisecond older."""
        words = [
            (event.at - (before_others not in (None, event.kind)), getattr(event, name))
            for event in self.events
            if getattr(event, name) and event.kind in kinds
        ]
        return max(words, default=(0, 0))

    def outcome(self) -> tuple[int, int]:
        return self.said("reason", RESULTS)

    def reason(self) -> int:
        return self.said("reason", ASKING)[1]

    def with_now(self, name: str, kind: Kind) -> int:
        """The queue or the agent that it is with, if one was named since an agent gave it back to a queue."""
        at, word = self.said(name, ACTIVE, kind)
        return 0 if self.given_back() and at < self.last(Kind.CONTACT_QUEUED) else word

    def score(self) -> tuple[int, int]:
        scores = [(e.at, math.floor(e.value * 100 + 0.5)) for e in self.events if e.kind == Kind.CONTACT_SURVEYED]
        return max(scores, default=(0, 0))

    def channel(self) -> int:
        return max(event.channel for event in self.events)

    def begun(self) -> int:
        if self.nameless:
            return self.first(Kind.CONTACT_STARTED)
        return self.first(*ARRIVING) or self.last(*ACTIVE)

    def given_back(self) -> bool:
        spoken = self.first(Kind.CONTACT_CONNECTED)
        return spoken != 0 and any(at > spoken for at in self.times(Kind.CONTACT_QUEUED))

    def agents_before(self) -> int:
        """How many handed it on."""
        moved = sorted(self.times(Kind.CONTACT_TRANSFERRED))
        if moved and moved[0] < self.first(Kind.CONTACT_CONNECTED):
            moved.pop(0)
        ended, spoken = self.first(*ENDS), self.first(Kind.CONTACT_CONNECTED)
        reopened = 0 < spoken <= ended < self.last(*ACTIVE)
        return max(len(moved) + reopened, int(self.given_back()))

    def end(self) -> int:
        """When it ended last, or all who had it were done; 0: it did not."""
        told, wrapped = self.last(*ENDS), self.times(Kind.CONTACT_WRAPPED_UP)
        if told and all(at <= told for at in self.times(*ACTIVE)):
            return told
        return max(told, *wrapped) if len(wrapped) > self.agents_before() else told

    def over(self) -> bool:
        return self.end() != 0 and self.last(*ACTIVE) <= self.end()

    def waits(self) -> list[int]:
        """The first and the last of those that are over."""
        queued = self.times(Kind.CONTACT_QUEUED)
        if not queued:
            return []
        first, last = self.wait_from(min(queued)), self.wait_from(max(queued))
        if first is not None and max(queued) <= min(queued) + first:
            last = None
        return [wait for wait in (first, last) if wait is not None]

    def wait_from(self, queued: int) -> int | None:
        connected = self.times(Kind.CONTACT_CONNECTED)
        after = [at for at in connected if at >= queued]
        if after and len(connected) > 2 and min(connected) < queued:
            return None  # which of those was the first is forgotten
        never_before = connected and min(connected) < self.first(Kind.CONTACT_QUEUED)
        believed = not never_before or self.times(Kind.CONTACT_TRANSFERRED)  # else clocks may disagree
        ends = (self.first(*ENDS), self.last(*ENDS)) if believed else ()
        until = min((*after, *(at for at in ends if at >= queued)), default=None)
        return None if until is None else until - queued

    def waits_since(self) -> int:
        queued, connected = self.times(Kind.CONTACT_QUEUED), self.last(Kind.CONTACT_CONNECTED)
        if not queued or max(queued) <= connected:
            return 0
        return max(queued) if connected or self.end() >= min(queued) else min(queued)

    def unresolved(self) -> bool:
        at, word = self.outcome()
        if word in NOTHING_CAME or (word in SETTLED and at >= self.last(Kind.CONTACT_QUEUED)):
            return word in NOTHING_CAME
        left = self.first(Kind.CONTACT_ABANDONED)
        return bool(self.waits_since()) or (left != 0 and left >= self.last(Kind.CONTACT_CONNECTED))


def contacts_of(events: Iterable[Told]) -> list[Known]:
    """Each contact, the one heard of last first."""
    found: dict[int, Known] = {}
    for event in events:
        if not Kind.CONTACT_STARTED <= event.kind <= Kind.CONTACT_SURVEYED:
            continue
        if event.kind == Kind.CONTACT_OUTCOME and event.channel == ContactChannel.EMAIL:
            continue
        if not event.contact and event.kind not in (Kind.CONTACT_STARTED, *ENDS):
            continue
        known = found.setdefault(event.contact or event.id, Known(event.contact or event.id))
        known.events.append(event)
        known.nameless |= not event.contact
    return sorted(found.values(), key=lambda one: (one.heard(), one.id), reverse=True)


def starts_of(events: Iterable[Told]) -> list[tuple[int, bool]]:
    """When each contact came in, and whether it was abandoned; the newest first."""
    arrivals: dict[int, list[Told]] = defaultdict(list)
    for event in events:
        if event.kind in ARRIVING and (event.contact or event.kind == Kind.CONTACT_STARTED):
            arrivals[event.contact or event.id].append(event)
    return sorted(
        (
            (min(e.at for e in those), any(e.kind == Kind.CONTACT_ABANDONED for e in those))
            for those in arrivals.values()
        ),
        reverse=True,
    )


def closed_by_others(contacts: list[Known]) -> set[int]:
    """Ids of contacts without an id that an end without an id closes: each the open one that began last."""
    open_, closed = [], set()
    for one in reversed(contacts):
        if one.nameless and one.first(Kind.CONTACT_STARTED):
            open_.append(one.id)
        elif one.nameless and open_:
            closed.add(open_.pop())
    return closed


def expected(events: list[Told], now: int, struggles: Collection[int] = ()) -> dict[str, float]:
    """The features, of no more contacts than a row keeps, where it knows of `struggles` on the website."""
    contacts, starts = contacts_of(events), starts_of(events)
    closed = closed_by_others(contacts)
    open_ = [
        one
        for one in contacts
        if one.last(*ACTIVE)
        and not (one.over() or one.id in closed)
        and now <= one.heard() + PATIENCE[one.channel()]
    ]
    waiting = [since for one in open_ if (since := one.waits_since())]
    waits = [wait for one in contacts for wait in one.waits()]
    newest = max((one for one in contacts if one.begun()), key=Known.begun, default=None)
    current = max(open_, key=Known.begun, default=None)
    asked = max((one.last(Kind.CALLBACK_ASKED) for one in contacts), default=0)
    spoken = max((one.last(Kind.CONTACT_CONNECTED) for one in contacts), default=0)
    ends = max((one.end() for one in contacts), default=0)
    last = max(starts[0][0] if starts else 0, ends)
    outcome = max((one.outcome() for one in contacts), key=lambda said: said[0], default=(0, 0))
    survey = max((one.score() for one in contacts), key=lambda said: said[0], default=(0, 0))
    agent = current.with_now("agent", Kind.CONTACT_CONNECTED) if current and not current.waits_since() else 0
    queue = current.with_now("queue", Kind.CONTACT_QUEUED) if current else 0
    nothing = math.nan
    return {
        "contact_count": len(starts),
        "contact_count_24h": sum(now - at < 24 * HOUR for at, _ in starts),
        "contact_count_7d": sum(now - at < 7 * DAY for at, _ in starts),
        "contact_open": len(open_),
        "contact_hours_since": max(now - last, 0) / HOUR if last else nothing,
        "contact_hours_between": (starts[0][0] - starts[1][0]) / HOUR if len(starts) > 1 else nothing,
        "contact_quiet_seconds": max(now - max(o.heard() for o in open_), 0) / SECOND if open_ else nothing,
        "contact_waiting": len(waiting),
        "contact_waiting_seconds": max(now - min(waiting), 0) / SECOND if waiting else nothing,
        "contact_longest_wait": max(waits) / SECOND if waits else nothing,
        "contact_abandoned": sum(left for _, left in starts),
        "contact_abandoned_7d": sum(left and now - at < 7 * DAY for at, left in starts),
        "contact_same_reason": _same_reason(contacts, newest),
        "contact_transfers": len(newest.times(Kind.CONTACT_TRANSFERRED)) if newest else 0,
        "contact_channel_hop": int(
            newest is not None
            and newest.channel() == ContactChannel.VOICE
            and any(0 <= newest.begun() - at <= 30 * MINUTE for at in struggles)
        ),
        "contact_last_outcome": outcome[1] >> 11 if outcome[1] else nothing,
        "contact_last_survey": survey[1] / 100 if survey[0] else nothing,
        "contact_unresolved": int(newest is not None and newest not in open_ and newest.unresolved()),
        "contact_callback_asked": int(spoken < asked),
        "contact_callback_hours": max(now - asked, 0) / HOUR if asked and spoken < asked else nothing,
        "contact_agent_now": agent >> 11 if agent else nothing,
        "contact_queue_now": queue >> 11 if queue else nothing,
    }


def _same_reason(contacts: list[Known], newest: Known | None) -> int:
    reason = newest.reason() if newest else 0
    return sum(
        one is not newest
        and newest is not None
        and one.begun() != 0
        and one.reason() == reason != 0
        and newest.begun() - one.begun() <= 30 * DAY
        for one in contacts
    )
