"""What is measured of the decisions that were answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from engine.decisions.funnel.survivors import drop_counts
from engine.decisions.reservation import PendingDecision
from engine.ports.meter import Meter

#: So many decisions are counted together: in 37 µs (128 in 59, and whoever waits then waits longer).
ENOUGH = 64


class DecisionMeasurements:
    """Counts decisions in `meter`, many at a time: when it is read, or enough of one policy have gathered.

    Counted by itself a micro-batch of one or two took 28 µs of its 200.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._decisions: list[PendingDecision] = []
        self._seconds: list[float] = []  # to their answers
        self._batch = 0  # decisions of the last micro-batch
        meter.on_read(self.settle)

    def add(self, decisions: Sequence[PendingDecision], seconds: Sequence[float]) -> None:
        """`decisions` (one or more of one micro-batch) were answered, each after as many `seconds`."""
        waiting = self._decisions
        if waiting and waiting[0].result.policy is not decisions[0].result.policy:
            self.settle()
        self._decisions += decisions
        self._seconds += seconds
        self._batch = len(decisions)
        if len(self._decisions) >= ENOUGH:
            self.settle()

    def settle(self) -> None:
        """Count what has gathered."""
        if not self._decisions:
            return
        decisions, self._decisions = self._decisions, []
        seconds, self._seconds = self._seconds, []
        meter = self._meter
        meter.add("decisions", len(decisions))
        meter.set("decision_batch_requests", self._batch)
        meter.observe_many("decision_seconds", np.array(seconds))
        staleness = np.array([decision.staleness_ms for decision in decisions]) / 1_000
        meter.observe_many("decision_staleness_seconds", staleness)
        if made := [decision for decision in decisions if not decision.request.peek]:
            self._count(made)

    def _count(self, decisions: Sequence[PendingDecision]) -> None:
        """What was given and what each stage dropped; a peek gives nothing."""
        meter, offers = self._meter, decisions[0].result.policy.rulebook.offers
        for offer, count in Counter(offer for decision in decisions for offer in decision.result.given).items():
            meter.add("offers_given", count, offers[offer].id)
        survivors = [decision.result.survivors for decision in decisions]
        for reason, count in drop_counts(survivors, len(offers)).items():
            if count:
                meter.add("offers_suppressed", count, reason.value)
