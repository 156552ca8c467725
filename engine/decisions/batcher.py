"""The desk: answers decisions, many at a time.

All requests of one turn of the event loop are answered together: one read of the store, one run of the
kernels, one reservation. While the store is asked for one batch, the next gathers. (Two batches under way at
once left the second with one or two requests: 13.9 thousand decisions a second where one gives 15.6.)
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from engine.decisions.funnel import decide_many
from engine.decisions.log import LoggedDecision, recall
from engine.decisions.policy import Policy
from engine.decisions.record import DecisionRecord, read_record
from engine.decisions.request import DecisionRequest, encode
from engine.decisions.reservation import PendingDecision, held_back
from engine.decisions.response import fallback
from engine.errors import Unavailable
from engine.events import Reason
from engine.kernels.partition import partition_of
from engine.ports import Clock, DecisionStore, Meter, View
from engine.rulebook.model import Rulebook
from engine.settings import Settings
from engine.state.row import is_readable, read

log = logging.getLogger(__name__)

#: Requests answered together at most: bounds how long one batch holds the event loop and Redis.
MOST_AT_ONCE = 256
#: Rulebooks remembered, so that decisions made before a change can still be explained.
REMEMBERED = 16


class Asked(msgspec.Struct, frozen=True, eq=False):
    """A request, the future of its answer, and when it came (`time.perf_counter`)."""

    request: DecisionRequest
    answer: asyncio.Future[bytes]
    since: float


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
        self._partitions = settings.kafka.partitions
        self._deadline_ms = settings.web.deadline_ms
        self._currency = settings.rules.currency
        self._waiting: list[Asked] = []
        self._serving = False  # told by no task: one is done a turn after its last line
        self._task: asyncio.Task[None] | None = None
        self._remembered: dict[str, Rulebook] = {}

    async def decide(self, request: DecisionRequest) -> bytes:
        """The answer as JSON. Late or without state it is the fallback; it is never an error."""
        loop = asyncio.get_running_loop()
        asked = Asked(request, loop.create_future(), time.perf_counter())
        self._waiting.append(asked)
        if not self._serving:
            self._serving = True  # the task begins at the loop's next turn, when every request of this one waits
            self._task = loop.create_task(self._serve())
        timer = loop.call_later((request.deadline_ms or self._deadline_ms) / 1_000, self._late, asked)
        try:
            return await asked.answer
        finally:
            timer.cancel()

    async def record(self, decision_id: str) -> DecisionRecord | None:
        """What the log has of a decision (or cue); None when unknown or older than a day.

        Raises `Unavailable`, and `BadState` for a record that cannot be read.
        """
        stored = await self._store.decision(decision_id)
        return None if stored is None else read_record(stored)

    async def recall(self, decision_id: str) -> LoggedDecision | None:
        """A decision told again with every candidate's reason; None when unknown. Raises as `record`."""
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

    async def _answer(self, batch: Sequence[Asked]) -> None:
        views = await self._store.views([asked.request.customer for asked in batch])
        pairs = self._draft(batch, views)
        await self._reserve([draft for _, draft in pairs if not draft.ranked.request.peek])
        told = [(asked, draft) for asked, draft in pairs if not asked.answer.done()]
        for asked, draft in told:
            asked.answer.set_result(encode(draft.answer(self._currency)))
        if told:
            self._measure([asked.since for asked, _ in told], [draft for _, draft in told])

    def _draft(self, batch: Sequence[Asked], views: Sequence[View]) -> list[tuple[Asked, PendingDecision]]:
        """Decide for those of `batch` who still wait and whose row can be read."""
        policy, now = self._policy(), self._clock.now_ms()
        self.remember(policy.rulebook)
        pairs = [(asked, view) for asked, view in zip(batch, views, strict=True) if not asked.answer.done()]
        if unreadable := [asked for asked, view in pairs if not is_readable(view.row)]:
            log.error("the stored rows of %d customers are of no layout we know", len(unreadable))
            self._fall_back(unreadable, Reason.STATE_UNAVAILABLE)
            pairs = [(asked, view) for asked, view in pairs if is_readable(view.row)]
        rows = read([view.row for _, view in pairs])
        found = decide_many(
            policy,
            [asked.request for asked, _ in pairs],
            rows,
            [view.history for _, view in pairs],
            now,
        )
        last, names = rows["last_at"].tolist(), self._names([asked.request for asked, _ in pairs], now)
        return [
            (asked, PendingDecision(ranked, name, max(now - at, 0) if at else 0))
            for (asked, _), ranked, name, at in zip(pairs, found, names, last, strict=True)
        ]

    async def _reserve(self, drafts: Sequence[PendingDecision]) -> None:
        """Take what the drafts want. Where another request was faster and a cap refuses, the next offer is
        tried, and the record set right; each round strikes an offer, so it ends."""
        while drafts:
            taken = await self._store.reserve([draft.reservation() for draft in drafts])
            drafts = [draft for draft, flags in zip(drafts, taken, strict=True) if draft.refused(flags)]

    def _late(self, asked: Asked) -> None:
        self._fall_back([asked], Reason.DEADLINE)

    def _fall_back(self, batch: Sequence[Asked], reason: Reason) -> None:
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
        """Keep `rulebook`, to tell decisions that were made by it. The oldest of many is forgotten."""
        if rulebook.revision not in self._remembered:
            self._remembered[rulebook.revision] = rulebook
            if len(self._remembered) > REMEMBERED:
                del self._remembered[next(iter(self._remembered))]

    def _measure(self, since: Sequence[float], drafts: Sequence[PendingDecision]) -> None:
        meter, now = self._meter, time.perf_counter()
        meter.add("decisions", len(drafts))
        meter.set("decision_batch_requests", len(drafts))
        meter.observe_many("decision_seconds", now - np.array(since))
        staleness = np.array([draft.staleness_ms for draft in drafts]) / 1_000
        meter.observe_many("decision_staleness_seconds", staleness)
        if made := [draft for draft in drafts if not draft.ranked.request.peek]:
            self._count(made)

    def _count(self, drafts: Sequence[PendingDecision]) -> None:
        """What was given and held back: a look gives nothing."""
        meter, offers = self._meter, drafts[0].ranked.policy.rulebook.offers
        for offer, count in Counter(offer for draft in drafts for offer in draft.given).items():
            meter.add("offers_given", count, offers[offer].id)
        for reason, count in held_back(drafts).items():
            if count:
                meter.add("offers_suppressed", count, reason.value)
