"""JSON among the records: whose format it has, and what becomes of a format that nobody knows."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

from engine.kernels.partition import partition_of
from engine.ports.records import as_columns
from engine.ports.sources import SOURCE_HEADER
from engine.sources.registry import sources
from engine.stream.decode import decode
from engine.stream.decoded_batch import DecodedBatch
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, PARTITIONS, START, KafkaRecord, Setting, event

STRANGER = next(key for key in (b"a", b"b", b"c") if partition_of(key, PARTITIONS) != 1)
SEGMENT = json.dumps(
    {"type": "track", "event": "Product Viewed", "messageId": "m", "userId": CUSTOMER.decode()}
).encode()


def decoded(*records: KafkaRecord) -> DecodedBatch:
    return decode(as_columns(records), 1, PARTITIONS, "events", sources())


@pytest.mark.parametrize(
    "headers", [(), ((SOURCE_HEADER, b"segment"),), (("trace", b"x"), (SOURCE_HEADER, b"segment"))]
)
def test_json_has_the_format_its_header_names_and_segments_without_one(
    headers: tuple[tuple[str, bytes], ...],
) -> None:
    batch = decoded(KafkaRecord(7, SEGMENT, None, START, headers))
    assert (batch.customers, batch.dead) == ([CUSTOMER], [])


@pytest.mark.parametrize("name", [b"genesys", b"Segment", b"", b"\xff"])
def test_a_source_that_is_not_known_is_a_dead_letter_that_keeps_its_name(name: bytes) -> None:
    batch = decoded(KafkaRecord(7, SEGMENT, CUSTOMER, START, ((SOURCE_HEADER, name),)))
    if not name:
        assert batch.dead == []
        return
    (letter,) = batch.dead
    assert (letter.reason, letter.offset, letter.value) == ("unknown_source", 7, SEGMENT)
    assert letter.source == name.decode(errors="replace")
    assert "segment" in letter.detail


def test_a_canonical_event_needs_no_source() -> None:
    batch = decoded(KafkaRecord(7, event(1), CUSTOMER, START, ((SOURCE_HEADER, b"genesys"),)))
    assert (len(batch.events), batch.dead) == (1, [])


def test_every_source_stands_under_its_own_name() -> None:
    assert {name: source.name for name, source in sources().items()} == {"segment": "segment"}


@pytest.mark.parametrize(("first", "end"), list(combinations(range(4, 11), 2)))
def test_every_record_is_counted_once_where_it_lies(first: int, end: int) -> None:
    """An event, a dead letter, a stranger's, a tombstone, and another event."""
    kinds = [
        ("events", event(5), CUSTOMER),
        ("deadletters", b"?", CUSTOMER),
        ("forwarded", event(7), STRANGER),
        ("tombstones", None, STRANGER),
        ("events", event(8), CUSTOMER),
    ]
    batch = decoded(*(KafkaRecord(5 + i, value, key) for i, (_, value, key) in enumerate(kinds)))
    assert (batch.records, batch.first, batch.end) == (5, 5, 10)
    within = [kind for i, (kind, _, _) in enumerate(kinds) if first <= 5 + i < end]
    wanted = {kind: within.count(kind) for kind in ("deadletters", "duplicates", "forwarded", "tombstones")}
    assert batch.counts(first, end) == {"events": len(within), **wanted}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"type":"page","timestamp":' + b"1" * 310 + b"}", "bad_time"),
        (b'{"type":"page","context":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "malformed"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "malformed"),
        (b'{"type":"track","event":"Order Completed","properties":{"total":1e999}}', "bad_number"),
        (b'{"type":"page","userId":"undefined"}', "missing_customer"),
        (b'{"type":"page","userId":"a"', "malformed"),
    ],
)
def test_whatever_a_record_holds_it_is_a_dead_letter_at_the_worst(payload: bytes, reason: str) -> None:
    key = None if b"undefined" in payload else CUSTOMER
    batch = decoded(KafkaRecord(7, payload, key, START), KafkaRecord(8, SEGMENT, None, START))
    assert [(letter.reason, letter.offset, letter.value) for letter in batch.dead] == [(reason, 7, payload)]
    assert batch.customers == [CUSTOMER]


def test_what_could_not_be_read_of_records_is_counted_by_reason() -> None:
    odd = json.dumps({**json.loads(SEGMENT), "anonymousId": "a", "properties": [], "userId": "null"}).encode()
    batch = decoded(
        KafkaRecord(7, odd.replace(b'"a"', b'"' + CUSTOMER + b'"'), None, START),
        KafkaRecord(8, SEGMENT, None, START),
    )
    assert (batch.customers, batch.dead) == ([CUSTOMER] * 2, [])
    assert batch.warned == {"bad_field": 1, "placeholder_id": 1}


async def test_a_worker_counts_what_it_could_not_read() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    payload = json.dumps({**json.loads(SEGMENT), "properties": []}).encode()
    await setting.worker.apply(fetched({1: [KafkaRecord(0, payload, None, START)]}))
    assert setting.meter.value("stream_warned", "bad_field") == 1
