"""One commit: rows, timers, cues and tallies of a micro-batch, pipelined without waiting for the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.clock import wall_ms
from engine.decisions.policy import Policy
from engine.decisions.triggers import choose
from engine.errors import Fenced, Unavailable
from engine.ports.meter import Meter
from engine.ports.stream_store import (
    UNCONSENTED,
    Commit,
    CueChoice,
    CustomerConsent,
    Erasure,
    HistoryChange,
    NewIds,
    StreamStore,
    Timers,
)
from engine.ports.traits import TraitChange
from engine.stream.evaluator import IndicatorEvaluator
from engine.stream.partition_state import PartitionState

NOBODY: NDArray[np.int64] = np.zeros(0, np.int64)
NO_IDS: NDArray[np.uint64] = np.zeros(0, np.uint64)
NO_POST: Mapping[str, str] = {}

#: Metric -> the tally it counts.
_TALLIED = {
    "stream_events": "events",
    "stream_applied": "applied",
    "stream_duplicates": "duplicates",
    "stream_forwarded": "forwarded",
    "stream_tombstones": "tombstones",
    "stream_customers": "customers",
    "stream_erased": "erased",
    "stream_forgotten": "forgotten",
}


#: Prefix of an indicator's name in the tally of its activations.
ACTIVATED = "risen."


class PreparedCommit(msgspec.Struct, frozen=True):
    """A commit that may be sent, and when the events it applies were received (wall ms)."""

    commit: Commit
    received: NDArray[np.int64]


class CommitSender:
    """Sends commits and takes their answers."""

    def __init__(self, store: StreamStore, meter: Meter, currency: str) -> None:
        self._store = store
        self._meter = meter
        self._currency = currency

    def prepare(
        self,
        state: PartitionState,
        evaluator: IndicatorEvaluator,
        policy: Policy,
        touched: NDArray[np.int32],
        activations: NDArray[np.void],
        tallies: dict[str, int],
        end: int,
        received: NDArray[np.int64] = NOBODY,
        event_ids: NDArray[np.uint64] = NO_IDS,
        post: Mapping[str, str] = NO_POST,
        consents: Sequence[CustomerConsent] = (),
        erased: Sequence[Erasure] = (),
        traits: Sequence[TraitChange] = (),
        histories: Sequence[HistoryChange] = (),
        ids: Sequence[NewIds] = (),
    ) -> PreparedCommit:
        """A commit of the rows `touched` and the offset `end`; activations become cues.

        It must be sent in its turn, or the partition has failed. ``received`` (wall ms) is when the applied events
        were received, for the freshness metric; ``event_ids`` are the hashes of the ids of the events that
        `activations` counts; ``post`` are the fields of the ledger that change; ``consents`` come after the cues;
        ``traits`` are words about customers, ``histories`` what becomes of theirs, ``ids`` those that became them.
        """
        cache = state.cache
        changed = touched[evaluator.timers(cache.rows, touched, cache.timers) | cache.call_debtors(touched)]
        commit = Commit(
            partition=state.partition,
            epoch=state.epoch,
            expected=state.next,
            offset=end,
            customers=cache.customers(touched),
            rows=cache.encode(touched),
            timers=Timers(cache.customers(changed), cache.timers[changed].tolist()),
            cues=self._cues(state, policy, activations, event_ids),
            tallies={**tallies, **_activation_tallies(policy, activations)},
            connection=state.connection,
            post=post,
            consents=consents,
            erased=erased,
            traits=traits,
            histories=histories,
            ids=ids,
        )
        state.next = end
        return PreparedCommit(commit, received)

    def send(self, state: PartitionState, prepared: PreparedCommit) -> None:
        """Send it without waiting for the answer."""
        commit, received = prepared.commit, prepared.received
        state.pending.append(asyncio.ensure_future(self._commit(state, commit, received)))

    def _cues(
        self,
        state: PartitionState,
        policy: Policy,
        activations: NDArray[np.void],
        event_ids: NDArray[np.uint64],
    ) -> list[CueChoice]:
        """The cues for what was activated, by the funnel that decides over HTTP too."""
        if not len(activations):
            return []
        began = time.perf_counter()
        customers = state.cache.customers(activations["slot"])
        choices = choose(policy, customers, activations, event_ids, self._currency, state.partition)
        self._meter.observe("indicator_seconds", time.perf_counter() - began)
        return choices

    async def _commit(self, state: PartitionState, commit: Commit, received: NDArray[np.int64]) -> None:
        began = time.perf_counter()
        try:
            written = await self._store.commit(commit)
        except Fenced:
            self._meter.add("commits_fenced")
            state.refused_at = state.refused_at or time.monotonic()
            state.failed = True
        except Unavailable:
            state.failed = True
        except BaseException:  # a bug: `PartitionState.settle` raises it and the process ends
            state.failed = True
            raise
        else:
            state.committed = commit.offset
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
            elif places[0] == UNCONSENTED:
                meter.add("cues_unconsented")
                continue
            for place in places:
                meter.add("cues_sent", 1, choice.candidates[place].offer_id)


def _activation_tallies(policy: Policy, activations: NDArray[np.void]) -> dict[str, int]:
    """Tallies of activations, in total and by indicator."""
    indicators = policy.rulebook.indicators
    counts = enumerate(np.bincount(activations["indicator"]).tolist())
    return {
        "risen": len(activations),
        **{ACTIVATED + indicators[place].name: count for place, count in counts if count},
    }
