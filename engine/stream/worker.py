"""The stream core: micro-batches of records to rows, indicators, cues and one atomic commit each.

It knows neither Faust nor Redis: records are passed to `apply`, the store is a port. One coroutine
drives it (`apply`, `fire_timers`); only commits in flight run concurrently.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.clock import wall_ms
from engine.decisions.policy import Policy
from engine.errors import LostLog, Unavailable
from engine.identity.erased_ids import ErasedIds
from engine.ports.clock import Clock
from engine.ports.kafka import DeadLetter
from engine.ports.meter import Meter
from engine.ports.records import FetchedRecords
from engine.ports.sources import Sources
from engine.ports.stats_store import StatsStore
from engine.ports.stream_store import StreamStore
from engine.settings import Stream
from engine.stream.advancing import Advancing
from engine.stream.commit import NO_POST, CommitSender
from engine.stream.debts import Debts
from engine.stream.decode import decode
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.delivery import PostChanges
from engine.stream.dictionary import NameDictionary
from engine.stream.erasures import Erasures
from engine.stream.held_commits import HeldCommits
from engine.stream.intake import IntakeCheck
from engine.stream.offset_check import next_records
from engine.stream.ownership import Ownership
from engine.stream.partition_state import PartitionState
from engine.stream.post_office import PostOffice
from engine.stream.prepared_policy import PreparedPolicy
from engine.stream.row_loader import RowLoader
from engine.stream.sweep import Sweep
from engine.stream.timer_round import TimerRound

NO_SLOTS: NDArray[np.int32] = np.zeros(0, np.int32)

#: Sends (partition, dead letters, records for other partitions); returns once Kafka has them.
SendSideOutput = Callable[[int, Sequence[DeadLetter], Sequence[tuple[bytes, bytes]]], Awaitable[None]]


class Worker:
    """Processes the records of the partitions in `owned`."""

    def __init__(
        self,
        settings: Stream,
        topic: str,
        partitions: int,
        store: StreamStore,
        stats: StatsStore,
        clock: Clock,
        meter: Meter,
        send_side_output: SendSideOutput,
        sources: Sources,
        currency: str = "€",
        office: PostOffice | None = None,
        erased_ids: ErasedIds | None = None,
    ) -> None:
        self.owned = Ownership(store, settings.rows_in_memory, meter)
        self._in_use = PreparedPolicy()
        self._committer = CommitSender(store, meter, currency)
        self._settings = settings
        self._topic = topic
        self._partitions = partitions
        self._store = store
        self._clock = clock
        self._meter = meter
        self._send_side_output = send_side_output
        self._sources = sources
        self._rows = RowLoader(store, meter)
        self._intake = IntakeCheck(settings, store, meter)
        self._office = office or PostOffice(store, meter, partitions)
        self._dictionary = NameDictionary(stats)
        self._erasures = Erasures(store, clock.now_ms, erased_ids or ErasedIds())
        self._sweep = Sweep(store, self._committer, clock.now_ms, settings.sweep_per_second)
        self._advancing = Advancing(
            settings.rows_per_commit,
            meter,
            self._in_use,
            self._committer,
            self._office,
            self._erasures,
            self._dictionary,
            store,
        )
        debts = Debts(store, self._office)
        self._timers = TimerRound(store, meter, self._rows, self._committer, self._in_use, debts)

    @property
    def states(self) -> Mapping[int, PartitionState]:
        """The owned partitions."""
        return self.owned.states

    def use(self, policy: Policy) -> None:
        """Take `policy` into use; a commit in flight finishes with the one it began with."""
        self._in_use.take(policy)

    async def follow_store(self) -> None:
        """Take over what changed in the store beside the stream: to be called once a second. Raises `Unavailable`,
        and `BadState` where an offset is none any more."""
        await self.owned.check_epochs()
        await self._intake.follow(self.states)
        await self._dictionary.renew(self._store.connections)

    @property
    def paused(self) -> Mapping[int, str]:
        """Partitions that take no records for now, and why."""
        return {p: state.pause.reason for p, state in self.states.items() if state.pause and state.live}

    async def apply(self, fetched: Mapping[int, FetchedRecords]) -> dict[int, int]:
        """Apply records by partition; returns partitions that must be fetched again, and from where: those that
        take none for now, too. Raises `LostLog`. Not before `use`.
        """
        self.owned.check_connection()
        ours = [state for p in fetched if (state := self.states.get(p)) and state.live]
        await self._intake.look(ours)
        await self._office.look(ours)
        await self._erasures.look(ours)
        again: dict[int, int] = {}
        work: list[tuple[PartitionState, DecodedBatch, PostChanges]] = []
        for partition, records in fetched.items():
            state = self.states.get(partition)
            if state is None or not state.live:
                continue
            if state.pause:
                again[partition] = state.next
                continue
            fresh = await self._next_records(state, records)
            if fresh is None:
                again[partition] = state.next
            else:
                batch = self._decoded(fresh, state)
                if await self._intake.admits(state, batch):
                    state.newest_record_at = batch.newest_at or state.newest_record_at
                    work.append((state, *self._office.sort(state, batch)))
                else:
                    again[partition] = state.next
        for state, batch, _ in work:
            for reason, count in batch.warned.items():
                self._meter.add("stream_warned", count, reason)
            await self._divert(state, batch)
        slots = await self._rows.load([(state, batch.customers) for state, batch, _ in work])
        held = HeldCommits()
        for (state, batch, changes), its in zip(work, slots, strict=True):
            await self._advancing.run(state, batch, its, changes, held)
        await held.deliver(self._office, self._committer)
        return again

    def _decoded(self, records: FetchedRecords, state: PartitionState) -> DecodedBatch:
        """Links are followed where the partition mails, whatever the settings are: what is mailed follows from
        the log."""
        seal, follows = self._office.seal, state.ledger is not None and state.ledger.mails_from is not None
        return decode(
            records, state.partition, self._partitions, self._topic, self._sources, seal, links_followed=follows
        )

    async def _next_records(self, state: PartitionState, records: FetchedRecords) -> FetchedRecords | None:
        """What of `records` is applied next; None: they must be fetched again, or what precedes all mail was not
        stored."""
        ledger, fields = state.ledger, NO_POST
        try:
            if next_records(state, records, self._meter) is None:
                return None
        except LostLog:
            if self._settings.lost_log == "stop" or ledger is None:
                raise
            self._meter.add("stream_gaps", state.next - records.start)
            fields = ledger.restart(state.epoch)
        if ledger is not None and self._office.begins(state):
            fields = {**fields, **ledger.begin(records.start)}
        if fields:
            await self._store_post(state, records.start, fields)
        return records if state.live else None

    async def _store_post(self, state: PartitionState, offset: int, fields: Mapping[str, str]) -> None:
        """Commit `offset` and `fields` of the ledger alone: they are stored then, or the partition has failed."""
        evaluator, policy = self._in_use.get()
        nothing = evaluator.nothing
        commit = self._committer.prepare(state, evaluator, policy, NO_SLOTS, nothing, {}, offset, post=fields)
        self._committer.send(state, commit)
        await state.drained()

    async def _divert(self, state: PartitionState, batch: DecodedBatch) -> None:
        """Write dead letters and misplaced events to Kafka before the offset passes them."""
        if batch.dead or batch.forward:
            try:
                await self._send_side_output(state.partition, batch.dead, batch.forward)
            except Unavailable:
                state.failed = True

    async def fire_timers(self, caught_up: Callable[[int], bool]) -> None:
        """Fire the inactivity timers that are due.

        Their watermark is `lateness_ms` behind the clock where a partition has caught up, and behind the
        newest event applied where it has lag, so that a backlog does not look like inactivity.
        """
        self._gauge(caught_up)
        now, lateness = self._clock.now_ms(), self._settings.lateness_ms
        self.owned.check_connection()
        live = [state for state in self.states.values() if state.live]
        await self._timers.fire(
            live, lambda one: (now if caught_up(one.partition) else min(now, one.watermark)) - lateness
        )
        await self._sweep.go_on(self.states, time.monotonic())

    def _gauge(self, caught_up: Callable[[int], bool]) -> None:
        """Set the gauges: rows cached, holes in the mail, and the age of the lag, at most that of the newest
        record handled."""
        self._office.gauge(self.states.values())
        behind = [state.newest_record_at for state in self.states.values() if not caught_up(state.partition)]
        self._meter.set("lag_seconds", max(wall_ms() - min(behind), 0) / 1_000 if behind else 0)
        self._meter.set("arena_rows", sum(len(state.cache) for state in self.states.values()))
