"""One commit: rows, timers, cues and tallies of a batch, sent without waiting for the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.clock import wall_ms
from engine.decisions.policy import Policy
from engine.decisions.triggers import choose
from engine.errors import Fenced, Unavailable
from engine.ports.meter import Meter
from engine.ports.store import Commit, CueChoice, StreamStore, Timers
from engine.stream.evaluator import IndicatorEvaluator
from engine.stream.partition_state import PartitionState

NOBODY: NDArray[np.int64] = np.zeros(0, np.int64)
NO_IDS: NDArray[np.uint64] = np.zeros(0, np.uint64)

#: Metric -> the tally it counts.
_TALLIED = {
    "stream_events": "events",
    "stream_applied": "applied",
    "stream_duplicates": "duplicates",
    "stream_forwarded": "forwarded",
    "stream_customers": "customers",
}


#: Before an indicator's name, the tally of how often it rose.
ACTIVATED = "risen."


class CommitSender:
    """Sends commits and takes their answers."""

    def __init__(self, store: StreamStore, meter: Meter, currency: str) -> None:
        self._store = store
        self._meter = meter
        self._currency = currency

    def send(
        self,
        partition_state: PartitionState,
        evaluator: IndicatorEvaluator,
        policy: Policy,
        touched: NDArray[np.int32],
        activations: NDArray[np.void],
        tallies: dict[str, int],
        end: int,
        received: NDArray[np.int64] = NOBODY,
        event_ids: NDArray[np.uint64] = NO_IDS,
    ) -> None:
        """Commit the rows `touched` and the offset `end`; activations become cues.

        ``received`` (wall ms) is when the applied events came in, for the freshness figure; ``event_ids`` are the
        hashes of the ids of the events that `activations` counts.
        """
        cache = partition_state.cache
        changed = touched[evaluator.timers(cache.rows, touched, cache.timers)]
        commit = Commit(
            partition=partition_state.partition,
            epoch=partition_state.epoch,
            expected=partition_state.next,
            offset=end,
            customers=cache.customers(touched),
            rows=cache.encode(touched),
            timers=Timers(cache.customers(changed), cache.timers[changed].tolist()),
            cues=self._cues(partition_state, policy, activations, event_ids),
            tallies={**tallies, **_activation_tallies(policy, activations)},
            connection=partition_state.connection,
        )
        partition_state.next = end
        partition_state.pending.append(asyncio.ensure_future(self._commit(partition_state, commit, received)))

    def _cues(
        self,
        partition_state: PartitionState,
        policy: Policy,
        activations: NDArray[np.void],
        event_ids: NDArray[np.uint64],
    ) -> list[CueChoice]:
        """The cues for what was activated, by the funnel that decides over HTTP too."""
        if not len(activations):
            return []
        began = time.perf_counter()
        customers = partition_state.cache.customers(activations["slot"])
        choices = choose(policy, customers, activations, event_ids, self._currency, partition_state.partition)
        self._meter.observe("indicator_seconds", time.perf_counter() - began)
        return choices

    async def _commit(self, partition_state: PartitionState, commit: Commit, received: NDArray[np.int64]) -> None:
        began = time.perf_counter()
        try:
            written = await self._store.commit(commit)
        except Fenced:
            self._meter.add("commits_fenced")
            partition_state.refused_at = partition_state.refused_at or time.monotonic()
            partition_state.failed = True
        except Unavailable:
            partition_state.failed = True
        except BaseException:  # a fault of ours: `PartitionState.settle` raises it where the process ends of it
            partition_state.failed = True
            raise
        else:
            partition_state.committed = commit.offset
            self._count(commit, written, time.perf_counter() - began, received)

    def _count(
        self, commit: Commit, written: Sequence[Sequence[int]], seconds: float, received: NDArray[np.int64]
    ) -> None:
        meter = self._meter
        meter.observe("commit_seconds", seconds)
        meter.observe_many("freshness_seconds", (wall_ms() - received) / 1_000)
        meter.add("commits")
        meter.add("commit_rows", len(commit.rows))
        for name, tally in _TALLIED.items():
            meter.add(name, commit.tallies.get(tally, 0))
        for tally, count in commit.tallies.items():
            if tally.startswith(ACTIVATED):
                meter.add("indicators_risen", count, tally.removeprefix(ACTIVATED))
        for choice, places in zip(commit.cues, written, strict=True):
            if not places:
                meter.add("cues_capped")
            for place in places:
                meter.add("cues_sent", 1, choice.candidates[place].offer_id)


def _activation_tallies(policy: Policy, activations: NDArray[np.void]) -> dict[str, int]:
    """Tallies of what rose, in all and by indicator."""
    indicators = policy.rulebook.indicators
    counts = enumerate(np.bincount(activations["indicator"]).tolist())
    return {
        "risen": len(activations),
        **{ACTIVATED + indicators[place].name: count for place, count in counts if count},
    }
