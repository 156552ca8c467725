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
from engine.decide.cues import choose
from engine.errors import Fenced, TooManyDeadLetters, Unavailable
from engine.kernels.advance import APPLIED, CALLED, DUPLICATE
from engine.kernels.chunks import chunk_end
from engine.ports import Clock, Commit, CueChoice, Meter, StatsStore, StreamStore, Timers
from engine.rulebook.model import Rulebook
from engine.settings import Stream
from engine.streams.arena import Arena
from engine.streams.batch import Batch, Canonical, DeadLetter, Record, decode, words
from engine.streams.judge import Judge
from engine.streams.lane import Lane
from models.propensity import PropensityTable

LEAST_ROWS = 2_048  # of one partition's arena
TIMERS_AT_ONCE = 512

#: Sends (partition, dead letters, records for other partitions); returns once Kafka has them.
SendAside = Callable[[int, Sequence[DeadLetter], Sequence[tuple[bytes, bytes]]], Awaitable[None]]


class Worker:
    """The partitions one process owns, and what is done with their records."""

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
        self.lanes: dict[int, Lane] = {}
        self.table: PropensityTable | None = None
        self._judge: Judge | None = None
        self._settings = settings
        self._topic = topic
        self._partitions = partitions
        self._store = store
        self._stats = stats
        self._clock = clock
        self._meter = meter
        self._send_aside = send_aside
        self._canonical = canonical
        self._currency = currency
        self._known_words: set[int] = set()
        self._recent = (0, 0)  # records and dead letters of the current window
        self._naming: set[asyncio.Task[None]] = set()

    def use(self, rulebook: Rulebook, table: PropensityTable) -> None:
        """Take `rulebook` and `table` into use; batches under way finish with what they began with."""
        if self._judge is None or self._judge.rulebook is not rulebook:
            self._judge = Judge(rulebook)
        self.table = table

    async def own(self, partitions: Sequence[int]) -> dict[int, int]:
        """Claim `partitions`, and no others; returns the offset at which each goes on.

        A partition that nobody else claimed in between keeps its rows.
        """
        before, self.lanes = self.lanes, {}
        for lane in before.values():
            lane.closed = True
        for lane in before.values():
            await lane.drained()
        claims = await asyncio.gather(*(self._store.claim(partition) for partition in partitions))
        limit = max(self._settings.rows_in_memory // max(len(partitions), 1), LEAST_ROWS)
        for partition, claim in zip(partitions, claims, strict=True):
            old = before.get(partition)
            ours = old and not old.failed and old.epoch + 1 == claim.epoch and old.next == claim.offset
            arena = old.arena if old and ours else Arena(limit)
            arena.limit = limit
            self.lanes[partition] = Lane(partition, claim, arena)
        self._meter.set("partitions_owned", len(self.lanes))
        return {partition: lane.next for partition, lane in self.lanes.items()}

    async def release(self, partitions: Sequence[int]) -> None:
        """Let `partitions` go once their commits under way have been answered."""
        for partition in partitions:
            lane = self.lanes.get(partition)
            if lane is not None:
                await lane.drained()

    async def apply(self, fetched: Mapping[int, Sequence[Record]]) -> list[int]:
        """Apply records by partition; returns the partitions that must be fetched again from ``next``.

        Raises `TooManyDeadLetters` before anything of a batch with too many of them is applied.
        """
        again: list[int] = []
        work: list[tuple[Lane, Batch]] = []
        for partition, records in fetched.items():
            lane = self.lanes.get(partition)
            if lane is None or not lane.live:
                continue
            fresh = self._continuing(lane, records)
            if fresh is None:
                again.append(partition)
            elif fresh:
                lane.written_at = fresh[-1].timestamp
                work.append((lane, decode(fresh, partition, self._partitions, self._topic, self._canonical)))
        for lane, batch in work:
            self._watch_dead_letters(batch)
            if batch.dead or batch.forward:
                await self._send_aside(lane.partition, batch.dead, batch.forward)
        await self._bring_in([(lane, batch.customers) for lane, batch in work])
        for lane, batch in work:
            await self._advance(lane, batch)
        return again

    def _continuing(self, lane: Lane, records: Sequence[Record]) -> Sequence[Record] | None:
        """The records from ``lane.next`` on; None when some are missing before the first.

        A fetch that crossed a seek leaves such a hole, and so does a log whose head was deleted or that
        holds transaction markers: a hole seen twice at the same place is one of the log, and is passed.
        """
        if records[0].offset > lane.next:
            if lane.hole_at != lane.next:
                lane.hole_at = lane.next
                return None
            self._meter.add("stream_gaps", records[0].offset - lane.next)
            return records
        if records[0].offset == lane.next:
            return records
        return [record for record in records if record.offset >= lane.next]

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
        self._name(words(batch, self._known_words))
        slots, start = lane.arena.locate(batch.customers), 0
        for stop in self._cuts(slots, len(lane.arena.rows)):
            await lane.room()
            if not lane.live:
                return
            end = int(batch.offsets[stop]) if stop < len(slots) else batch.end
            self._chunk(lane, slots[start:stop], batch.events[start:stop], batch.counts(lane.next, end), end)
            start = stop

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
        assert self._judge is not None
        rows, began = lane.arena.rows, time.perf_counter()
        outcomes, rises = self._judge.advance(rows, slots, events)
        touched = lane.arena.touched(slots, outcomes)
        self._meter.observe("kernel_seconds", time.perf_counter() - began)
        applied = outcomes == APPLIED
        if len(events):
            lane.watermark = max(lane.watermark, int(events["at"].max()))
        tallies["applied"] = int(np.count_nonzero(applied))
        tallies["duplicates"] = int(np.count_nonzero(outcomes == DUPLICATE))
        tallies["customers"] = lane.arena.first_met(touched)
        received = events["received_at"][applied & (events["received_at"] > 0)]
        self._meter.observe_many("row_seconds", (wall_ms() - received) / 1_000)
        self._send(lane, touched, rises, tallies, end, received)

    def _send(
        self,
        lane: Lane,
        touched: NDArray[np.int32],
        rises: NDArray[np.void],
        tallies: dict[str, int],
        end: int,
        received: NDArray[np.int64],
    ) -> None:
        """Send one commit of the rows `touched` and go on without waiting for its answer."""
        assert self._judge is not None
        arena = lane.arena
        changed = touched[self._judge.timers(arena.rows, touched, arena.timers)]
        commit = Commit(
            partition=lane.partition,
            epoch=lane.epoch,
            expected=lane.next,
            offset=end,
            customers=arena.customers(touched),
            rows=arena.encode(touched),
            timers=Timers(arena.customers(changed), arena.timers[changed].tolist()),
            cues=self._cues(lane, rises),
            tallies={**tallies, "risen": len(rises)},
        )
        lane.next = end
        lane.pending.append(asyncio.ensure_future(self._commit(lane, commit, received)))

    def _cues(self, lane: Lane, rises: NDArray[np.void]) -> list[CueChoice]:
        """The cues for what rose, by the code that decides over HTTP too."""
        assert self._judge is not None
        assert self.table is not None
        rulebook, choices, began = self._judge.rulebook, [], time.perf_counter()
        for rise in rises:
            indicator = int(rise["indicator"])
            self._meter.add("indicators_risen", 1, rulebook.indicators[indicator].name)
            choice = choose(
                rulebook,
                self.table,
                lane.arena.customers(rise["slot"].reshape(1))[0],
                indicator,
                rise["features"],
                int(rise["at"]),
                int(rise["received_at"]),
                self._currency,
                lane.partition,
            )
            if choice is not None:
                choices.append(choice)
        if len(rises):
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
        for choice, place in zip(commit.cues, taken, strict=True):
            if place < 0:
                meter.add("cues_capped")
            else:
                meter.add("cues_sent", 1, choice.candidates[place].offer_id)

    def _name(self, new: dict[int, str]) -> None:
        """Let people read the categories: best effort, beside the stream."""
        if new:
            self._known_words.update(new)
            task = asyncio.ensure_future(self._stats.name(new))
            self._naming.add(task)
            task.add_done_callback(self._named)

    def _named(self, task: asyncio.Task[None]) -> None:
        self._naming.discard(task)
        if not task.cancelled() and isinstance(task.exception(), Unavailable):
            self._known_words.clear()  # they are told again when they are next met

    async def tend(self, caught_up: Callable[[int], bool]) -> None:
        """Judge the silence of customers whose timers are due.

        Silence is judged `lateness_ms` behind the clock where a partition has no lag, and behind the
        newest event applied where it has, so a backlog does not look like silence.
        """
        self._gauge(caught_up)
        now, lateness = self._clock.now_ms(), self._settings.lateness_ms
        lanes = [lane for lane in self.lanes.values() if not lane.failed]
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
        if not lane.live or self._judge is None:
            return
        touched = np.unique(lane.arena.locate(customers))
        lane.arena.timers[touched] = CALLED
        rises = self._judge.fire(lane.arena.rows, touched, until)
        self._meter.add("timers_fired", len(touched))
        self._send(lane, touched, rises, {}, lane.next, np.zeros(0, np.int64))

    async def restore(self, still_ours: Callable[[], bool], patience_s: float) -> dict[int, int]:
        """Bring failed lanes back to what the store holds; returns the offsets to fetch them from.

        A lane whose epoch is no longer the store's may belong to another worker: it waits for `patience_s`
        (in which the group would have told us) and claims it again only when it is `still_ours`. That
        happens when the store itself came back older than the claim.
        """
        seeks: dict[int, int] = {}
        for partition, lane in list(self.lanes.items()):
            if not lane.failed:
                continue
            await lane.drained()
            try:
                position = await self._store.position(partition)
                if position.epoch != lane.epoch:
                    lane.refused_at = lane.refused_at or time.monotonic()
                    if time.monotonic() - lane.refused_at < patience_s or not still_ours():
                        continue
                    position = await self._store.claim(partition)
            except Unavailable:
                continue
            if self.lanes.get(partition) is lane:
                self.lanes[partition] = Lane(partition, position, Arena(lane.arena.limit))
                seeks[partition] = position.offset
        return seeks

    async def drain(self) -> None:
        """Wait until everything sent has been answered."""
        for lane in self.lanes.values():
            await lane.drained()


_TALLIED = {
    "stream_events": "events",
    "stream_applied": "applied",
    "stream_duplicates": "duplicates",
    "stream_forwarded": "forwarded",
    "stream_customers": "customers",
}
