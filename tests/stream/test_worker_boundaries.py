"""The stream worker at its edges: offsets of every commit, limits to the record, silence to the millisecond."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from engine.clock import wall_ms
from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Event, Kind
from engine.kernels import row as layout
from engine.kernels.partition import partition_of
from engine.ports.clock import ClockAnchor
from engine.ports.records import as_columns
from engine.ports.stream_store import Commit
from engine.rulebook.directory import compile_texts
from engine.sources.registry import sources
from engine.state.row_codec import read
from engine.store.memory import MemoryStore
from engine.stream.decode import decode
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.evaluator import LEAST_ACTIVATIONS, IndicatorEvaluator
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, OTHER, PARTITIONS, START, KafkaRecord, Setting, event, records

A, B, C, D, E = [b"member-%d" % i for i in range(99) if partition_of(b"member-%d" % i, PARTITIONS) == 1][:5]
ELSEWHERE = next(b"member-%d" % i for i in range(99) if partition_of(b"member-%d" % i, PARTITIONS) == 2)
MINUTE = 60_000


class Remembering(MemoryStore):
    """Keeps what was committed, in order."""

    def __init__(self) -> None:
        super().__init__(PARTITIONS)
        self.commits: list[Commit] = []

    async def commit(self, commit: Commit) -> list[list[int]]:
        taken = await super().commit(commit)
        self.commits.append(commit)
        return taken


def records_of(customers: Sequence[bytes], first: int = 0) -> list[KafkaRecord]:
    """A record each; for b"" one that cannot be applied."""
    return [
        KafkaRecord(first + i, event(first + i) if customer else b"\xff", customer or CUSTOMER)
        for i, customer in enumerate(customers)
    ]


#: customers by offset, and of each commit: expected offset, offset, rows, events, dead letters, misplaced, applied
CHAINS: list[tuple[list[bytes], list[tuple[int, int, int, int, int, int, int]]]] = [
    ([A], [(0, 1, 1, 1, 0, 0, 1)]),
    ([A, A, B], [(0, 3, 2, 3, 0, 0, 3)]),
    ([A, A, B, C, A, D], [(0, 3, 2, 3, 0, 0, 3), (3, 5, 2, 2, 0, 0, 2), (5, 6, 1, 1, 0, 0, 1)]),
    # what cannot be applied, or is another partition's, goes with the records before it
    ([A, B, b"", C, D], [(0, 3, 2, 3, 1, 0, 2), (3, 5, 2, 2, 0, 0, 2)]),
    ([b"", A, B, ELSEWHERE, ELSEWHERE, C], [(0, 5, 2, 5, 1, 2, 2), (5, 6, 1, 1, 0, 0, 1)]),
    ([A, b""], [(0, 2, 1, 2, 1, 0, 1)]),
    ([b"", ELSEWHERE], [(0, 2, 0, 2, 1, 1, 0)]),
]


@pytest.mark.parametrize(("customers", "expected"), CHAINS)
async def test_every_commit_goes_on_where_the_one_before_it_ended(
    customers: list[bytes], expected: list[tuple[int, int, int, int, int, int, int]]
) -> None:
    store = Remembering()
    setting = Setting(store, rows_per_commit=2)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records_of(customers)}))
    await setting.worker.owned.drain()
    names = ("events", "deadletters", "forwarded", "applied")
    found = [
        (one.expected, one.offset, len(one.rows), *(one.tallies.get(name, 0) for name in names))
        for one in store.commits
    ]
    assert found == expected
    state = setting.worker.states[1]
    assert (state.next, state.committed, state.pending) == (len(customers), len(customers), type(state.pending)())
    assert (await store.position(1)).offset == len(customers)
    assert len(setting.side_output.dead) == customers.count(b"")
    assert len(setting.side_output.forward) == customers.count(ELSEWHERE)


async def test_another_worker_goes_on_at_the_record_after_the_last_committed() -> None:
    setting = Setting(rows_per_commit=2)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records_of([A, B, C])}))
    await setting.worker.owned.drain()
    heir = setting.another()
    assert await heir.owned.own([1]) == {1: 3}
    assert await heir.apply(fetched({1: records_of([A, B, C])})) == {1: 3}
    assert await heir.apply(fetched({1: records_of([A, D], first=3)})) == {}
    await heir.owned.drain()
    tallies = await setting.store.tallies()
    assert (tallies["events"], tallies["applied"], tallies["customers"]) == (5, 5, 4)
    rows = await setting.store.read(1, [A, B, C, D, E])
    counts = [int(read([row])["recent_total"][0]) if row else None for row in rows]
    assert counts == [2, 1, 1, 1, None]


@pytest.mark.parametrize(("dead", "stops"), [(1, False), (2, False), (3, True)])
async def test_a_fifth_of_ten_dead_letters_is_let_pass_and_more_is_not(dead: int, stops: bool) -> None:
    setting = Setting(dead_letter_window=10, dead_letter_ratio=0.2)
    await setting.worker.owned.own([1])
    for window in range(3):  # each window is counted by itself
        await setting.worker.apply(fetched({1: records_of([A] * 4, first=10 * window)}))
        rest = records_of([A] * (6 - dead) + [b""] * dead, first=10 * window + 4)
        again = await setting.worker.apply(fetched({1: rest}))
        assert again == ({1: 10 * window + 4} if stops else {})
        if stops:
            assert setting.worker.paused[1].startswith("3 of the last 10 records cannot be applied; the last: ")
            return
    assert await setting.events() == 30 - 3 * dead


async def test_dead_letters_are_not_judged_before_a_window_is_full() -> None:
    setting = Setting(dead_letter_window=10, dead_letter_ratio=0.2)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records_of([b""] * 9)}))
    assert len(setting.side_output.dead) == 9
    assert await setting.worker.apply(fetched({1: records_of([A], first=9)})) == {1: 9}
    why = setting.side_output.dead[-1].detail  # of a batch before: the one that fills the window has none
    assert setting.worker.paused == {1: f"9 of the last 10 records cannot be applied; the last: {why}"}


CART = KafkaRecord(0, event(0, START, Kind.CART_ADDED, 80.0))
DUE = START + 15 * MINUTE  # when `cart_abandoning` of the shipped rules activates


@pytest.mark.parametrize(("now", "activated"), [(DUE + 4_999, 0), (DUE + 5_000, 1), (DUE + 5_001, 1)])
async def test_silence_is_looked_at_as_late_as_events_may_come(now: int, activated: int) -> None:
    setting = Setting(lateness_ms=5_000)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [CART]}))
    await setting.worker.owned.drain()
    setting.clock.anchor = ClockAnchor(now, 0, 0)
    await setting.worker.fire_timers(lambda partition: True)
    await setting.worker.owned.drain()
    assert (await setting.store.tallies()).get("risen", 0) == activated
    assert setting.meter.value("timers_fired") == activated
    left = await setting.store.due(1, 2**60, 10)
    assert left == ([] if activated else [CUSTOMER])


@pytest.mark.parametrize(("newest", "activated"), [(DUE + 4_999, 0), (DUE + 5_000, 1)])
async def test_and_behind_the_newest_event_where_there_is_a_backlog(newest: int, activated: int) -> None:
    setting = Setting(lateness_ms=5_000)
    await setting.worker.owned.own([1])
    ahead = KafkaRecord(1, event(1, newest), OTHER, timestamp=newest)
    await setting.worker.apply(fetched({1: [CART, ahead]}))
    await setting.worker.owned.drain()
    setting.clock.anchor = ClockAnchor(START + 300 * MINUTE, 0, 0)
    await setting.worker.fire_timers(lambda partition: False)
    await setting.worker.owned.drain()
    assert (await setting.store.tallies()).get("risen", 0) == activated


async def test_a_backlog_whose_events_lie_ahead_of_the_clock_does_not_hurry_it() -> None:
    setting = Setting(lateness_ms=5_000)
    await setting.worker.owned.own([1])
    ahead = KafkaRecord(1, event(1, DUE + MINUTE), OTHER, timestamp=DUE + MINUTE)
    await setting.worker.apply(fetched({1: [CART, ahead]}))
    await setting.worker.owned.drain()
    setting.clock.anchor = ClockAnchor(DUE, 0, 0)
    await setting.worker.fire_timers(lambda partition: False)
    await setting.worker.owned.drain()
    assert (await setting.store.tallies()).get("risen", 0) == 0


async def test_what_a_batch_takes_is_measured_once_a_chunk_and_a_row_by_its_arrival() -> None:
    setting = Setting(rows_per_commit=1)
    await setting.worker.owned.own([1])
    value = msgspec.msgpack.encode(Event(WIRE_VERSION, 1, START, "x", received_at=wall_ms() - 100_000))
    unknown = event(1)
    await setting.worker.apply(
        fetched({1: [KafkaRecord(0, value, A), KafkaRecord(1, unknown, B), KafkaRecord(2, value, A)]})
    )
    await setting.worker.owned.drain()
    text = setting.meter.render()[0].decode()
    assert "cueline_kernel_seconds_count 3" in text
    assert "cueline_row_seconds_count 1" in text
    assert 99 < setting.meter.quantile("row_seconds", 0.5) < 200


async def test_records_of_a_partition_that_is_not_ours_are_left_alone() -> None:
    setting = Setting()
    await setting.worker.owned.own([2])
    assert await setting.worker.apply(fetched({1: records(0, 3)})) == {}
    assert await setting.events() == 0


def batch_of(*records: KafkaRecord) -> DecodedBatch:
    return decode(as_columns(records), 1, PARTITIONS, "events", sources())


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "missing_customer"),
        (b"", "missing_customer"),
        (b"k" * 257, "too_large"),
        (b"\xff", "bad_field"),
        (b"\x80", "bad_field"),  # no bit but the one that makes it no ASCII
        ("ä".encode() * 129, "too_large"),
    ],
)
def test_a_record_without_a_customer_of_at_most_256_bytes_is_a_dead_letter(key: bytes | None, reason: str) -> None:
    good = KafkaRecord(0, event(0), A)
    batch = batch_of(good, KafkaRecord(1, event(1), key), good._replace(offset=2))
    assert [(letter.reason, letter.offset) for letter in batch.dead] == [(reason, 1)]
    assert batch.customers == [A, A]
    assert (batch.first, batch.end, batch.records) == (0, 3, 3)


def test_a_customer_may_have_256_bytes_of_any_letters() -> None:
    long, wide = b"k" * 256, "ä".encode() * 128
    batch = batch_of(KafkaRecord(0, event(0), long), KafkaRecord(1, event(1), wide))
    assert batch.dead == []
    assert sorted([*batch.customers, *(customer for customer, _ in batch.forward)]) == sorted([long, wide])


def test_a_batch_counts_what_lies_between_two_offsets() -> None:
    customers = [A, b"", ELSEWHERE, B, b"", A, ELSEWHERE]
    batch = batch_of(*records_of(customers, first=10))
    for first in range(10, 18):
        for end in range(first, 18):
            part = customers[first - 10 : end - 10]
            expected = {
                "events": len(part),
                "deadletters": part.count(b""),
                "duplicates": 0,
                "forwarded": part.count(ELSEWHERE),
                "tombstones": 0,
            }
            assert batch.counts(first, end) == expected


def test_a_watermark_is_the_largest_time_of_what_is_applied_and_never_ahead_of_its_record() -> None:
    four = [
        KafkaRecord(0, event(0, START + 5), A, START + 9),
        KafkaRecord(1, event(1, START + 7), A, START + 6),
        KafkaRecord(2, event(2, START + 8), ELSEWHERE, START + 9),
        KafkaRecord(3, event(3, START + 8)[:-1], A, START + 9),
    ]
    assert batch_of(*four[:2]).watermark == START + 6
    assert batch_of(*four).watermark == START + 6
    assert batch_of(four[0]).watermark == START + 5
    assert batch_of(four[3]).watermark == 0


def test_more_indicators_than_the_least_buffer_holds_are_evaluated_in_one_silence() -> None:
    """One threshold that all share: every indicator may activate at it and at the event."""
    count = LEAST_ACTIVATIONS // 2 + 1
    lines = [f"  - {{name: n{i}, when: idle.seconds >= 60 and customer.events > {i}}}" for i in range(count)]
    evaluator = IndicatorEvaluator(compile_texts({"a": "\n".join(["indicators:", *lines])}))
    rows, slots = np.zeros(1, layout.ROW), np.zeros(1, np.int32)
    evaluator.advance(rows, slots, batch_of(KafkaRecord(0, event(0), A)).events)
    activations = evaluator.fire(rows, slots, START + MINUTE)
    assert [(int(one["indicator"]), int(one["at"])) for one in activations] == [(0, START + MINUTE)]


@pytest.mark.parametrize("applied", [0, 1, 2])
async def test_a_hole_is_fetched_again_once_wherever_it_is(applied: int) -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    if applied:
        await setting.worker.apply(fetched({1: records(0, applied)}))
    assert await setting.worker.apply(fetched({1: records(applied + 2, 1)})) == {1: applied}
    assert await setting.worker.apply(fetched({1: records(applied + 2, 1)})) == {}
    assert await setting.events() == applied + 1


async def test_a_partition_whose_timers_cannot_be_read_must_be_restored() -> None:
    class Away(MemoryStore):
        async def due(self, partition: int, until: int, limit: int) -> list[bytes]:
            raise Unavailable("Redis: connection refused")

    setting = Setting(Away(PARTITIONS))
    await setting.worker.owned.own([1])
    await setting.worker.fire_timers(lambda partition: True)
    assert setting.worker.states[1].failed
    assert await setting.worker.owned.restore(lambda: True, 0) == {1: 0}
