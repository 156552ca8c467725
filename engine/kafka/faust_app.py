"""The Faust app of a worker: the events topic through the batch drain, outcomes through an ordinary agent."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import faust
import msgspec
from faust.types import ProcessingGuarantee

from engine.errors import BadEvent, BadReply, Unavailable
from engine.events import LATEST_MS, REWARDS, Outcome
from engine.kafka.consumer import BatchTransport
from engine.kafka.producer import KafkaLog
from engine.kafka.security import faust_options
from engine.ports.kafka import DeadLetter, LagMonitor, MicroBatchHandler
from engine.retry import attempts
from engine.settings import Kafka
from engine.validation_errors import UNREADABLE

log = logging.getLogger("cueline.worker")

RECORDS_A_FETCH = 64_000

#: How often an outcome is tried again that Redis answers with an error: within half a minute. Every one of them
#: breaks the connection, of all partitions.
ATTEMPTS = 8
REFUSED = "refused_by_store"  # the reason of its dead letter then

#: Counts an outcome as success, failure or neither; False when it had been counted.
Learn = Callable[[Outcome, bool | None], Awaitable[bool]]


class CoreApp(faust.App):
    """A Faust app that carries the stream core (`engine.kafka.consumer.Core`) as ``core``."""

    core: StreamCore

    def _create_directories(self) -> None:
        """Faust's are for tables. There are none, so a worker needs no disk that it may write."""


class StreamCore:
    """What the batch consumer needs of its app."""

    def __init__(
        self, worker: MicroBatchHandler, watch: LagMonitor, settings: Kafka, alive: Callable[[], None]
    ) -> None:
        self.worker = worker
        self.watch = watch
        self.topic = settings.events_topic
        # a worker learns of a rebalance without it within two heartbeats; one more for the answer
        self.patience_s = 3 * settings.heartbeat_s
        self.fetch_wait_ms = settings.fetch_wait_ms
        self.alive = alive


def build_app(core: StreamCore, settings: Kafka, kafka_log: KafkaLog, learn: Learn) -> CoreApp:
    """The app, not started. Needs a running event loop when it is started, not here."""
    app = CoreApp(
        settings.group,
        **faust_options(settings),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        processing_guarantee=ProcessingGuarantee.AT_LEAST_ONCE,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        key_serializer="raw",
        value_serializer="raw",
        consumer_group_instance_id=settings.group_instance_id or None,
        broker_session_timeout=settings.session_timeout_s,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_request_timeout=max(40.0, settings.session_timeout_s * 2),
        broker_max_poll_records=RECORDS_A_FETCH,
        broker_check_crcs=False,
        consumer_max_fetch_size=4 * 1024 * 1024,
        # an agent that raises would acknowledge its record: `_learn` handles its own failures
        stream_recovery_delay=0.0,
    )
    app.core = core
    app.transport = BatchTransport(app.conf.broker_consumer, app)
    app.topics.add(app.topic(settings.events_topic, value_type=bytes))
    outcomes = app.topic(settings.outcomes_topic, value_type=bytes)

    @app.agent(outcomes, name="outcomes")
    async def learn_from_outcomes(stream: Any) -> AsyncIterator[None]:
        async for event in stream.events():
            await _learn(event.message, settings.outcomes_topic, kafka_log, learn)
            yield

    return app


async def _learn(message: Any, topic: str, kafka_log: KafkaLog, learn: Learn) -> None:
    """Count one outcome; retries while the store is away, because an agent that raises loses the record. A record
    without a value says nothing."""
    if message.value is None:
        kafka_log.count_tombstone()
        return
    refusals = 0
    async for attempt in attempts("an outcome", Unavailable):
        with attempt:
            try:
                outcome = read_outcome(message.value)
                await learn(outcome, REWARDS.get(outcome.outcome))
            except BadReply as fault:  # or else those behind it would wait for ever
                refusals += 1
                if refusals <= ATTEMPTS:
                    raise
                await _bury(message, topic, kafka_log, REFUSED, str(fault))
            except BadEvent as fault:
                await _bury(message, topic, kafka_log, fault.code, fault.sentence)


async def _bury(message: Any, topic: str, kafka_log: KafkaLog, reason: str, detail: str) -> None:
    letter = DeadLetter(reason, detail, message.offset, message.key, message.value)
    await kafka_log.dead_letter(topic, message.partition, letter)


def read_outcome(value: bytes | None) -> Outcome:
    """The outcome in a record of the outcomes topic (JSON). Raises `BadEvent`, whatever the bytes are."""
    try:
        outcome = msgspec.json.decode(value or b"", type=Outcome)
    except UNREADABLE as error:
        raise BadEvent("malformed", str(error)) from None
    if not 0 <= outcome.received_at <= LATEST_MS:
        raise BadEvent("bad_time", "epoch milliseconds are needed, or 0", "receivedAt")
    return outcome
