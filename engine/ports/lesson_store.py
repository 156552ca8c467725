"""What outcomes taught, as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec

from engine.events import Outcome


class Lessons(NamedTuple):
    """What outcomes taught of an offer on a channel: trials that succeeded and that failed, and those of reporters
    whom nobody knows."""

    successes: int = 0
    failures: int = 0
    unsigned_successes: int = 0
    unsigned_failures: int = 0


class LessonBound(NamedTuple):
    """How many lessons of visitors an arm (offer, channel) takes in an hour: of all, of one address or visitor.
    ``hour`` counts from 1970, ``address`` is a digest of either."""

    hour: int
    arm: str
    address: str
    most_of_all: int
    most_of_address: int


class Withdrawn(msgspec.Struct, frozen=True, rename="camel"):
    """Lessons of a key that were taken back."""

    offer_id: str
    channel: str
    successes: int
    failures: int


class LessonStore(Protocol):
    """What outcomes taught. Methods raise `Unavailable`."""

    async def learn(self, outcome: Outcome, success: bool | None) -> bool:
        """Record an outcome, idempotent per (decision, offer, outcome); False when it was recorded before.

        An offer of a decision is one trial: `success` counts once, and replaces a failure counted before. An
        outcome that does not teach is recorded alone, and does not keep the same of another from teaching.
        """

    async def propensities(self) -> Mapping[tuple[str, str], Lessons]:
        """(offer, channel) -> lessons, over all partitions."""

    async def delivered(self, decision_id: str) -> bool:
        """Whether a cue of that id reached a stream of its visitor."""

    async def admit_lesson(self, bound: LessonBound) -> bool:
        """Count one more lesson of the hour; False, and nothing is counted, beyond the bound."""

    async def forget_lessons(self, key: str, since: int, only_look: bool = False) -> list[Withdrawn]:
        """Take back what outcomes reported by the key taught since the hour of `since` (epoch ms), as far back as
        `LESSONS_KEPT_DAYS`; with `only_look` say what that would be."""
