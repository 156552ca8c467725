"""The stream core: fetched records to rows, indicators, cues and one atomic commit a batch.

It knows neither Faust nor Redis: records are handed to `apply`, the store is a port. One coroutine
drives it (`apply`, `tend`); only the commits under way run beside that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.clock import wall_ms
from engine.errors import LostLog, TooManyDeadLetters, Unavailable
from engine.kernels.advance import APPLIED, CALLED, DUPLICATE
from engine.kernels.chunks import chunk_end
from engine.ports import Clock, Meter, StatsStore, StreamStore
from engine.rulebook.model import Rulebook
from engine.settings import Stream
from engine.streams.batch import Batch, Canonical, DeadLetter, Record, decode
from engine.streams.committing import Committer
from engine.streams.continuity import continuing
from engine.streams.judge import Judge
from engine.streams.lane import Lane
from engine.streams.naming import Naming
from engine.streams.ownership import Ownership
from models.propensity import PropensityTable

TIMERS_AT_ONCE = 512
NO_SLOTS: NDArray[np.int32] = np.zeros(0, np.int32)

#: Sends (partition, dead letters, records for other partitions); returns once Kafka has them.
SendAside = Callable[[int, Sequence[DeadLetter], Sequence[tuple[bytes, bytes]]], Awaitable[None]]


class Worker:
    """What is done with the records of the partitions that `owned` holds."""

    def __init__(
        self,
        settings: Stream,
        topic: str,
        partitions: int,
        store: StreamStore,
        stats: StatsStore,
        clock: Clock,
        meter: Meter,
        send_aside: SendAside,
        canonical: Canonical,
        currency: str = "€",
    ) -> None:
        self.owned = Ownership(store, settings.rows_in_memory, meter)
        self._use: tuple[Judge, PropensityTable] | None = None
        self._committer = Committer(store, meter, currency)
        self._settings = settings
        self._topic = topic
        self._partitions = partitions
        self._store = store
        self._clock = clock
        self._meter = meter
        self._send_aside = send_aside
        self._canonical = canonical
        self._recent = (0, 0)  # records and dead letters of the current window
        self._naming = Naming(stats)

    @property
    def lanes(self) -> Mapping[int, Lane]:
        """The owned partitions."""
        return self.owned.lanes

    def use(self, rulebook: Rulebook, table: PropensityTable) -> None:
        """Take `rulebook` and `table` into use; a batch under way finishes with what it began with."""
        judge = self._use[0] if self._use and self._use[0].rulebook is rulebook else Judge(rulebook)
        self._use = (judge, table)

    async def apply(self, fetched: Mapping[int, Sequence[Record]]) -> dict[int, int]:
        """Apply records by partition; returns partitions that must be fetched again, and from where.

        Raises `TooManyDeadLetters` before anything of a batch with too many of them is applied, and
        `LostLog`. Not before `use`.
        """
        self.owned.distrust()
        again: dict[int, int] = {}
        work: list[tuple[Lane, Batch]] = []
        for partition, records in fetched.items():
            lane = self.lanes.get(partition)
            if lane is None or not lane.live:
                continue
            fresh = self._continuing(lane, records)
            if fresh is None:
                again[partition] = lane.next
            else:
                lane.written_at = fresh[-1].timestamp
                work.append((lane, decode(fresh, partition, self._partitions, self._topic, self._canonical)))
        for lane, batch in work:
            self._watch_dead_letters(batch)
            await self._put_aside(lane, batch)
        await self._bring_in([(lane, batch.customers) for lane, batch in work])
        for lane, batch in work:
            await self._advance(lane, batch)
        return again

    def _continuing(self, lane: Lane, records: Sequence[Record]) -> Sequence[Record] | None:
        try:
            return continuing(lane, records, self._meter)
        except LostLog:
            if self._settings.lost_log == "stop":
                raise
        judge, table = self._in_use()
        first = records[0].offset
        self._meter.add("stream_gaps", lane.next - first)
        self._committer.send(lane, judge, table, NO_SLOTS, judge.nothing, {}, first)
        return records

    def _in_use(self) -> tuple[Judge, PropensityTable]:
        if self._use is None:
            raise RuntimeError("no rulebook is in use: call `use` first")
        return self._use

    async def _put_aside(self, lane: Lane, batch: Batch) -> None:
        """Dead letters and strangers go to Kafka before the offset passes them."""
        if batch.dead or batch.forward:
            try:
                await self._send_aside(lane.partition, batch.dead, batch.forward)
            except Unavailable:
                lane.failed = True

    def _watch_dead_letters(self, batch: Batch) -> None:
        records, dead = self._recent
        records, dead = records + batch.records, dead + len(batch.dead)
        window = self._settings.dead_letter_window
        if records >= window:
            if dead > self._settings.dead_letter_ratio * records:
                raise TooManyDeadLetters(
                    f"{dead} of the last {records} records of {self._topic} cannot be applied "
                    f"(limit {self._settings.dead_letter_ratio:.0%}); the last: "
                    f"{batch.dead[-1].detail if batch.dead else 'earlier'}"
                )
            records, dead = 0, 0
        self._recent = (records, dead)

    async def _bring_in(self, wanted: Sequence[tuple[Lane, Sequence[bytes]]]) -> None:
        """Read the rows that memory lacks, of all lanes at once."""
        reads = []
        for lane, customers in wanted:
            found = lane.arena.locate(customers)
            absent = list(dict.fromkeys(customers[i] for i in np.flatnonzero(found < 0).tolist()))
            if absent:
                reads.append((lane, absent, asyncio.ensure_future(self._store.read(lane.partition, absent))))
        for lane, absent, read in reads:
            try:
                stored = await read
            except Unavailable:
                lane.failed = True
                continue
            if lane.live:
                before = lane.arena.evictions
                lane.arena.place(absent, stored)
                self._meter.add("rows_read", len(absent))
                self._meter.add("arena_evictions", lane.arena.evictions - before)

    async def _advance(self, lane: Lane, batch: Batch) -> None:
        if not lane.live:
            return
        self._naming.tell(batch)
        slots, start = lane.arena.locate(batch.customers), 0
        for stop in self._cuts(slots, len(lane.arena.rows)):
            await lane.room()
            if not lane.live:
                return
            end = int(batch.offsets[stop]) if stop < len(slots) else batch.end
            self._chunk(lane, slots[start:stop], batch.events[start:stop], batch.counts(lane.next, end), end)
            start = stop
        lane.watermark = max(lane.watermark, batch.watermark)

    def _cuts(self, slots: NDArray[np.int32], capacity: int) -> list[int]:
        """Ends of the runs of events that are committed together."""
        most, ends = self._settings.rows_per_commit, []
        if len(slots) > most:
            stamps, stop = np.zeros(capacity, np.int64), 0
            while (stop := chunk_end(slots, stop, most, stamps)) < len(slots):
                ends.append(stop)
        return [*ends, len(slots)]

    def _chunk(
        self,
        lane: Lane,
        slots: NDArray[np.int32],
        events: NDArray[np.void],
        tallies: dict[str, int],
        end: int,
    ) -> None:
        """Run the kernels over events of one commit and send it."""
        judge, table = self._in_use()
        rows, began = lane.arena.rows, time.perf_counter()
        outcomes, rises = judge.advance(rows, slots, events)
        touched = lane.arena.touched(slots, outcomes)
        self._meter.observe("kernel_seconds", time.perf_counter() - began)
        applied = outcomes == APPLIED
        tallies["applied"] = int(np.count_nonzero(applied))
        tallies["duplicates"] = int(np.count_nonzero(outcomes == DUPLICATE))
        tallies["customers"] = lane.arena.first_met(touched)
        received = events["received_at"][applied & (events["received_at"] > 0)]
        self._meter.observe_many("row_seconds", (wall_ms() - received) / 1_000)
        self._committer.send(lane, judge, table, touched, rises, tallies, end, received)

    async def tend(self, caught_up: Callable[[int], bool]) -> None:
        """Judge the silence of customers whose timers are due.

        Silence is judged `lateness_ms` behind the clock where a partition has no lag, and behind the
        newest event applied where it has, so a backlog does not look like silence.
        """
        self._gauge(caught_up)
        now, lateness = self._clock.now_ms(), self._settings.lateness_ms
        self.owned.distrust()
        lanes = [lane for lane in self.lanes.values() if lane.live]
        until = {
            lane.partition: (now if caught_up(lane.partition) else min(now, lane.watermark)) - lateness
            for lane in lanes
        }
        found = await asyncio.gather(
            *(self._store.due(lane.partition, until[lane.partition], TIMERS_AT_ONCE) for lane in lanes),
            return_exceptions=True,
        )
        due = [(lane, customers) for lane, customers in zip(lanes, found, strict=True) if customers]
        for lane, customers in due:
            if isinstance(customers, BaseException):
                if not isinstance(customers, Unavailable):
                    raise customers
                lane.failed = True
        ready = [(lane, customers) for lane, customers in due if not isinstance(customers, BaseException)]
        await self._bring_in(ready)
        for lane, customers in ready:
            await self._fire(lane, customers, until[lane.partition])

    def _gauge(self, caught_up: Callable[[int], bool]) -> None:
        """Rows held, and how old what waits is at the most: no older than the newest record handled."""
        behind = [lane.written_at for lane in self.lanes.values() if not caught_up(lane.partition)]
        self._meter.set("lag_seconds", max(wall_ms() - min(behind), 0) / 1_000 if behind else 0)
        self._meter.set("arena_rows", sum(len(lane.arena) for lane in self.lanes.values()))

    async def _fire(self, lane: Lane, customers: Sequence[bytes], until: int) -> None:
        await lane.room()
        if not lane.live:
            return
        judge, table = self._in_use()
        slots = lane.arena.locate(customers)
        lane.arena.timers[slots] = CALLED
        rises = judge.fire(lane.arena.rows, slots, until)
        self._meter.add("timers_fired", len(slots))
        self._committer.send(lane, judge, table, slots, rises, {}, lane.next)
