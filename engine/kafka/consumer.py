"""Faust's consumer with a drain loop that passes micro-batches to the stream core.

Stock Faust moves one message at a time through four futures, a lock and a queue. Here `_drain_messages`
passes the fetched batches of the events topic to `Worker.apply`; every other topic is delivered as in stock
Faust, so agents work on it. Some of the names used are private to Faust: ``tests/contracts/test_faust_names.py``
fails when one of them moves, and the dependency is pinned to a minor version.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport, ensure_aiokafka_TP
from faust.types import TP

from engine.kafka import record_batches
from engine.ports.kafka import LagMonitor, MicroBatchHandler, PartitionProgress

log = logging.getLogger("cueline.worker")

FETCH_WAIT_S = 0.1  # of an idle fetch, between two checks of the timers
TIMERS_EVERY_S = 0.25
ENDS_EVERY_S = 5.0
ENDS_TIMEOUT_S = 10.0
RESTORE_EVERY_S = 0.2


class Core(Protocol):
    """What the consumer finds on its Faust app as ``app.core``."""

    worker: MicroBatchHandler
    watch: LagMonitor
    topic: str
    patience_s: float
    fetch_wait_ms: int

    def alive(self) -> None:
        """Called after every iteration of the drain loop: liveness."""


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread, with our own limit on how long a fetch may wait."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust asks brokers to wait 1.5 s; tansu does so although records have arrived
        core = cast(Any, self.app).core
        consumer._fetch_max_wait_ms = core.fetch_wait_ms
        # an aborted transaction did not happen, and an open one not yet; Faust asks so in one of its own only
        consumer._isolation_level = "read_committed"
        record_batches.install(core.topic)
        return consumer


class BatchConsumer(Consumer):
    """Drains the events topic in micro-batches; resumes from the offsets in Redis, not in Kafka."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ends: Mapping[int, int] = {}  # by partition, as last fetched from the broker
        self._refreshing = False
        self._held: set[int] = set()  # partitions of which nothing is fetched

    @property
    def _core(self) -> Core:
        return cast(Core, cast(Any, self.app).core)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        core = self._core
        fired = refreshed = restored = 0.0
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            try:
                records, _ = await self._wait_next_records(FETCH_WAIT_S)
            except self.consumer_stopped_errors:
                return
            if self.should_stop:
                return
            if records and self.flow_active:
                await self._apply(core, records)
            await self._hold(core)
            now = time.monotonic()
            if now - restored >= RESTORE_EVERY_S:
                restored = now
                self._seek_all(core, await core.worker.owned.restore(self._still_ours, core.patience_s))
            if now - fired >= TIMERS_EVERY_S and self.flow_active:
                fired = now
                await core.worker.fire_timers(lambda p: self._caught_up(core, p))
                core.watch.look(self._lags(core), now, core.worker.paused)
            if now - refreshed >= ENDS_EVERY_S and self.flow_active and not self._refreshing:
                refreshed = now
                self.add_future(self._refresh_ends(core))
            core.alive()

    async def _apply(self, core: Core, records: Mapping[Any, Any]) -> None:
        ours = {tp.partition: batch for tp, batch in records.items() if tp.topic == core.topic and len(batch)}
        if ours:
            self._seek_all(core, await core.worker.apply(ours))
        for tp, batch in records.items():
            if tp.topic != core.topic:
                await self._deliver_to_agents(tp, batch)

    async def _hold(self, core: Core) -> None:
        """Fetch nothing of partitions that are paused; go on where the others stand."""
        paused = set(core.worker.paused)
        if paused == self._held or not self._still_ours():
            return
        states = core.worker.states
        self._seek_all(
            core, {partition: states[partition].next for partition in self._held - paused & states.keys()}
        )
        consumer = self._thread._ensure_consumer()
        await self._thread.call_thread(_fetch_only, consumer, core.topic, paused - self._held, self._held - paused)
        self._held = paused

    async def _deliver_to_agents(self, tp: Any, batch: Sequence[Any]) -> None:
        """Deliver each message as stock Faust does; agents acknowledge them."""
        generation = self.app.consumer_generation_id
        for record in batch:
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            read = self._read_offset[tp]
            if read is not None and record.offset < read:
                continue
            if read and record.offset - read > 1 and self.app.topics.acks_enabled_for(tp.topic):
                await self._add_gap(tp, read + 1, record.offset)
            message = self._to_message(tp, record)
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
            self._read_offset[tp] = record.offset

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Start from the right offsets after a rebalance: other topics from Kafka's, events from the store's."""
        core = self._core
        thread, assigned = self._thread, self.assignment()
        others = [ensure_aiokafka_TP(tp) for tp in assigned if tp.topic != core.topic]
        committed: dict[Any, int] = {}
        if others:
            committed = dict(await thread.call_thread(thread._ensure_consumer().seek_to_committed, *others))
        ours = sorted(tp.partition for tp in assigned if tp.topic == core.topic)
        self._ends, self._held = {}, set()
        offsets = await core.worker.owned.own(ours)
        self._seek_all(core, offsets)
        core.watch.begin()
        committed.update({TP(core.topic, partition): offset for partition, offset in offsets.items()})
        return committed

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """Finish the commits in flight before another worker may claim the partitions."""
        core = self._core
        await core.worker.owned.release([tp.partition for tp in revoked if tp.topic == core.topic])
        await super().on_partitions_revoked(revoked)

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Faust's livelock warnings are for its own streams; the lag watchdog watches the events topic."""
        if tp.topic != self._core.topic:
            super().verify_event_path(now, tp)

    def _seek_all(self, core: Core, offsets: Mapping[int, int]) -> None:
        for partition, offset in offsets.items():
            tp = TP(core.topic, partition)
            if tp in self.assignment():
                self._thread.seek(tp, offset)

    def _still_ours(self) -> bool:
        return bool(self.flow_active and not self.app.rebalancing)

    def _lags(self, core: Core) -> dict[int, tuple[int, int | None]]:
        """Partition -> (next offset, records behind the log's end; None: the end is not known)."""
        lags: dict[int, tuple[int, int | None]] = {}
        for partition, owned in core.worker.states.items():
            end = self._end(core, partition)
            behind = None if end is None else max(end - self._reached(core, owned), 0)
            owned.behind = behind
            lags[partition] = (owned.next, behind)
        return lags

    def _caught_up(self, core: Core, partition: int) -> bool:
        end = self._end(core, partition)
        return end is not None and self._reached(core, core.worker.states[partition]) >= end

    def _end(self, core: Core, partition: int) -> int | None:
        """The log's end offset, before any open transaction: the larger of the last fetch's and the broker's,
        since a fetch may stall."""
        state = self._state(core, partition)
        if state is None or state.highwater is None:
            return None
        stable = state.highwater if state.lso is None or state.lso < 0 else state.lso
        return max(cast(int, stable), self._ends.get(partition, 0))

    def _reached(self, core: Core, owned: PartitionProgress) -> int:
        """The next offset, past those without records: aiokafka silently skips transaction markers and a deleted
        head, and its position is then ahead of ours."""
        state = self._state(core, owned.partition)
        position = state._position if state is not None and owned.live else None
        return max(owned.next, position or 0)

    def _state(self, core: Core, partition: int) -> Any:
        """aiokafka's state of a partition; None when it was just revoked."""
        assignment = self._thread._ensure_consumer()._subscription.subscription.assignment
        return None if assignment is None else assignment.state_value(TP(core.topic, partition))

    async def _refresh_ends(self, core: Core) -> None:
        """Fetch the end offsets from Kafka, and commit ours there: for external lag monitors only, we never
        resume from them. One request at a time, so that the consumer's thread is free to fetch."""
        self._refreshing = True
        states = list(core.worker.states.values())
        try:
            if states and self._still_ours():
                self._ends = await self._thread.call_thread(
                    _fetch_ends, self._thread._ensure_consumer(), core.topic, states
                )
        except (KafkaError, TimeoutError) as error:
            log.info("Kafka did not answer for its end offsets: %r", error)
        finally:
            self._refreshing = False


async def _fetch_only(consumer: Any, topic: str, without: set[int], again: set[int]) -> None:
    """In the consumer's thread, whose loop waits for the partitions that are held."""
    for change, partitions in ((consumer.pause, without), (consumer.resume, again)):
        change(*(tp for p in partitions if (tp := TopicPartition(topic, p)) in consumer.assignment()))


async def _fetch_ends(consumer: Any, topic: str, states: Sequence[PartitionProgress]) -> Mapping[int, int]:
    """In the consumer's thread. Raises `KafkaError`, and TimeoutError, since aiokafka would retry for ever."""
    async with asyncio.timeout(ENDS_TIMEOUT_S):
        committed = {TopicPartition(topic, owned.partition): owned.committed for owned in states}
        ends = await consumer.end_offsets(list(committed))
        await consumer.commit(committed)
    return {tp.partition: end for tp, end in ends.items()}


class BatchTransport(Transport):
    """Faust's aiokafka transport with the batch consumer."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer
