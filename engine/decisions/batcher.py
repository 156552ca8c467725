"""Answers decisions in micro-batches.

All requests of one event-loop iteration are answered together: one read of the store, one run of the
kernels, one reservation. While one batch waits for the store, the next gathers. (Two batches in flight
left the second with one or two requests: 13.9 thousand decisions a second where one gives 15.6.)
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence

import msgspec

from engine.customer_id import CustomerId
from engine.decisions.deadlines import Deadlines, PendingRequest
from engine.decisions.funnel.run import decide_many
from engine.decisions.log import LoggedDecision, recall
from engine.decisions.measurements import DecisionMeasurements
from engine.decisions.policy import Policy
from engine.decisions.record import DecisionRecord, read_record
from engine.decisions.request import DecisionRequest, encode
from engine.decisions.reservation import PendingDecision, reserve
from engine.decisions.response import fallback
from engine.errors import BadState, Unavailable
from engine.events import Reason
from engine.kernels.partition import partition_of
from engine.ports.clock import Clock
from engine.ports.decision_store import DecisionStore
from engine.ports.meter import Meter
from engine.ports.offer_history import View
from engine.rulebook.model import Rulebook
from engine.settings import Settings
from engine.state.row_codec import is_readable, read

log = logging.getLogger(__name__)

#: Requests answered together at most: bounds how long one batch holds the event loop and Redis.
MOST_AT_ONCE = 256
#: How often a request is viewed at most, because its customer became another's meanwhile.
MOST_VIEWS = 4
#: Rulebooks remembered, so that decisions made before a change can still be explained.
REMEMBERED = 16


class DecisionBatcher:
    """Answers decisions from `store` by the policy that `policy` gives at that moment."""

    def __init__(
        self,
        store: DecisionStore,
        policy: Callable[[], Policy],
        clock: Clock,
        meter: Meter,
        settings: Settings,
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._meter = meter
        self._measurements = DecisionMeasurements(meter)
        self._deadlines = Deadlines(lambda late: self._fall_back(late, Reason.DEADLINE))
        self._partitions = settings.kafka.partitions
        self._deadline_s = settings.web.deadline_ms / 1_000
        self._currency = settings.rules.currency
        self._waiting: list[PendingRequest] = []
        self._serving = False  # no task shows it: one is done an iteration after its last line
        self._task: asyncio.Task[None] | None = None
        self._remembered: dict[str, Rulebook] = {}

    async def decide(self, request: DecisionRequest) -> bytes:
        """The answer as JSON. Late or without state it is the fallback; it is never an error."""
        loop = asyncio.get_running_loop()
        since = time.perf_counter()
        due = since + (request.deadline_ms / 1_000 or self._deadline_s)
        asked = PendingRequest(request, loop.create_future(), since, due)
        self._waiting.append(asked)
        if not self._serving:
            self._serving = (
                True  # the task begins in the loop's next iteration, when every request of this one waits
            )
            self._task = loop.create_task(self._serve())
        self._deadlines.add(asked)
        try:
            return await asked.answer
        finally:
            self._deadlines.remove(asked)

    async def record(self, decision_id: str) -> DecisionRecord | None:
        """What the log has of a decision (or cue); None when unknown or older than a day.

        Raises `Unavailable`, and `BadState` for a record that cannot be read.
        """
        stored = await self._store.decision(decision_id)
        return None if stored is None else read_record(stored)

    async def recall(self, decision_id: str) -> LoggedDecision | None:
        """A decision from the log with every candidate's reason; None when unknown. Raises as `record`."""
        record = await self.record(decision_id)
        if record is None:
            return None
        self.remember(self._policy().rulebook)
        return recall(decision_id, record, self._remembered.get(record.revision))

    async def _serve(self) -> None:
        try:
            await self._serve_waiting()
        finally:
            self._serving = False

    async def _serve_waiting(self) -> None:
        while self._waiting:
            batch = [asked for asked in self._waiting[:MOST_AT_ONCE] if not asked.answer.done()]
            del self._waiting[:MOST_AT_ONCE]
            try:
                await self._answer(batch)
            except Unavailable as fault:
                log.warning("decisions fall back: %s", fault)
                self._fall_back(batch, Reason.STATE_UNAVAILABLE)
            except Exception:  # the outermost loop of decisions: one bad batch must not stop the next
                log.exception("decisions fall back")
                self._fall_back(batch, Reason.RULE_ERROR)

    async def _answer(self, batch: Sequence[PendingRequest]) -> None:
        for _ in range(MOST_VIEWS):
            views = await self._store.views([asked.request.customer for asked in batch])
            pairs = self._decide(batch, views)
            await reserve(self._store, [decision for _, decision in pairs if not decision.request.peek])
            self._fall_back([asked for asked, decision in pairs if decision.erased], Reason.STATE_UNAVAILABLE)
            batch = [asked for asked, decision in pairs if decision.moved]
            self._give([pair for pair in pairs if not pair[1].moved] if batch else pairs)
            if not batch:
                return
        self._fall_back(batch, Reason.STATE_UNAVAILABLE)

    def _give(self, pairs: Sequence[tuple[PendingRequest, PendingDecision]]) -> None:
        """Answer those who still wait."""
        answered, since = [], []
        for asked, decision in pairs:
            if not asked.answer.done():
                asked.answer.set_result(encode(decision.answer(self._currency)))
                answered.append(decision)
                since.append(asked.since)
        if answered:
            now = time.perf_counter()
            self._measurements.add(answered, [now - at for at in since])

    def _decide(
        self, batch: Sequence[PendingRequest], views: Sequence[View]
    ) -> list[tuple[PendingRequest, PendingDecision]]:
        """Decide for those of `batch` who still wait and whose row can be read."""
        policy, now = self._policy(), self._clock.now_ms()
        self.remember(policy.rulebook)
        pairs = [(asked, view) for asked, view in zip(batch, views, strict=True) if not asked.answer.done()]
        try:
            rows = read([view.row for _, view in pairs])
        except BadState:
            pairs = self._readable(pairs)
            rows = read([view.row for _, view in pairs])
        requests = [
            asked.request if view.customer is None else _about(view.customer, asked.request)
            for asked, view in pairs
        ]
        results = decide_many(policy, requests, rows, [view.given(now) for _, view in pairs], now)
        last, names = rows["life_last_at"].tolist(), self._names(requests, now)
        return [
            (
                asked,
                PendingDecision(
                    asked.request, result, name, max(now - at, 0) if at else 0, at, view.customer, view.brought
                ),
            )
            for (asked, view), result, name, at in zip(pairs, results, names, last, strict=True)
        ]

    def _readable(self, pairs: Sequence[tuple[PendingRequest, View]]) -> list[tuple[PendingRequest, View]]:
        """Those of `pairs` whose row can be read; the others fall back."""
        unreadable = [asked for asked, view in pairs if not is_readable(view.row)]
        log.error("the stored rows of %d customers are of no layout we know", len(unreadable))
        self._fall_back(unreadable, Reason.STATE_UNAVAILABLE)
        return [(asked, view) for asked, view in pairs if is_readable(view.row)]

    def _fall_back(self, batch: Sequence[PendingRequest], reason: Reason) -> None:
        waiting = [asked for asked in batch if not asked.answer.done()]
        if not waiting:
            return
        policy, now = self._policy(), self._clock.now_ms()
        for asked, name in zip(waiting, self._names([asked.request for asked in waiting], now), strict=True):
            asked.answer.set_result(encode(fallback(policy, asked.request, name, now, reason)))
            self._meter.observe("decision_seconds", time.perf_counter() - asked.since)
        self._meter.add("decisions", len(waiting))
        self._meter.add("decision_fallbacks", len(waiting), reason.value)

    def _names(self, requests: Sequence[DecisionRequest], now: int) -> list[str]:
        """Ids of decisions: each its customer's partition, the time, and 64 random bits."""
        chance, partitions = os.urandom(8 * len(requests)).hex(), self._partitions
        return [
            f"{partition_of(request.customer.encode(), partitions)}-{now:x}-{chance[16 * i : 16 * i + 16]}"
            for i, request in enumerate(requests)
        ]

    def remember(self, rulebook: Rulebook) -> None:
        """Keep `rulebook`, to explain decisions that were made by it. The oldest of many is forgotten."""
        if rulebook.revision not in self._remembered:
            self._remembered[rulebook.revision] = rulebook
            if len(self._remembered) > REMEMBERED:
                del self._remembered[next(iter(self._remembered))]


def _about(customer: CustomerId, request: DecisionRequest) -> DecisionRequest:
    """`request` as one about `customer`."""
    return msgspec.structs.replace(request, customer_id=customer)
