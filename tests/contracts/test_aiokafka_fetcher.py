"""How aiokafka's fetcher gives records out, which `engine.kafka.record_batches` stands in for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

import pytest
from aiokafka.consumer import fetcher, subscription_state
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.structs import ConsumerRecord, TopicPartition

from engine.kafka import record_batches
from engine.kafka.late_batches import BEYOND_END, SETTLED_S, LogEnd
from engine.ports.records import FetchedRecords
from tests.contracts.reading import parameters
from tests.kafka.test_record_batches import Record, batch, marker

OURS, OTHER = TopicPartition("columns", 0), TopicPartition("objects", 0)


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    before = fetcher.MemoryRecords, fetcher.FetchResult
    record_batches.install(OURS.topic)
    yield
    fetcher.MemoryRecords, fetcher.FetchResult = before


def result(
    topic: TopicPartition,
    raw: bytes,
    first: int = 0,
    isolation: int = fetcher.READ_COMMITTED,
    aborted: Sequence[tuple[int, int]] = (),
    assignment: subscription_state.Assignment | None = None,
) -> tuple[fetcher.FetchResult, subscription_state.Assignment]:
    """What the fetcher makes of a response, and the assignment whose position it moves."""
    assignment = assignment or subscription_state.Assignment([topic])
    assignment.state_value(topic).seek(first)
    records = fetcher.PartitionRecords(
        topic, fetcher.MemoryRecords(raw), list(aborted), first, None, None, False, isolation
    )
    made = fetcher.FetchResult(topic, partition_records=records, assignment=assignment, backoff=0)
    return made, assignment


class Settled(LogEnd):
    """The end of a log of which no batch comes late."""

    def shown(self, raw: bytes, first: int, end: int, now: float) -> bytes:
        """All of it."""
        return raw


THREE = batch([Record(4), Record(5), Record(7)], 4)


def test_the_fetcher_makes_its_parts_by_the_names_of_its_module() -> None:
    made = inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assert "records = MemoryRecords(part_data[-1])" in made
    assert "self._records[tp] = FetchResult(" in made
    given = inspect.getsource(fetcher.Fetcher.fetched_records)
    for step in ("is FetchResult:", ".getall(max_records)", ".has_more()", "if not records:", "len(drained[tp])"):
        assert step in given


def test_what_is_read_and_moved_of_a_result_is_there() -> None:
    stock = record_batches.ColumnarResult.__mro__[1]
    assert parameters(stock.getall) == ["self", "max_records"]
    source = inspect.getsource(stock)
    for name in (
        "_topic_partition",
        "_partition_records",
        "next_fetch_offset",
        "check_assignment",
        "_update_position",
        "_created = time.monotonic()",
    ):
        assert name in source
    unpack = inspect.getsource(fetcher.PartitionRecords)
    for name in (
        "self._isolation_level",
        "self._records = records",
        "self.next_fetch_offset",
        "self._aborted_transactions",
    ):
        assert name in unpack


async def test_our_topic_comes_as_columns_and_moves_the_position_behind_them() -> None:
    fetched, assignment = result(OURS, THREE, 4)
    given = fetched.getall(10)
    assert isinstance(given, FetchedRecords)
    assert given.columns["offset"].tolist() == [4, 5, 7]
    assert assignment.state_value(OURS).position == 8
    assert not fetched.has_more()


@pytest.mark.parametrize(("most", "offsets", "position"), [(1, [4], 5), (2, [4, 5], 7), (3, [4, 5, 7], 8)])
async def test_no_more_are_given_than_asked_for_and_the_rest_comes_next(
    most: int, offsets: list[int], position: int
) -> None:
    fetched, assignment = result(OURS, THREE, 4)
    assert fetched.getall(most).columns["offset"].tolist() == offsets
    assert assignment.state_value(OURS).position == position
    rest = [4, 5, 7][most:]
    assert fetched.has_more() is bool(rest)
    if rest:
        assert fetched.getall(10).columns["offset"].tolist() == rest


async def test_what_a_seek_overtook_is_discarded() -> None:
    fetched, assignment = result(OURS, THREE, 4)
    fetched.getall(1)
    assignment.state_value(OURS).seek(4)
    assert len(fetched.getall(10)) == 0
    assert not fetched.has_more()
    assert assignment.state_value(OURS).position == 4


async def test_what_held_no_record_belongs_to_the_next_that_does() -> None:
    fetched, assignment = result(OURS, marker(3, 7, aborts=False), 3)
    assert len(fetched.getall(10)) == 0
    assert assignment.state_value(OURS).position == 4
    given = result(OURS, THREE, 4, assignment=assignment)[0].getall(10)
    assert (given.start, given.end, given.missing) == (3, 8, 1)


async def test_what_held_no_record_is_forgotten_by_a_seek() -> None:
    fetched, assignment = result(OURS, marker(3, 7, aborts=False), 3)
    fetched.getall(10)
    given = result(OURS, THREE, 5, assignment=assignment)[0].getall(10)
    assert given.start == 5


@pytest.mark.parametrize("isolation", [fetcher.READ_COMMITTED, fetcher.READ_UNCOMMITTED])
async def test_aborted_records_are_left_out_where_committed_ones_are_asked_for(isolation: int) -> None:
    raw = batch([Record(0)], 0, producer=7) + marker(1, 7, aborts=True) + batch([Record(2)], 2)
    given = result(OURS, raw, 0, isolation, [(7, 0)])[0].getall(10)
    assert given.columns["offset"].tolist() == ([2] if isolation == fetcher.READ_COMMITTED else [0, 2])
    assert given.end == 3


@pytest.mark.parametrize("topic", [OURS, OTHER])
async def test_a_batch_that_comes_late_is_fetched_before_those_behind_it(topic: TopicPartition) -> None:
    first, late, last = (batch([Record(offset)], offset) for offset in (4, 5, 6))
    fetched, assignment = result(topic, first + last, 4)
    assert offsets_of(fetched.getall(10)) == [4]
    assert (assignment.state_value(topic).position, fetched.has_more()) == (5, False)
    fetched, _ = result(topic, last, 5, assignment=assignment)
    assert len(fetched.getall(10)) == 0
    assert (assignment.state_value(topic).position, fetched.has_more()) == (5, False)
    fetched, _ = result(topic, late + last, 5, assignment=assignment)
    assert offsets_of(given := fetched.getall(10)) == [5, 6]
    assert assignment.state_value(topic).position == 7
    assert topic == OTHER or (given.start, given.end, given.missing) == (5, 7, 0)


@pytest.mark.parametrize(("later", "given"), [(0.01, []), (SETTLED_S - 0.25, []), (SETTLED_S, [6])])
async def test_how_long_a_gap_stays_is_known_by_when_it_was_fetched(later: float, given: list[int]) -> None:
    """And not by when the fetch is read: a worker that stalls would take a fetch of before for one of after."""
    fetched, assignment = result(OURS, batch([Record(6)], 6), 4)
    fetched._created = 100.0
    assert len(fetched.getall(10)) == 0
    fetched, _ = result(OURS, batch([Record(6)], 6), 4, assignment=assignment)
    fetched._created = 100.0 + later
    assert offsets_of(fetched.getall(10)) == given


async def test_a_gap_that_stayed_is_passed_and_counted() -> None:
    assignment = subscription_state.Assignment([OURS])
    assignment.state_value(OURS).log_end = Settled()
    given = result(OURS, batch([Record(6)], 6), 4, assignment=assignment)[0].getall(10)
    assert (given.start, given.end, given.missing) == (4, 7, 2)


def offsets_of(given: FetchedRecords | Sequence[ConsumerRecord[bytes, bytes]]) -> list[int]:
    """The offsets of what was given out."""
    return given.columns["offset"].tolist() if isinstance(given, FetchedRecords) else [one.offset for one in given]


DAMAGED = batch([Record(4), Record(5)], 4)[:-1] + b"?"


@pytest.mark.parametrize("topic", [OURS, OTHER])
async def test_a_damaged_batch_is_passed_in_any_topic(
    topic: TopicPartition, caplog: pytest.LogCaptureFixture
) -> None:
    fetched, assignment = result(topic, DAMAGED + batch([Record(6)], 6), 4)
    given = fetched.getall(10)
    assert assignment.state_value(topic).position == 7
    assert not fetched.has_more()
    if topic == OURS:
        assert ([one.offset for one in given.damaged], given.columns["offset"].tolist()) == ([4], [6])
    else:
        assert [(record.offset, record.key, record.value) for record in given] == [(6, b"ann", b"value")]
        assert "objects-0 is passed: offsets 4 to 5 cannot be read: its checksum" in caplog.text


@pytest.mark.parametrize("raw", [THREE[:-1], b"?", b"?" * 90])
@pytest.mark.parametrize("topic", [OURS, OTHER])
async def test_an_answer_without_a_whole_batch_moves_one_offset(topic: TopicPartition, raw: bytes) -> None:
    records = fetcher.MemoryRecords(raw)
    assert (records.has_next(), records.has_next()) == (True, False)
    fetched, assignment = result(topic, raw, 4)
    given = fetched.getall(10)
    assert assignment.state_value(topic).position == 5
    assert [one.offset for one in given.damaged] == [4] if topic == OURS else given == []


async def test_where_the_log_ends_is_asked_of_the_assignment() -> None:
    assert "tp_state.highwater = highwater" in inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assignment = subscription_state.Assignment([OURS])
    assignment.state_value(OURS).highwater, assignment.state_value(OURS).log_end = 9, Settled()
    far = 9 + BEYOND_END
    for offset, position in ((far - 1, far), (far, 5)):
        fetched, _ = result(OURS, batch([Record(offset)], offset), 4, assignment=assignment)
        assert len(fetched.getall(10)) == 1
        assert assignment.state_value(OURS).position == position


async def test_other_topics_are_aiokafkas() -> None:
    fetched, assignment = result(OTHER, THREE, 4)
    assert [record.offset for record in fetched.getall(2)] == [4, 5]
    assert [record.offset for record in fetched.getall(2)] == [7]
    assert assignment.state_value(OTHER).position == 8


async def test_old_formats_come_as_columns_too() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    builder.append(0, 5, b"ann", b"value")
    fetched, _ = result(OURS, bytes(builder.build()))
    given = fetched.getall(2)
    assert [given.value(place) for place in range(len(given))] == [b"value"]
