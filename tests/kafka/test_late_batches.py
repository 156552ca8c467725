"""Gaps between batches that a fetch has: waited for near the log's end, passed once they have stayed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import accumulate, takewhile
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer import fetcher
from hypothesis import given
from hypothesis import strategies as st

from engine.kafka import record_batches
from engine.kafka.late_batches import BEYOND_END, SETTLED_S, LogEnd
from engine.kafka.topics import make_topics
from engine.settings import Kafka
from loadtest.servers import tansu
from tests.kafka.test_record_batches import Record, batch

NOW = 1_000.0
PRODUCERS, BATCHES = 3, 4_000  # passed over one, before they were waited for, in four of six runs
RECORDS = PRODUCERS * BATCHES * 2


def log(*offsets: int) -> bytes:
    """A batch of one record at each of `offsets`."""
    return b"".join(batch([Record(offset)], offset) for offset in offsets)


def shown(log_end: LogEnd, offsets: list[int], first: int, end: int, now: float) -> list[int]:
    """Which of the batches at `offsets` are shown."""
    raw = log_end.shown(log(*offsets), first, end, now)
    sizes = accumulate(len(log(offset)) for offset in offsets)
    return [offset for offset, _ in zip(offsets, takewhile(lambda size: size <= len(raw), sizes), strict=False)]


@pytest.mark.parametrize(
    ("offsets", "seen"), [([4, 5, 6], [4, 5, 6]), ([4, 6, 7], [4]), ([5, 6], []), ([4, 5, 8], [4, 5])]
)
def test_only_what_is_before_a_gap_is_shown(offsets: list[int], seen: list[int]) -> None:
    assert shown(LogEnd(), offsets, 4, 9, NOW) == seen


def test_a_batch_that_is_in_two_fetches_leaves_no_gap() -> None:
    assert LogEnd().shown(raw := batch([Record(3), Record(4), Record(5)], 3) + log(6), 4, 7, NOW) == raw


@pytest.mark.parametrize(("later", "seen"), [(SETTLED_S - 0.25, [4]), (SETTLED_S, [4, 6]), (60, [4, 6])])
def test_a_gap_that_stays_is_the_logs_own(later: float, seen: list[int]) -> None:
    log_end = LogEnd()
    assert shown(log_end, [4, 6], 4, 7, NOW) == [4]
    assert shown(log_end, [4, 6], 4, 7, NOW + later) == seen


def test_what_lay_before_the_end_at_the_first_gap_is_settled_with_it() -> None:
    log_end = LogEnd()
    assert shown(log_end, [4, 6], 4, 20, NOW) == [4]
    assert shown(log_end, [4, 6, 8, 20], 4, 21, NOW + SETTLED_S) == [4, 6, 8, 20]
    assert shown(log_end, [4, 6, 8, 21], 4, 22, NOW + SETTLED_S) == [4, 6, 8]


def test_a_gap_is_waited_for_anew_where_the_log_grew_since_the_last() -> None:
    log_end = LogEnd()
    assert shown(log_end, [4, 6], 4, 7, NOW) == [4]
    assert shown(log_end, [4, 5, 6, 8], 4, 9, NOW + 10) == [4, 5, 6]
    assert shown(log_end, [8], 7, 9, NOW + 10 + SETTLED_S) == [8]


@pytest.mark.parametrize("offset", [9 + BEYOND_END, 2**60])
def test_an_offset_that_cannot_be_is_no_gap(offset: int) -> None:
    """It is a damaged batch's: waiting for what lies before it would take every later gap for settled."""
    log_end = LogEnd()
    assert shown(log_end, [4, offset], 4, 9, NOW) == [4, offset]
    assert shown(log_end, [4, 6], 4, 9, NOW + 60) == [4]


def test_what_lies_before_the_offset_asked_for_is_no_gap() -> None:
    assert shown(LogEnd(), [1, 3, 5, 6], 5, 7, NOW) == [1, 3, 5, 6]


def test_nothing_is_known_behind_a_batch_that_does_not_say_where_it_ends() -> None:
    damaged = bytearray(log(4))
    damaged[16] = 9  # a format that nobody knows
    assert LogEnd().shown(raw := bytes(damaged) + log(6), 4, 7, NOW) == raw


@given(st.sets(st.integers(0, 30), min_size=1), st.data())
def test_batches_that_come_in_any_order_are_all_read_once_and_in_turn(
    there: set[int], data: st.DataObject
) -> None:
    log_end, position, read, put = LogEnd(), 0, list[int](), set[int]()
    for offset in data.draw(st.permutations(sorted(there | set(range(max(there)))))):
        put.add(offset)
        fetched = [one for one in sorted(put) if one >= position]
        new = shown(log_end, fetched, position, max(put) + 1, NOW) if fetched else []
        read += new
        position = new[-1] + 1 if new else position
    assert read == list(range(max(there) + 1))


@pytest.fixture
def installed() -> Iterator[None]:
    before = fetcher.MemoryRecords, fetcher.FetchResult
    record_batches.install("raced")
    yield
    fetcher.MemoryRecords, fetcher.FetchResult = before


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("topic", ["raced", "of-an-agent"])
async def test_nothing_that_several_producers_write_at_once_is_passed(tmp_path: Path, topic: str) -> None:
    broker = tansu(tmp_path)
    await broker.start()
    options = {"bootstrap_servers": broker.bootstrap}
    try:
        await make_topics(Kafka(brokers=broker.bootstrap, partitions=1, idempotent=False), {topic: 1})
        consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, fetch_max_wait_ms=10)
        await consumer.start()
        consumer.assign([partition := TopicPartition(topic, 0)])
        consumer.seek(partition, 0)
        writing = asyncio.gather(*(_produce(options, topic) for _ in range(PRODUCERS)))
        read: list[int] = []
        while not read or read[-1] < RECORDS - 1:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                read += records.columns["offset"].tolist() if topic == "raced" else [r.offset for r in records]
        await writing
        await consumer.stop()
    finally:
        broker.kill()
    assert read == list(range(RECORDS))


async def _produce(options: dict[str, str], topic: str) -> None:
    producer = AIOKafkaProducer(**options, enable_idempotence=False)
    await producer.start()
    for number in range(BATCHES):
        sent = [await producer.send(topic, b"%d" % number, partition=0) for _ in range(2)]
        await asyncio.gather(*sent)
    await producer.stop()
