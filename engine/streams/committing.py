"""One commit: rows, timers, cues and tallies of a batch, sent without waiting for the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.clock import wall_ms
from engine.decide.cues import choose
from engine.errors import Fenced, Unavailable
from engine.ports import Commit, CueChoice, Meter, StreamStore, Timers
from engine.streams.judge import Judge
from engine.streams.lane import Lane
from models.propensity import PropensityTable

NOBODY: NDArray[np.int64] = np.zeros(0, np.int64)

#: Metric -> the tally it counts.
_TALLIED = {
    "stream_events": "events",
    "stream_applied": "applied",
    "stream_duplicates": "duplicates",
    "stream_forwarded": "forwarded",
    "stream_customers": "customers",
}


#: Before an indicator's name, the tally of how often it rose.
RISEN = "risen."


class Committer:
    """Sends commits and takes their answers."""

    def __init__(self, store: StreamStore, meter: Meter, currency: str) -> None:
        self._store = store
        self._meter = meter
        self._currency = currency

    def send(
        self,
        lane: Lane,
        judge: Judge,
        table: PropensityTable,
        touched: NDArray[np.int32],
        rises: NDArray[np.void],
        tallies: dict[str, int],
        end: int,
        received: NDArray[np.int64] = NOBODY,
    ) -> None:
        """Commit the rows `touched` and the offset `end`; what rose becomes cues.

        ``received`` (wall ms) is when the applied events came in, for the freshness figure.
        """
        arena = lane.arena
        changed = touched[judge.timers(arena.rows, touched, arena.timers)]
        commit = Commit(
            partition=lane.partition,
            epoch=lane.epoch,
            expected=lane.next,
            offset=end,
            customers=arena.customers(touched),
            rows=arena.encode(touched),
            timers=Timers(arena.customers(changed), arena.timers[changed].tolist()),
            cues=self._cues(lane, judge, table, rises),
            tallies={**tallies, **_risen(judge, rises)},
            connection=lane.connection,
        )
        lane.next = end
        lane.pending.append(asyncio.ensure_future(self._commit(lane, commit, received)))

    def _cues(self, lane: Lane, judge: Judge, table: PropensityTable, rises: NDArray[np.void]) -> list[CueChoice]:
        """The cues for what rose, by the code that decides over HTTP too."""
        if not len(rises):
            return []
        began, choices = time.perf_counter(), []
        customers = lane.arena.customers(rises["slot"])
        facts = zip(
            customers,
            rises["indicator"].tolist(),
            rises["features"],
            rises["at"].tolist(),
            rises["received_at"].tolist(),
            strict=True,
        )
        for customer, indicator, features, at, received_at in facts:
            choice = choose(
                judge.rulebook,
                table,
                customer,
                indicator,
                features,
                at,
                received_at,
                self._currency,
                lane.partition,
            )
            if choice is not None:
                choices.append(choice)
        self._meter.observe("indicator_seconds", time.perf_counter() - began)
        return choices

    async def _commit(self, lane: Lane, commit: Commit, received: NDArray[np.int64]) -> None:
        began = time.perf_counter()
        try:
            taken = await self._store.commit(commit)
        except Fenced:
            self._meter.add("commits_fenced")
            lane.refused_at = lane.refused_at or time.monotonic()
            lane.failed = True
        except Unavailable:
            lane.failed = True
        except BaseException:  # a fault of ours: `Lane.settle` raises it where the process ends of it
            lane.failed = True
            raise
        else:
            lane.committed = commit.offset
            self._count(commit, taken, time.perf_counter() - began, received)

    def _count(self, commit: Commit, taken: Sequence[int], seconds: float, received: NDArray[np.int64]) -> None:
        meter = self._meter
        meter.observe("commit_seconds", seconds)
        meter.observe_many("freshness_seconds", (wall_ms() - received) / 1_000)
        meter.add("commits")
        meter.add("commit_rows", len(commit.rows))
        for name, tally in _TALLIED.items():
            meter.add(name, commit.tallies.get(tally, 0))
        for tally, count in commit.tallies.items():
            if tally.startswith(RISEN):
                meter.add("indicators_risen", count, tally.removeprefix(RISEN))
        for choice, place in zip(commit.cues, taken, strict=True):
            if place < 0:
                meter.add("cues_capped")
            else:
                meter.add("cues_sent", 1, choice.candidates[place].offer_id)


def _risen(judge: Judge, rises: NDArray[np.void]) -> dict[str, int]:
    """Tallies of what rose, in all and by indicator."""
    indicators = judge.rulebook.indicators
    counts = enumerate(np.bincount(rises["indicator"]).tolist())
    return {"risen": len(rises), **{RISEN + indicators[place].name: count for place, count in counts if count}}
