"""What a worker measures, fed by hand over the store in memory: counts by name, rows held, the age of lag."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from engine.clock import wall_ms
from engine.decisions.policy import make_policy
from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Event, Kind
from engine.kafka.producer import KafkaLog
from engine.kafka.topics import make_topics
from engine.meter import PrometheusMeter
from engine.ports.kafka import AuditAction, AuditEntry, DeadLetter
from engine.rulebook.directory import compile_texts
from engine.settings import Kafka, Stream
from engine.sources.registry import sources
from engine.store.memory import MemoryStore
from engine.stream import ownership
from engine.stream.watchdog import LagWatchdog
from engine.stream.worker import Worker
from tests.flows.api import StillClock
from tests.patience import PATIENCE_S
from tests.services import Broker
from tests.stream.fetched import fetched

AT = 1_700_000_000_000
RULES = """
indicators:
  - {name: looking, when: session.items == 2}
offers:
  - {id: call, kind: chat, channels: [agent], when: looking, value: 9, propensity: 0.5, say: Call,
     cap: {max: 1, period: 1 d}}
  - {id: chat, kind: chat, channels: [web], when: looking, value: 1, propensity: 0.5, say: Chat,
     cap: {max: 1, period: 1 d}}
"""


class Record(msgspec.Struct):
    """A record of partition 0, as the consumer hands it over."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = AT
    headers: tuple[tuple[str, bytes], ...] = ()


@pytest.fixture
def meter() -> PrometheusMeter:
    return PrometheusMeter()


@pytest.fixture
async def worker(meter: PrometheusMeter) -> Worker:
    """It owns the only partition."""
    rulebook, store = compile_texts({"rules.yaml": RULES}), MemoryStore(1)

    async def side_output(
        partition: int, dead: Sequence[DeadLetter], forward: Sequence[tuple[bytes, bytes]]
    ) -> None:
        raise AssertionError("nothing goes side_output here")

    made = Worker(
        Stream(rows_in_memory=1, rows_per_commit=64), "events", 1, store, store, StillClock(AT), meter,
        side_output, sources(),
    )  # fmt: skip
    made.use(make_policy(rulebook, {}))
    await made.owned.own([0])
    return made


def view(offset: int, customer: str, at: int = AT, written: int = AT) -> Record:
    event = Event(WIRE_VERSION, int(Kind.ITEM_VIEWED), at, f"m{offset}", "item", "", 1.0, 1, AT)
    return Record(offset, customer.encode(), msgspec.msgpack.encode(event), written)


async def test_cues_are_counted_by_the_offer_that_was_taken(worker: Worker, meter: PrometheusMeter) -> None:
    """The indicator is activated in each of three visits. The day's cap lets one call through; that of a chat is
    given back each time, as no stream takes it."""
    for visit in range(3):
        at = AT + visit * 3_600_000
        await worker.apply(
            fetched({0: [view(2 * visit, "ann", at, at), view(2 * visit + 1, "ann", at + 1, at + 1)]})
        )
    await worker.owned.drain()
    assert meter.value("indicators_risen", "looking") == 3
    assert (meter.value("cues_sent", "call"), meter.value("cues_sent", "chat")) == (1, 3)
    assert meter.value("cues_capped") == 0
    assert "cueline_indicator_seconds_count 3.0" in meter.render()[0].decode()


async def test_rows_held_and_rows_that_left(
    worker: Worker, meter: PrometheusMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partition's cache has the least capacity; twice as many customers appear."""
    monkeypatch.setattr(ownership, "LEAST_ROWS", 8)
    await worker.owned.own([])
    await worker.owned.own([0])
    for offset in range(16):
        await worker.apply(fetched({0: [view(offset, f"customer-{offset}")]}))
    await worker.fire_timers(lambda partition: True)
    assert meter.value("arena_rows") + meter.value("arena_evictions") == 16 == meter.value("rows_read")
    assert 0 < meter.value("arena_rows") <= 8
    await worker.owned.drain()


async def test_lag_is_no_older_than_the_newest_record_handled(worker: Worker, meter: PrometheusMeter) -> None:
    began = wall_ms()
    await worker.fire_timers(lambda partition: False)
    assert meter.value("lag_seconds") < 60  # none handled: since the claim
    await worker.apply(fetched({0: [view(0, "ann", written=began - 90_000)]}))
    await worker.fire_timers(lambda partition: False)
    assert 90 <= meter.value("lag_seconds") <= 90 + (wall_ms() - began) / 1_000
    await worker.fire_timers(lambda partition: True)
    assert meter.value("lag_seconds") == 0
    await worker.owned.drain()


def test_a_partition_that_left_has_no_lag_any_more(meter: PrometheusMeter) -> None:
    watch = LagWatchdog(60, meter)
    watch.begin()
    watch.look({1: (5, 7), 2: (5, 8)}, 0)
    assert meter.value("lag_records") == 15
    watch.begin()
    watch.look({2: (6, 3)}, 1)
    assert meter.value("lag_records") == 3
    assert 'partition="1"' not in meter.render()[0].decode()


async def test_dead_letters_are_counted_by_reason_once_kafka_has_them(
    broker: Broker, unique: Callable[[str], str], meter: PrometheusMeter
) -> None:
    topic = unique("deadletters")
    kafka = Kafka(brokers=broker.bootstrap, deadletters_topic=topic, idempotent=broker.durable)
    await make_topics(kafka, {topic: 1})
    log = KafkaLog(kafka, meter)
    letters = [DeadLetter(reason, "why", i, b"k", b"v") for i, reason in enumerate(("malformed", "bad_time") * 2)]
    with pytest.raises(Unavailable):
        await log.side_output(0, letters, [])
    assert meter.value("stream_deadletters") == 0
    await log.open()
    await log.side_output(0, letters[:3], [])
    await log.close()
    assert not log.is_open
    assert meter.value("stream_deadletters", "malformed") == 2
    assert meter.value("stream_deadletters", "bad_time") == 1


async def test_audits_reach_their_topic_in_as_many_batches_as_they_need(
    broker: Broker, unique: Callable[[str], str], meter: PrometheusMeter
) -> None:
    topic = unique("audit")
    kafka = Kafka(brokers=broker.bootstrap, audit_topic=topic, idempotent=broker.durable)
    await make_topics(kafka, {topic: 1})
    log = KafkaLog(kafka, meter)
    action = AuditAction.DECISION_MADE
    entries = [AuditEntry("desk", action, f"käufer-{i}" if i else "", 1_700_000_000_000 + i) for i in range(4_000)]
    with pytest.raises(Unavailable):
        await log.publish_audit(entries)
    await log.open()
    await log.publish_audit(entries)
    await log.close()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            records = [await consumer.getone() for _ in entries]
    finally:
        await consumer.stop()
    assert [msgspec.json.decode(record.value, type=AuditEntry) for record in records] == entries
    assert records[0].key is None
    assert (records[1].key, records[1].timestamp) == ("käufer-1".encode(), 1_700_000_000_001)
