"""The cue streams, as they are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from engine.customer_id import CustomerId
from engine.events import Cue


class TakenCue(msgspec.Struct, frozen=True, gc=False):
    """A cue that a stream has taken: whose it is, its offer, and when that was given (`Cue.at`). ``decision_id``
    is the cue's where that stream was its visitor's; empty: it was an agent's."""

    customer: CustomerId
    offer_id: str
    at: int
    decision_id: str = ""


class CueEntry(msgspec.Struct, frozen=True):
    """A cue as stored: ``id`` is ``<partition>-<stream id>``, the SSE event id."""

    id: str
    cue: Cue


class StreamMoved(msgspec.Struct, frozen=True):
    """The cues of ``customer`` are another's from now on, or their own again: whoever listens to them asks anew
    whose they are. ``id`` is as of a `CueEntry`."""

    id: str
    customer: str


class CueStore(Protocol):
    """The cue streams. Methods raise `Unavailable`."""

    def tail(self) -> AsyncIterator[CueEntry | StreamMoved]:
        """Every cue of every partition, and who moved, from now on, until cancelled."""

    async def since(self, customer: CustomerId | None, last_id: str, limit: int = 1000) -> list[CueEntry]:
        """Cues after `last_id`, oldest first; unknown id: as far as kept. Those of all customers are in the
        streams; of one customer the newest few are at hand for a day, whatever the streams hold."""

    async def passed(self, last_id: str, limit: int = 1000) -> list[CueEntry | StreamMoved]:
        """What `tail` would have had after `last_id`, oldest first, as far as kept. Fewer than `limit` do not say
        that there are no more."""

    async def latest(self, customer: CustomerId) -> CueEntry | None:
        """The newest cue of a customer, kept for a day."""

    async def newest(self, limit: int, after_id: str = "") -> list[CueEntry]:
        """The newest `limit` cues (1 or more) of all customers as far as kept, oldest first; only those after
        `after_id`, if it is known."""

    async def take_cues(self, taken: Sequence[TakenCue]) -> int:
        """Their offers were given for good, and those with an id count as `LessonStore.delivered` for a day, in
        one round trip; how many had neither been taken before, nor ended without that."""
