"""What ``cueline bench faults`` prints."""

from __future__ import annotations

import msgspec

from loadtest.linked_people import CUSTOMERS


class RecoveryTimes(msgspec.Struct, frozen=True):
    """Seconds from a kill until events were again applied within half a second of being sent."""

    p50: float
    max: float


class FaultsResult(msgspec.Struct, frozen=True, rename="camel"):
    """The result. All of ``rowsDifferent``, ``eventsLost``, ``eventsDoubled``, ``cuesDifferent`` (lost,
    doubled or other than undisturbed) and ``holes`` (stretches of letters that are missing, in both runs) must be
    0. ``mailed`` are the misplaced records."""

    kills: dict[str, int]
    broker: str
    events_sent: int
    rows: int
    rows_different: int
    events_lost: int
    events_doubled: int
    cues: int
    cues_different: int
    commits_fenced: int
    recovery_seconds: RecoveryTimes
    mailed: int = 0
    holes: int = 0

    @property
    def exact(self) -> bool:
        """Whether nothing was lost, doubled or different."""
        wrong = self.rows_different, self.events_lost, self.events_doubled, self.cues_different, self.holes
        return not any(wrong)


class LinkedFaultsResult(FaultsResult, frozen=True, rename="camel", kw_only=True):
    """Of people with several ids, too: ``links`` were announced, so ``customers`` have events in the end;
    ``historiesDifferent`` of all ids must be 0: other than undisturbed, or of a customer without one of the offers
    ``given``, or with one twice."""

    links: int
    customers: int
    given: int
    histories_different: int

    @property
    def exact(self) -> bool:
        """Nor any history; and all have become the customers they are."""
        return super().exact and not self.histories_different and self.customers == CUSTOMERS
