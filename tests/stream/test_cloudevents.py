"""CloudEvents on Kafka: in binary form, whose attributes are headers, and structured, as the binding has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent
from engine.events import Kind
from engine.kafka.dead_letters import HEADER_CHARACTERS, MOST_HEADERS, dead_letter_record
from engine.kernels.hashing import hash64
from engine.kernels.records import BATCH, RECORD, parse, scan
from engine.ports import record_headers
from engine.ports.records import FetchedRecords, as_columns
from engine.sources.registry import sources
from engine.stream.decode import decode
from engine.stream.decoded_batch import DecodedBatch
from tests.kernels.batches import NAMES, Batch, record
from tests.sources.contacts import NOW, SHIPPED
from tests.stream.test_worker import KafkaRecord

KNOWN = sources(contacts=SHIPPED)
ATTRIBUTES = {"ce_specversion": "1.0", "ce_id": "e-1", "ce_source": "/calls", "ce_type": "shop.contact.queued"}
CALL = {**ATTRIBUTES, "ce_subject": "c-1"}
HEADERS = st.lists(st.tuples(st.text(max_size=200), st.none() | st.binary(max_size=200)), max_size=12)


def decoded(value: bytes | None, headers: Mapping[str, str], key: bytes = b"some key") -> DecodedBatch:
    named = tuple((name, text.encode()) for name, text in headers.items())
    return decode(as_columns([KafkaRecord(0, value, key, NOW, named)]), 0, 1, "events", KNOWN)


def word(text: str) -> int:
    data = np.frombuffer(text.encode(), np.uint8)
    return int(hash64(data, 0, len(data)))


@pytest.mark.parametrize(
    ("value", "media"),
    [
        (b'{"customerId":"ann","queue":"billing"}', None),
        (b' {"customerId":"ann","queue":"billing"}', "application/json"),
        (b'{"customerId":"ann","queue":"billing"}', "application/vnd.shop+json; charset=utf-8"),
    ],
)
def test_attributes_in_headers_and_data_in_the_value(value: bytes, media: str | None) -> None:
    found = decoded(value, CALL if media is None else {**CALL, "content-type": media})
    assert (found.customers, found.dead, found.warned) == ([b"ann"], [], {})
    (event,) = found.events
    assert (event["kind"], event["at"], event["contact"]) == (Kind.CONTACT_QUEUED, NOW, word("c-1"))
    assert event["contact_queue"] == word("billing")


@pytest.mark.parametrize("value", [None, b"", b"plain text", b"\x95\x01\x01", b"<call/>"])
def test_data_that_is_not_json_says_nothing(value: bytes | None) -> None:
    found = decoded(value, {**CALL, "content-type": "text/plain", "ce_subject": "Zürich % 1"})
    assert (found.customers, found.dead) == (["contact:Zürich % 1".encode()], [])
    assert found.events["contact"].tolist() == [word("Zürich % 1")]


def test_a_structured_event_is_the_value() -> None:
    event = {name.removeprefix("ce_"): text for name, text in CALL.items()}
    structured = {"content-type": "application/cloudevents+json; charset=UTF-8"}
    whole = decoded(json.dumps(event).encode(), structured)
    named = decoded(json.dumps(event).encode(), {"source": "cloudevents"})
    binary = decoded(b"{}", CALL)
    assert whole.events["id"].tolist() == named.events["id"].tolist() == binary.events["id"].tolist()
    assert whole.customers == named.customers == binary.customers == [b"contact:c-1"]


def test_of_a_type_that_nobody_knows_it_is_passed_over() -> None:
    found = decoded(b"7", {**CALL, "ce_type": "shop.cart.changed"})
    assert (len(found.events), found.dead, found.tombstones.tolist()) == (0, [], [0])
    assert found.warned == {"unknown_type": 1}


def test_what_is_no_cloudevent_stays_what_it_was() -> None:
    assert [letter.reason for letter in decoded(b"plain", {"ce_id": "e-1"}).dead] == ["malformed"]
    assert decoded(None, {"ce_id": "e-1"}).tombstones.tolist() == [0]
    view = b'{"type":"page","userId":"ann","messageId":"m"}'
    assert decoded(view, {"traceparent": "00-1-2-01"}).customers == [b"ann"]
    assert decoded(view, {}).customers == [b"ann"]


def test_a_fault_names_the_attribute_and_the_dead_letter_has_all_of_it() -> None:
    headers = {**CALL, "ce_specversion": "0.3", "content-type": "application/json", "other": "1"}
    (letter,) = decoded(b'{"customerId":"ann"}', headers).dead
    assert (letter.reason, "specversion" in letter.detail) == ("bad_field", True)
    made = dead_letter_record("events", 0, letter)
    kept = dict(made.headers)
    assert made.value == b'{"customerId":"ann"}'
    assert {name: kept[name].decode() for name in headers if name != "other"} == {
        name: text for name, text in headers.items() if name != "other"
    }
    assert "other" not in kept
    many = {**headers, **{f"ce_x{number}": "y" * 5_000 for number in range(200)}}
    (letter,) = decoded(b"{}", many).dead
    written = dead_letter_record("events", 0, letter).headers
    assert len(written) <= MOST_HEADERS + 8
    assert max(len(text) for _, text in written) <= HEADER_CHARACTERS


def test_the_conformance_suite_on_kafka(data: Path) -> None:
    def cases(name: str) -> list[dict[str, str]]:
        found = json.loads((data / "cloudevents" / name).read_text())["tests"]
        return [one["event"] for one in found]

    structured = {"content-type": "application/cloudevents+json"}
    for event in cases("valid-events.json"):
        assert decoded(json.dumps(event).encode(), structured).warned == {"unknown_type": 1}, event
    for event in cases("invalid-events.json"):
        assert len(decoded(json.dumps(event).encode(), structured).dead) == 1, event


@given(HEADERS)
def test_headers_are_read_as_they_were_written(headers: list[tuple[str, bytes | None]]) -> None:
    block = record_headers.written(headers)
    right: dict[str, str] = {}
    for name, value in headers:
        right.setdefault(name.lower(), (value or b"").decode(errors="replace"))
    assert record_headers.read(block) == right


@given(HEADERS)
def test_the_kernel_finds_the_headers_of_a_batch(headers: list[tuple[str, bytes | None]]) -> None:
    block = record_headers.written(headers)
    raw = Batch(record(headers=block) + record(headers=block), 2).written()
    data, batches = np.frombuffer(raw, np.uint8), np.zeros(2, BATCH)
    columns = np.zeros(2, RECORD)
    assert scan(data, batches) == 1
    assert parse(data, batches[:1], 0, *NAMES, columns) == 2
    fetched = FetchedRecords(raw, columns, 0, 2)
    assert fetched.headers(0) == fetched.headers(1) == record_headers.read(block)


@given(st.binary(max_size=40) | st.binary(max_size=9).map(lambda rest: b"\xff" * 9 + rest))
def test_a_block_of_any_bytes_ends(block: bytes) -> None:
    assert len(record_headers.read(block)) <= len(block)


def test_a_delivery_of_another_format_is_refused() -> None:
    with pytest.raises(BadEvent, match="JSON alone"):
        SHIPPED["cloudevents"].canonical(b"{}", None, NOW, "x", {"content-type": "application/cloudevents+avro"})
