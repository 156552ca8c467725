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
from engine.decisions.policy import Policy
from engine.errors import LostLog, TooManyDeadLetters, Unavailable
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.chunks import chunk_end
from engine.kernels.timers import CALLED
from engine.ports.clock import Clock
from engine.ports.kafka import DeadLetter, KafkaRecord
from engine.ports.meter import Meter
from engine.ports.sources import Sources
from engine.ports.store import StatsStore, StreamStore
from engine.settings import Stream
from engine.stream.commit import CommitSender
from engine.stream.decode import DecodedBatch, decode
from engine.stream.dictionary import WordDictionary
from engine.stream.evaluator import IndicatorEvaluator
from engine.stream.offset_check import continuing
from engine.stream.ownership import Ownership
from engine.stream.partition_state import PartitionState

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
        sources: Sources,
        currency: str = "€",
    ) -> None:
        self.owned = Ownership(store, settings.rows_in_memory, meter)
        self._use: tuple[IndicatorEvaluator, Policy] | None = None
        self._committer = CommitSender(store, meter, currency)
        self._settings = settings
        self._topic = topic
        self._partitions = partitions
        self._store = store
        self._clock = clock
        self._meter = meter
        self._send_aside = send_aside
        self._sources = sources
        self._recent = (0, 0)  # records and dead letters of the current window
        self._naming = WordDictionary(stats)

    @property
    def partition_states(self) -> Mapping[int, PartitionState]:
        """The owned partitions."""
        return self.owned.partition_states

    def use(self, policy: Policy) -> None:
        """Take `policy` into use; a commit under way finishes with what it began with."""
        evaluator = self._use[0] if self._use else None
        if evaluator is None or evaluator.rulebook is not policy.rulebook:
            evaluator = IndicatorEvaluator(policy.rulebook)
        self._use = (evaluator, policy)

    async def apply(self, fetched: Mapping[int, Sequence[KafkaRecord]]) -> dict[int, int]:
        """Apply records by partition; returns partitions that must be fetched again, and from where.

        Raises `TooManyDeadLetters` before anything of a batch with too many of them is applied, and
        `LostLog`. Not before `use`.
        """
        self.owned.distrust()
        again: dict[int, int] = {}
        work: list[tuple[PartitionState, DecodedBatch]] = []
        for partition, records in fetched.items():
            partition_state = self.partition_states.get(partition)
            if partition_state is None or not partition_state.live:
                continue
            fresh = self._continuing(partition_state, records)
            if fresh is None:
                again[partition] = partition_state.next
            else:
                partition_state.written_at = fresh[-1].timestamp
                work.append(
                    (partition_state, decode(fresh, partition, self._partitions, self._topic, self._sources))
                )
        for partition_state, batch in work:
            self._watch_dead_letters(batch)
            await self._put_aside(partition_state, batch)
        await self._bring_in([(partition_state, batch.customers) for partition_state, batch in work])
        for partition_state, batch in work:
            await self._advance(partition_state, batch)
        return again

    def _continuing(
        self, partition_state: PartitionState, records: Sequence[KafkaRecord]
    ) -> Sequence[KafkaRecord] | None:
        try:
            return continuing(partition_state, records, self._meter)
        except LostLog:
            if self._settings.lost_log == "stop":
                raise
        evaluator, policy = self._in_use()
        first = records[0].offset
        self._meter.add("stream_gaps", partition_state.next - first)
        self._committer.send(partition_state, evaluator, policy, NO_SLOTS, evaluator.nothing, {}, first)
        return records

    def _in_use(self) -> tuple[IndicatorEvaluator, Policy]:
        if self._use is None:
            raise RuntimeError("no policy is in use: call `use` first")
        return self._use

    async def _put_aside(self, partition_state: PartitionState, batch: DecodedBatch) -> None:
        """Dead letters and strangers go to Kafka before the offset passes them."""
        if batch.dead or batch.forward:
            try:
                await self._send_aside(partition_state.partition, batch.dead, batch.forward)
            except Unavailable:
                partition_state.failed = True

    def _watch_dead_letters(self, batch: DecodedBatch) -> None:
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

    async def _bring_in(self, wanted: Sequence[tuple[PartitionState, Sequence[bytes]]]) -> None:
        """Read the rows that memory lacks, of all lanes at once."""
        reads = []
        for partition_state, customers in wanted:
            found = partition_state.cache.locate(customers)
            absent = list(dict.fromkeys(customers[i] for i in np.flatnonzero(found < 0).tolist()))
            if absent:
                reads.append(
                    (
                        partition_state,
                        absent,
                        asyncio.ensure_future(self._store.read(partition_state.partition, absent)),
                    )
                )
        for partition_state, absent, read in reads:
            try:
                stored = await read
            except Unavailable:
                partition_state.failed = True
                continue
            if partition_state.live:
                before = partition_state.cache.evictions
                partition_state.cache.place(absent, stored)
                self._meter.add("rows_read", len(absent))
                self._meter.add("arena_evictions", partition_state.cache.evictions - before)

    async def _advance(self, partition_state: PartitionState, batch: DecodedBatch) -> None:
        if not partition_state.live:
            return
        self._naming.tell(batch)
        slots, start = partition_state.cache.locate(batch.customers), 0
        for stop in self._cuts(slots, len(partition_state.cache.rows)):
            await partition_state.room()
            if not partition_state.live:
                return
            end = int(batch.offsets[stop]) if stop < len(slots) else batch.end
            self._chunk(
                partition_state,
                slots[start:stop],
                batch.events[start:stop],
                batch.counts(partition_state.next, end),
                end,
            )
            start = stop
        partition_state.watermark = max(partition_state.watermark, batch.watermark)

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
        partition_state: PartitionState,
        slots: NDArray[np.int32],
        events: NDArray[np.void],
        tallies: dict[str, int],
        end: int,
    ) -> None:
        """Run the kernels over events of one commit and send it."""
        evaluator, policy = self._in_use()
        rows, began = partition_state.cache.rows, time.perf_counter()
        outcomes, activations = evaluator.advance(rows, slots, events)
        touched = partition_state.cache.touched(slots, outcomes)
        self._meter.observe("kernel_seconds", time.perf_counter() - began)
        applied = outcomes == APPLIED
        tallies["applied"] = int(np.count_nonzero(applied))
        tallies["duplicates"] = int(np.count_nonzero(outcomes == DUPLICATE))
        tallies["customers"] = partition_state.cache.first_met(touched)
        received = events["received_at"][applied & (events["received_at"] > 0)]
        self._meter.observe_many("row_seconds", (wall_ms() - received) / 1_000)
        self._committer.send(
            partition_state, evaluator, policy, touched, activations, tallies, end, received, events["id"]
        )

    async def tend(self, caught_up: Callable[[int], bool]) -> None:
        """Judge the silence of customers whose timers are due.

        Silence is judged `lateness_ms` behind the clock where a partition has no lag, and behind the
        newest event applied where it has, so a backlog does not look like silence.
        """
        self._gauge(caught_up)
        now, lateness = self._clock.now_ms(), self._settings.lateness_ms
        self.owned.distrust()
        partition_states = [
            partition_state for partition_state in self.partition_states.values() if partition_state.live
        ]
        until = {
            partition_state.partition: (
                now if caught_up(partition_state.partition) else min(now, partition_state.watermark)
            )
            - lateness
            for partition_state in partition_states
        }
        found = await asyncio.gather(
            *(
                self._store.due(partition_state.partition, until[partition_state.partition], TIMERS_AT_ONCE)
                for partition_state in partition_states
            ),
            return_exceptions=True,
        )
        due = [
            (partition_state, customers)
            for partition_state, customers in zip(partition_states, found, strict=True)
            if customers
        ]
        for partition_state, customers in due:
            if isinstance(customers, BaseException):
                if not isinstance(customers, Unavailable):
                    raise customers
                partition_state.failed = True
        ready = [
            (partition_state, customers)
            for partition_state, customers in due
            if not isinstance(customers, BaseException)
        ]
        await self._bring_in(ready)
        for partition_state, customers in ready:
            await self._fire(partition_state, customers, until[partition_state.partition])

    def _gauge(self, caught_up: Callable[[int], bool]) -> None:
        """Rows held, and how old what waits is at the most: no older than the newest record handled."""
        behind = [
            partition_state.written_at
            for partition_state in self.partition_states.values()
            if not caught_up(partition_state.partition)
        ]
        self._meter.set("lag_seconds", max(wall_ms() - min(behind), 0) / 1_000 if behind else 0)
        self._meter.set(
            "arena_rows", sum(len(partition_state.cache) for partition_state in self.partition_states.values())
        )

    async def _fire(self, partition_state: PartitionState, customers: Sequence[bytes], until: int) -> None:
        await partition_state.room()
        if not partition_state.live:
            return
        evaluator, policy = self._in_use()
        slots = partition_state.cache.locate(customers)
        partition_state.cache.timers[slots] = CALLED
        activations = evaluator.fire(partition_state.cache.rows, slots, until)
        self._meter.add("timers_fired", len(slots))
        self._committer.send(partition_state, evaluator, policy, slots, activations, {}, partition_state.next)
