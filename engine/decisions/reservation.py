"""A decision while its offers are being reserved."""

from __future__ import annotations

from collections.abc import Sequence

from engine.decisions.funnel import FunnelResult, slots
from engine.decisions.record import encode_record
from engine.decisions.request import Answer
from engine.decisions.response import answer, record_of
from engine.events import Reason
from engine.ports import Reservation


class PendingDecision:
    """What a decision would give. ``given`` are offers (positions), best first; ask for a reservation, tell
    it what was refused, and it turns to the next offer, until nothing is refused."""

    def __init__(self, ranked: FunnelResult, decision_id: str, staleness_ms: int) -> None:
        self.ranked = ranked
        self.decision_id = decision_id
        self.staleness_ms = staleness_ms
        self.given = ranked.allowed[: slots(ranked.request)]
        self._wanted = self.given

    def reservation(self) -> Reservation:
        """What to ask of the store now."""
        candidates = self.ranked.policy.candidates
        return Reservation(
            self.ranked.request.customer,
            self.decision_id,
            self.ranked.now,
            tuple([candidates[offer] for offer in self._wanted]),
            encode_record(record_of(self.ranked, self.given)),
        )

    def answer(self, currency: str) -> Answer:
        """The answer as it stands."""
        return answer(self.ranked, self.given, self.decision_id, self.staleness_ms, currency)

    def refused(self, taken: Sequence[bool]) -> bool:
        """Note which of the offers asked for were taken; True when some were not and it must ask again (if
        only to set the record right)."""
        if all(taken):
            return False
        gone = [offer for offer, had in zip(self._wanted, taken, strict=True) if not had]
        before = [offer for offer in self.given if offer not in gone]
        self.ranked = self.ranked.without(gone)
        self.given = self.ranked.allowed[: slots(self.ranked.request)]
        self._wanted = tuple(offer for offer in self.given if offer not in before)
        return True


def held_back(drafts: Sequence[PendingDecision]) -> dict[Reason, int]:
    """How many offers each stage held back, over all `drafts` (one or more of one batch)."""
    meant = full = allowed = given = 0
    for draft in drafts:
        ranked = draft.ranked
        meant += len(ranked.ranking.order)
        full += len(ranked.capped)
        allowed += len(ranked.allowed)
        given += len(draft.given)
    return {
        Reason.CHANNEL_MISMATCH: len(drafts[0].ranked.policy.rulebook.offers) * len(drafts) - meant,
        Reason.NOT_APPLICABLE: meant - allowed - full,
        Reason.CAP_PERIOD: full,
        Reason.OUTRANKED: allowed - given,
    }
