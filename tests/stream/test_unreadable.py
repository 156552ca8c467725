"""Whatever lies on the topic: no exception leaves, and every offset is applied, a duplicate, forwarded, a dead
letter, a tombstone or a gap."""

from __future__ import annotations

import json

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.events import AHEAD_MS, EARLIEST_MS, LATEST_MS, CartLine, Contact, Event, Kind, More, Traits
from engine.kafka.record_batches import read_batches
from engine.ports.records import FetchedRecords, as_columns
from engine.ports.sources import SOURCE_HEADER
from engine.sources.registry import sources
from engine.stream.decode import decode
from engine.stream.decoded_batch import DecodedBatch
from tests.kafka.test_record_batches import Record, batch
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, PARTITIONS, START, KafkaRecord, Setting, event, records

SEGMENT = json.dumps(
    {"type": "track", "event": "Product Viewed", "messageId": "m", "userId": CUSTOMER.decode()}
).encode()
HOUR = 3_600_000
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from([START, CUSTOMER.decode(), "x" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CANONICAL = st.lists(ANY, max_size=16).map(msgpack.packb) | st.lists(ANY, max_size=12).map(
    lambda rest: msgpack.packb([1, 1, START, "id", *rest])
)
JSON = st.dictionaries(
    st.sampled_from(["type", "event", "userId", "anonymousId", "timestamp", "messageId", "properties", "sentAt"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("track"),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
        max_leaves=5,
    ),
).map(lambda payload: json.dumps(payload).encode())
BEFORE = st.sampled_from([b"", b"\xef\xbb\xbf", b" \r\n\t", b"\xef\xbb\xbf ", b"\x00"])
VALUES = st.none() | st.binary(max_size=40) | CANONICAL | st.builds(bytes.__add__, BEFORE, JSON | st.just(SEGMENT))
KEYS = st.none() | st.binary(max_size=9) | st.sampled_from([CUSTOMER, b"k" * 257, "ä".encode() * 128])
TIMES = st.sampled_from([START, START // 1_000, -1, 0, -(2**63), 2**63 - 1, LATEST_MS + 1]) | st.integers(0, 2**62)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([SOURCE_HEADER, "trace", "x" * 5_000]),
        st.none() | st.binary(max_size=9) | st.sampled_from([b"segment", b"s" * 70_000]),
    ),
    max_size=3,
)


def decoded(records: FetchedRecords) -> DecodedBatch:
    return decode(records, 1, PARTITIONS, "events", sources())


@given(st.lists(st.tuples(TIMES, KEYS, VALUES, HEADERS), max_size=6))
@example([(START, CUSTOMER, b"{" * 100_000, [])])
@example([(START, CUSTOMER, b'{"userId":"\\ud800","type":"page"}', [])])
async def test_any_record_is_accounted_for(
    made: list[tuple[int, bytes | None, bytes | None, list[object]]],
) -> None:
    raw = batch([Record(place, *fields) for place, fields in enumerate(made)]) if made else b""  # type: ignore[arg-type]
    read = read_batches(raw, 0)
    assert len(read.columns) == len(made)
    setting = Setting(dead_letter_ratio=1)
    await setting.worker.owned.own([1])
    await setting.worker.apply({1: read})
    await setting.worker.owned.drain()
    tallies = dict(await setting.store.tallies())
    ended = ("applied", "duplicates", "forwarded", "deadletters", "tombstones")
    assert tallies.get("events", 0) == sum(tallies.get(name, 0) for name in ended) == len(made)
    assert (await setting.store.position(1)).offset == len(made)
    for letter in setting.side_output.dead:
        assert letter.reason
        assert letter.detail
        assert not letter.detail.startswith(f"{letter.reason}:")  # which stands apart
    assert tallies.get("tombstones", 0) == sum(value is None for _, _, value, _ in made)


DEEP = [b"\x91" * 20_000 + b"\xc0", b"\x81\xc0" * 10_000 + b"\xc0"]  # arrays in arrays, maps in maps
ODD = [b"\xa1\xff", b"\xc1", b"\xdb\xff\xff\xff\xff", b"\xcf" + b"\xff" * 8, b"\xd6\xff\xff\xff\xff\xff", *DEEP]


def whole(kind: Kind) -> Event:
    """One that has something in every place; the purpose and channel of a consent among them."""
    traits = Traits(2, "key", {"a": "b", "c": 1.5})
    more = More(int(kind), 300, (CartLine("tea", 300, 600),), traits)
    contact = Contact("c-1", 1, "queue", "agent", "reason")
    return Event(1, int(kind), START, "id", "marketing", "email", 2.5, 1, START, "o", 0, 1, 0, contact, more)


def fields_of(value: bytes) -> list[bytes]:
    """The fields of an array, as they are written."""
    return [bytes(part) for part in msgspec.msgpack.decode(value, type=list[msgspec.Raw])]


def written(fields: list[bytes]) -> bytes:
    return bytes([0x90 | len(fields)]) + b"".join(fields)


@given(
    st.sampled_from(Kind),
    st.lists(st.tuples(st.integers(2, 14), st.none() | st.integers(0, 5), st.sampled_from(ODD)), max_size=3),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=2),
)
@example(Kind.ERASED, [(4, None, b"\xa1\xff")], [])  # texts that are not UTF-8, of an instruction
@example(Kind.CONSENT_GRANTED, [(5, None, b"\xa1\xff")], [])
@example(Kind.CONSENT_GRANTED, [(3, None, b"\xa1\xff")], [])
@example(Kind.ERASED, [(14, 4, DEEP[0])], [])  # deep where nobody reads
@example(Kind.CONSENT_REVOKED, [(14, 4, DEEP[1])], [])
@example(Kind.IDENTIFIED, [(14, 3, b"\x94\x02\xa1k\x81\xa1a\xa1b" + DEEP[0])], [])  # and behind traits
@example(Kind.PAGE_VIEWED, [(14, 3, b"\x94\x02\xa1k\x81\xa1a\xa1b" + DEEP[1])], [])
async def test_an_event_that_was_whole_ends_no_worker(
    kind: Kind, changed: list[tuple[int, int | None, bytes]], overwritten: list[tuple[int, int]]
) -> None:
    """Of each kind one with a place (or one of a place's own) that holds something else, and some other bytes."""
    made = fields_of(msgspec.msgpack.encode(whole(kind)))
    fields = [*made]
    for place, inner, odd in changed:
        parts = fields_of(made[place]) if made[place][0] & 0xF0 == 0x90 and inner is not None else []
        fields[place] = written([*parts[:inner], odd, *parts[inner + 1 :]]) if parts and inner is not None else odd
    value = bytearray(written(fields))
    for at, byte in overwritten:
        value[at % len(value)] = byte
    setting = Setting(dead_letter_ratio=1)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [KafkaRecord(0, bytes(value)), KafkaRecord(1, event(1))]}))
    await setting.worker.owned.drain()
    assert (await setting.store.position(1)).offset == 2
    tallies = await setting.store.tallies()
    assert tallies["events"] == 2
    assert tallies.get("applied", 0) + tallies.get("erased", 0) >= 1  # the event behind it


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b" ", b"\r\n\t", b"\xef\xbb\xbf\n"])
def test_json_behind_a_mark_or_blanks_is_json(before: bytes) -> None:
    one = decoded(as_columns([KafkaRecord(7, before + SEGMENT, None, START)]))
    assert (one.customers, one.dead) == ([CUSTOMER], [])


async def test_tombstones_are_counted_apart_and_stop_no_worker() -> None:
    setting = Setting(dead_letter_window=2, dead_letter_ratio=0)
    await setting.worker.owned.own([1])
    nothing = [
        KafkaRecord(place, None, key) for place, key in enumerate((CUSTOMER, None, b"", b"\xff", b"k" * 999))
    ]
    await setting.worker.apply(fetched({1: [*nothing, KafkaRecord(5, event(5))]}))
    assert await setting.events() == 1
    tallies = await setting.store.tallies()
    assert (tallies["events"], tallies["tombstones"], tallies["deadletters"]) == (6, 5, 0)
    assert setting.side_output.dead == []
    assert setting.meter.value("stream_tombstones") == 5
    assert (await setting.store.position(1)).offset == 6


async def test_a_damaged_batch_is_one_dead_letter_and_the_worker_goes_on() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    broken = batch([Record(offset) for offset in range(1, 4)], 1)[:-1] + b"?"
    good = [batch([Record(at, key=CUSTOMER, value=event(at))], at) for at in (0, 4)]
    await setting.worker.apply({1: read_batches(good[0] + broken + good[1], 0)})
    assert await setting.events() == 2
    (letter,) = setting.side_output.dead
    assert (letter.reason, letter.offset, letter.key, letter.value) == ("damaged_batch", 1, None, broken)
    assert letter.detail.startswith("offsets 1 to 3 cannot be read: ")
    tallies = await setting.store.tallies()
    assert (tallies["events"], tallies["deadletters"]) == (3, 1)
    assert setting.meter.value("stream_gaps") == 2
    assert (await setting.store.position(1)).offset == 5


async def test_a_fetch_of_nothing_but_damage_moves_the_offset() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    await setting.worker.apply({1: read_batches(batch([Record(0), Record(1)])[:-1] + b"?", 0)})
    await setting.worker.apply(fetched({1: records(2, 1)}))
    assert await setting.events() == 1
    assert (await setting.store.position(1)).offset == 3


SECONDS = START // 1_000
EDGES = [
    (EARLIEST_MS // 1_000 - 1, False),
    (EARLIEST_MS // 1_000, True),
    (LATEST_MS // 1_000, True),
    (LATEST_MS // 1_000 + 1, False),
    (-1, False),
    (0, False),
    (EARLIEST_MS - 1, False),
]


@pytest.mark.parametrize(("stamp", "known"), EDGES)
def test_a_record_time_in_seconds_is_recognised_or_named(stamp: int, known: bool) -> None:
    at = EARLIEST_MS + 5
    old = json.dumps({**json.loads(SEGMENT), "timestamp": at}).encode() if known else SEGMENT
    for value in (event(1, at), old):
        one = decoded(as_columns([KafkaRecord(0, value, CUSTOMER, stamp)]))
        if stamp == LATEST_MS // 1_000 and value is old:
            assert one.dead[0].reason == "bad_time"  # 136 years old
        elif known:
            assert one.dead == []
            assert one.newest_at == stamp * 1_000
            assert one.warned["record_time_in_seconds"] == 1
        else:
            assert [letter.reason for letter in one.dead] == ["bad_record_time"]
            assert "own timestamp, not the event's" in one.dead[0].detail
            assert one.warned["record_time_in_seconds"] == 0


def test_json_that_states_no_time_happened_at_that_of_its_record_in_seconds() -> None:
    one = decoded(as_columns([KafkaRecord(0, SEGMENT, None, SECONDS), KafkaRecord(1, SEGMENT, None, START + 5)]))
    assert one.events["at"].tolist() == [SECONDS * 1_000, START + 5]


def test_a_record_time_beyond_all_times_is_named_where_it_would_be_the_events() -> None:
    (letter,) = decoded(as_columns([KafkaRecord(0, SEGMENT, None, START * 1_000)])).dead
    assert letter.reason == "bad_record_time"


async def test_a_clock_that_is_ahead_makes_no_later_event_late() -> None:
    """Local time taken for UTC: what follows counts for the session as at any other door."""
    setting = Setting()
    await setting.worker.owned.own([1])
    ahead = KafkaRecord(0, event(0, START + 2 * HOUR), CUSTOMER, START)
    after = [KafkaRecord(n, event(n, START + n * 1_000), CUSTOMER, START + n * 1_000) for n in range(1, 4)]
    await setting.worker.apply(fetched({1: [ahead, *after]}))
    assert await setting.events() == 4
    (row,) = await setting.store.read(1, [CUSTOMER])
    plain = Setting()
    await plain.worker.owned.own([1])
    await plain.worker.apply(fetched({1: [KafkaRecord(0, event(0, START), CUSTOMER, START), *after]}))
    await plain.worker.owned.drain()
    assert row == (await plain.store.read(1, [CUSTOMER]))[0]
    assert setting.meter.value("stream_warned", "ahead_of_record") == 1
    assert plain.meter.value("stream_warned", "ahead_of_record") == 0


def test_both_doors_clamp_alike() -> None:
    """A day ahead is the record's time, and a millisecond more is refused, of canonical events and of JSON."""
    for ahead, refused in ((AHEAD_MS, False), (AHEAD_MS + 1, True)):
        stated = json.dumps({**json.loads(SEGMENT), "timestamp": START + ahead}).encode()
        for value in (event(1, START + ahead), stated):
            one = decoded(as_columns([KafkaRecord(0, value, CUSTOMER, START)]))
            assert [letter.reason for letter in one.dead] == (["bad_time"] if refused else [])
            assert one.events["at"].tolist() == ([] if refused else [START])
