"""Caps and consents of a decision: its offers are reserved, and where one is refused the next is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from engine.customer_id import CustomerId
from engine.decisions.funnel.result import FunnelResult
from engine.decisions.log import record_of
from engine.decisions.record import encode_record
from engine.decisions.request import Answer, DecisionRequest
from engine.decisions.response import answer
from engine.ports.decision_store import DecisionStore, Reservation, Taking


class PendingDecision(msgspec.Struct, eq=False, gc=False):
    """A decision while its offers are being reserved: ask for a reservation, report what was refused, and it
    tries the next offers, until nothing is refused. ``result`` is what it would give now."""

    request: DecisionRequest
    result: FunnelResult
    decision_id: str
    staleness_ms: int
    row_at: int = 0  # when the newest event of its row happened
    whose: CustomerId | None = None  # whose it is, where that is another than the customer asked for
    brought: Mapping[str, Sequence[int]] = {}  # the history of the latter
    erased: bool = False  # the customer was, while it was made: nothing is left that it rests on
    moved: bool = False  # the customer became another's, while it was made
    _asked: tuple[int, ...] | None = None  # the offers asked for; None: all that it gives

    @property
    def _wanted(self) -> Sequence[int]:
        return self.result.given if self._asked is None else self._asked

    def reservation(self) -> Reservation:
        """What to ask of the store now."""
        candidates, survivors = self.result.ranking.candidates, self.result.survivors
        record = record_of(
            self.result, self.request.customer, survivors.given, survivors.capped, self.request.placements,
            unconsented=survivors.unconsented,
        )  # fmt: skip
        return Reservation(
            self.whose or self.request.customer,
            self.decision_id,
            self.result.now,
            tuple([candidates[offer] for offer in self._wanted]),
            encode_record(record),
            self.row_at,
            self.brought,
        )

    def answer(self, currency: str) -> Answer:
        """The answer with the current result."""
        return answer(self.request, self.result, self.decision_id, self.staleness_ms, currency)

    def refused(self, taken: Sequence[Taking]) -> bool:
        """Record which of the requested offers were taken; True when some were not and it must reserve again (if
        only to correct the record)."""
        if taken.count(Taking.TAKEN) == len(taken):  # as nearly always
            return False
        self.erased, self.moved = Taking.ERASED in taken, Taking.MOVED in taken
        wanted = list(zip(self._wanted, taken, strict=True))
        capped = [offer for offer, had in wanted if had == Taking.CAPPED]
        unconsented = [offer for offer, had in wanted if had == Taking.UNCONSENTED]
        if not (capped or unconsented):
            return False
        before = [offer for offer in self.result.given if offer not in capped and offer not in unconsented]
        self.result = self.result.without(capped, unconsented)
        self._asked = tuple([offer for offer in self.result.given if offer not in before])
        return True


async def reserve(store: DecisionStore, pending: Sequence[PendingDecision]) -> None:
    """Take what each of `pending` wants. Each round strikes an offer of those that were refused, so it ends.

    Raises `Unavailable`.
    """
    while pending:
        taken = await store.reserve([decision.reservation() for decision in pending])
        pending = [decision for decision, flags in zip(pending, taken, strict=True) if decision.refused(flags)]
