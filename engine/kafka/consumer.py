"""Faust's consumer with a drain that hands whole batches to the stream core.

Stock Faust moves one message at a time through four futures, a lock and a queue. Here `_drain_messages`
takes the fetched batches of the events topic to `Worker.apply`; every other topic goes Faust's ordinary
way, so agents work on it. The names used of Faust are private: ``tests/contracts/test_faust_names.py``
fails when one of them moves, and the dependency is pinned to a minor version.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport, ensure_aiokafka_TP
from faust.types import TP

from engine.ports.kafka import LagMonitor, MicroBatchHandler, PartitionProgress

log = logging.getLogger("cueline.worker")

FETCH_WAIT_S = 0.1  # how long an idle fetch waits before timers are looked at
TEND_EVERY_S = 0.25
CONSULT_EVERY_S = 5.0
CONSULT_WITHIN_S = 10.0
RESTORE_EVERY_S = 0.2


class Core(Protocol):
    """What the consumer finds on its Faust app as ``app.core``."""

    worker: MicroBatchHandler
    watch: LagMonitor
    topic: str
    patience_s: float
    fetch_wait_ms: int

    def alive(self) -> None:
        """Told after every turn of the drain loop."""


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread, with a bound of our own on how long a fetch may wait."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust asks brokers to wait 1.5 s; tansu does so although records have arrived
        consumer._fetch_max_wait_ms = cast(Any, self.app).core.fetch_wait_ms
        return consumer

    async def _fetch_records(self, consumer: Any, *args: Any, **options: Any) -> Any:
        for result in list(consumer._fetcher._records.values()):  # a seek takes out of it meanwhile
            if isinstance(result, FetchResult) and result._partition_records is not None:
                _keep_as_read(result._partition_records, cast(Any, self.app).core.topic)
        return await super()._fetch_records(consumer, *args, **options)


def _keep_as_read(records: PartitionRecords, topic: str) -> None:
    """Hand the events topic's records over as aiokafka's parser made them.

    Each would be copied into a `ConsumerRecord` of eleven fields, of which we use four: 1.3 µs of 6.5 that
    an event cost. A fetch that arrives later is copied all the same, which changes nothing but time.
    """
    if records._tp.topic == topic:
        records._consumer_record = _as_read


def _as_read(tp: Any, record: Any) -> Any:
    return record


class BatchConsumer(Consumer):
    """Drains the events topic in batches; Redis, not Kafka, says where it goes on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ends: Mapping[int, int] = {}  # by partition, as the broker was last asked
        self._consulting = False

    @property
    def _core(self) -> Core:
        return cast(Core, cast(Any, self.app).core)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        core = self._core
        tended = consulted = restored = 0.0
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            try:
                records, _ = await self._wait_next_records(FETCH_WAIT_S)
            except self.consumer_stopped_errors:
                return
            if self.should_stop:
                return
            if records and self.flow_active:
                await self._hand_over(core, records)
            now = time.monotonic()
            if now - restored >= RESTORE_EVERY_S:
                restored = now
                self._seek_all(core, await core.worker.owned.restore(self._still_ours, core.patience_s))
            if now - tended >= TEND_EVERY_S and self.flow_active:
                tended = now
                await core.worker.tend(lambda p: self._caught_up(core, p))
                core.watch.look(self._lags(core), now)
            if now - consulted >= CONSULT_EVERY_S and self.flow_active and not self._consulting:
                consulted = now
                self.add_future(self._consult(core))
            core.alive()

    async def _hand_over(self, core: Core, records: Mapping[Any, Sequence[Any]]) -> None:
        ours = {tp.partition: batch for tp, batch in records.items() if tp.topic == core.topic and batch}
        if ours:
            self._seek_all(core, await core.worker.apply(ours))
        for tp, batch in records.items():
            if tp.topic != core.topic:
                await self._agents_way(tp, batch)

    async def _agents_way(self, tp: Any, batch: Sequence[Any]) -> None:
        """What stock Faust does with each message; its agents acknowledge them."""
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
        """Take over what was assigned: other topics from Kafka's offsets, events from the store's."""
        core = self._core
        thread, assigned = self._thread, self.assignment()
        others = [ensure_aiokafka_TP(tp) for tp in assigned if tp.topic != core.topic]
        committed: dict[Any, int] = {}
        if others:
            committed = dict(await thread.call_thread(thread._ensure_consumer().seek_to_committed, *others))
        ours = sorted(tp.partition for tp in assigned if tp.topic == core.topic)
        self._ends = {}
        offsets = await core.worker.owned.own(ours)
        self._seek_all(core, offsets)
        core.watch.begin()
        committed.update({TP(core.topic, partition): offset for partition, offset in offsets.items()})
        return committed

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """Finish what is under way before others may go on from it."""
        core = self._core
        await core.worker.owned.release([tp.partition for tp in revoked if tp.topic == core.topic])
        await super().on_partitions_revoked(revoked)

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Faust's livelock warnings hold for its own streams; the lag watchdog looks after the events topic."""
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
        for partition, partition_state in core.worker.partition_states.items():
            end = self._end(core, partition)
            behind = None if end is None else max(end - self._reached(core, partition_state), 0)
            partition_state.behind = behind
            lags[partition] = (partition_state.next, behind)
        return lags

    def _caught_up(self, core: Core, partition: int) -> bool:
        end = self._end(core, partition)
        return end is not None and self._reached(core, core.worker.partition_states[partition]) >= end

    def _end(self, core: Core, partition: int) -> int | None:
        """Where the log ends: the later of what the last fetch said and the broker, for a fetch may stall."""
        state = self._state(core, partition)
        if state is None or state.highwater is None:
            return None
        return max(cast(int, state.highwater), self._ends.get(partition, 0))

    def _reached(self, core: Core, partition_state: PartitionProgress) -> int:
        """What comes next, beyond what holds no records: aiokafka passes transaction markers, and a head that
        was deleted, without a word, and its position is then past ours."""
        state = self._state(core, partition_state.partition)
        position = state._position if state is not None and partition_state.live else None
        return max(partition_state.next, position or 0)

    def _state(self, core: Core, partition: int) -> Any:
        """aiokafka's state of a partition; None when its thread has just given it away."""
        assignment = self._thread._ensure_consumer()._subscription.subscription.assignment
        return None if assignment is None else assignment.state_value(TP(core.topic, partition))

    async def _consult(self, core: Core) -> None:
        """Ask Kafka for the ends, and tell it where we are: for lag monitors only, nothing is ever resumed
        from it. One at a time, for the thread that fetches has few hands."""
        self._consulting = True
        partition_states = list(core.worker.partition_states.values())
        try:
            if partition_states and self._still_ours():
                self._ends = await self._thread.call_thread(
                    _consult_broker, self._thread._ensure_consumer(), core.topic, partition_states
                )
        except (KafkaError, TimeoutError) as error:
            log.info("Kafka could not be asked: %r", error)
        finally:
            self._consulting = False


async def _consult_broker(
    consumer: Any, topic: str, partition_states: Sequence[PartitionProgress]
) -> Mapping[int, int]:
    """In the consumer's thread. Raises `KafkaError`, and TimeoutError: aiokafka itself would try for ever."""
    async with asyncio.timeout(CONSULT_WITHIN_S):
        ends = await consumer.end_offsets(
            [TopicPartition(topic, partition_state.partition) for partition_state in partition_states]
        )
        await consumer.commit(
            {
                TopicPartition(topic, partition_state.partition): partition_state.committed
                for partition_state in partition_states
            }
        )
    return {tp.partition: end for tp, end in ends.items()}


class BatchTransport(Transport):
    """Faust's aiokafka transport with the batch consumer."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer
