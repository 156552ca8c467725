"""Formats of contact centres that are code: the vendors' own samples, and every way in which they arrive."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent, NotAuthorised
from engine.events import Contact, ContactChannel, Kind, LeftOut, Message
from engine.ports.sources import Delivery, Receipt
from engine.sources.contacts.amazon_connect import TYPES
from engine.sources.contacts.vocabulary import KINDS
from engine.sources.registry import contact_sources
from tests.sources.contacts import NOW, RECEIPT, ROOT, SHIPPED, as_json, events, passed, refused, taken
from tests.sources.test_mapping import JSON, check_any

CLOUDEVENTS, CONNECT, CHATWOOT = SHIPPED["cloudevents"], SHIPPED["amazon_connect"], SHIPPED["chatwoot"]


def cases(data: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((data / "cloudevents" / name).read_text())["tests"]
    assert found
    return found


def in_headers(event: dict[str, Any]) -> Delivery:
    """An event in binary form."""
    headers = {
        f"ce-{name}": str(value) for name, value in event.items() if name not in ("data", "datacontenttype")
    }
    if event.get("datacontenttype") is not None:
        headers["content-type"] = event["datacontenttype"]
    return Delivery(event.get("data", "").encode(), headers)


def test_cloudevents_that_are_valid_are_no_mistake_in_any_form(data: Path) -> None:
    for case in cases(data, "valid-events.json"):
        event = case["event"]
        assert passed(CLOUDEVENTS, event) == "unknown_type", case
        assert passed(CLOUDEVENTS, [event]) == "unknown_type", case
        there = {name: value for name, value in event.items() if value is not None}
        assert passed(CLOUDEVENTS, in_headers(there)) == "unknown_type", case
        structured = Delivery(json.dumps(event).encode(), {"content-type": "application/cloudevents+json"})
        assert passed(CLOUDEVENTS, structured) == "unknown_type", case


def test_cloudevents_that_are_invalid_are_refused_by_name(data: Path) -> None:
    for case in cases(data, "invalid-events.json"):
        code, field = refused(CLOUDEVENTS, case["event"])
        assert code in ("bad_field", "missing_id", "bad_time"), case
        assert field, case


def test_of_a_batch_each_cloudevent_stands_for_itself(data: Path) -> None:
    media = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}
    for case in cases(data, "valid-batches.json"):
        found = list(CLOUDEVENTS.events(Delivery(json.dumps(case["batch"]).encode(), media), RECEIPT))
        assert [type(one) for one in found] == [LeftOut] * len(case["batch"]), case
    for case in cases(data, "invalid-batches.json"):
        found = list(CLOUDEVENTS.events(Delivery(json.dumps(case["batch"]).encode(), media), RECEIPT))
        assert any(isinstance(one, BadEvent) for one in found), case
    with pytest.raises(BadEvent, match="a batch is a list"):
        list(CLOUDEVENTS.events(Delivery(b"{}", media), RECEIPT))


CLOUD = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/calls",
    "type": "com.example.contact.queued",
    "time": "2023-11-14T22:13:20Z",
    "subject": "c-1",
    "data": {"customerId": "ann", "channel": "Voice", "queue": "billing", "agent": "kim", "reason": "invoice"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["{}", "com.example.{}", "COM.Example.{}.v1", "{}.2", "a.b.c.{}.1.0"])
def test_the_type_of_a_cloudevent_ends_with_its_kind(kind: str, form: str) -> None:
    event = {**CLOUD, "type": form.format(f"contact.{kind}"), "data": {**CLOUD["data"], "score": 4}}  # type: ignore[dict-item]
    message = taken(CLOUDEVENTS, event)
    assert (message.customer, message.event.kind, message.event.at) == ("ann", KINDS[kind], NOW)
    assert message.event.contact == Contact("c-1", ContactChannel.VOICE, "billing", "kim", "invoice")
    assert message.event.value == (4 if kind == "surveyed" else 0)


@pytest.mark.parametrize(
    "other", ["contact", "contacts.queued", "xcontact.queued", "contact.queue", "contact.queued.x"]
)
def test_other_types_of_cloudevents_pass(other: str) -> None:
    assert passed(CLOUDEVENTS, {**CLOUD, "type": other}) == "unknown_type"


def test_a_cloudevent_is_the_same_in_each_form() -> None:
    whole = taken(CLOUDEVENTS, CLOUD)
    binary = {f"ce-{name}": str(value) for name, value in CLOUD.items() if name != "data"}
    body = json.dumps(CLOUD["data"]).encode()
    encoded = {**CLOUD, "data": None, "data_base64": base64.b64encode(body).decode()}
    for delivery in (
        Delivery(body, binary),
        Delivery(body, {**binary, "content-type": "application/json"}),
        Delivery(body, {**binary, "ce-subject": "%63%2D1", "content-type": "application/vnd.shop+json; v=1"}),
        as_json(encoded),
    ):
        assert taken(CLOUDEVENTS, delivery) == whole
    assert taken(CLOUDEVENTS, {**CLOUD, "source": "/other"}).event.id != whole.event.id
    assert taken(CLOUDEVENTS, {**CLOUD, "data": {"contactId": "c-2"}}).customer == "contact:c-2"
    assert taken(CLOUDEVENTS, {**CLOUD, "datacontenttype": "text/plain"}).customer == "contact:c-1"
    assert refused(CLOUDEVENTS, {**CLOUD, "subject": None}) == ("missing_id", "data.contactId")
    assert refused(CLOUDEVENTS, {**CLOUD, "subject": "x" * 101}) == ("too_large", "subject")
    for broken in ("?", 7, "e30"):
        event = {**CLOUD, "data": None, "data_base64": broken}
        assert refused(CLOUDEVENTS, event) == ("bad_field", "data_base64")
    assert taken(CLOUDEVENTS, {**CLOUD, "id": "x" * 5_000})  # only its source and it together name an event


#: When the samples were sent.
SAMPLES = Receipt(1_630_000_000_000, 1_630_000_000_000, "made-here", 1)


def samples(data: Path) -> list[dict[str, Any]]:
    lines = (data / "amazon_connect" / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


def recased(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {change(name): recased(inner, change) for name, inner in value.items()}
    return value


def test_the_samples_of_amazon_connect(data: Path) -> None:
    found = [next(iter(CONNECT.events(as_json(one), SAMPLES))) for one in samples(data)]
    kinds = [one.event.kind if isinstance(one, Message) else type(one).__name__ for one in found]
    assert kinds == [
        Kind.CONTACT_CONNECTED, Kind.CONTACT_ENDED, *["LeftOut"] * 4,
        "BadEvent", "BadEvent", "LeftOut", "LeftOut",
    ]  # fmt: skip
    connected, ended = found[:2]
    assert isinstance(connected, Message)
    assert isinstance(ended, Message)
    some = "12345678-1234-1234-1234-123456789012"
    assert connected.event.contact == Contact("11111111-1111-1111-1111-111111111111", 1, some, some, "")
    assert connected.event.at == 1_628_098_149_000
    assert ended.customer == "contact:11111111-2222-3333-4444-555555555555"  # whose first contact it was
    # Contact Lens' samples are of 2020, more than 400 days before those
    early = Receipt(1_590_000_000_000, 1_590_000_000_000, "made-here", 1)
    for one in samples(data)[6:8]:
        (matched,) = CONNECT.events(as_json(one), early)
        assert isinstance(matched, Message)
        assert (matched.event.kind, matched.event.at) == (Kind.CONTACT_OUTCOME, 1_588_013_028_000)
        assert matched.event.contact == Contact("contact-ARN", 1, "queue-ARN", "agent-ARN", "ACCOUNT_CANCELLATION")


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title, str.swapcase])
def test_names_of_amazon_connect_come_in_any_case(data: Path, change: Any) -> None:
    for one in samples(data):
        expected = list(CONNECT.events(as_json(one), SAMPLES))
        found = list(CONNECT.events(as_json(recased(one, change)), SAMPLES))
        assert list(map(repr, found)) == list(map(repr, expected))


CALL = {
    "contactId": "c-1",
    "channel": "VOICE",
    "initiationMethod": "INBOUND",
    "initiationTimestamp": "2023-11-14T22:00:00Z",
}
QUEUED = {**CALL, "queueInfo": {"queueArn": "arn:x/queue/q-1", "enqueueTimestamp": "2023-11-14T22:01:00Z"}}
SERVED = {
    **QUEUED,
    "agentInfo": {"agentArn": "arn:x/agent/a-1", "connectedToAgentTimestamp": "2023-11-14T22:02:00Z"},
}
LIFE: list[tuple[dict[str, Any], Kind | None]] = [
    ({**CALL, "eventType": "INITIATED"}, Kind.CONTACT_STARTED),
    ({**CALL, "eventType": "INITIATED", "initiationMethod": "TRANSFER"}, Kind.CONTACT_TRANSFERRED),
    ({**CALL, "eventType": "INITIATED", "initiationMethod": "CALLBACK"}, Kind.CALLBACK_ASKED),
    ({**CALL, "eventType": "CONNECTED_TO_SYSTEM", "connectedToSystemTimestamp": "2023-11-14T22:00:01Z"},
     Kind.CONTACT_IN_IVR),
    ({**QUEUED, "eventType": "QUEUED"}, Kind.CONTACT_QUEUED),
    ({**SERVED, "eventType": "CONNECTED_TO_AGENT"}, Kind.CONTACT_CONNECTED),
    ({**SERVED, "eventType": "DISCONNECTED", "disconnectTimestamp": "2023-11-14T22:09:00Z"}, Kind.CONTACT_ENDED),
    ({**CALL, "eventType": "DISCONNECTED", "disconnectTimestamp": "2023-11-14T22:09:00Z"}, Kind.CONTACT_ENDED),
    ({**QUEUED, "eventType": "DISCONNECTED", "disconnectTimestamp": "2023-11-14T22:09:00Z"},
     Kind.CONTACT_ABANDONED),
    ({**SERVED, "eventType": "DISCONNECTED", "disconnectReason": "TRANSFERRED"}, None),  # the next one says it
    ({**SERVED, "eventType": "COMPLETED"}, Kind.CONTACT_WRAPPED_UP),
    ({**CALL, "eventType": "CONTACT_DATA_UPDATED"}, None),
    ({**CALL, "eventType": "OF_NEXT_YEAR"}, None),
    ({**CALL}, None),
]  # fmt: skip


@pytest.mark.parametrize(("event", "kind"), LIFE)
def test_what_becomes_of_a_contact_of_amazon_connect(event: dict[str, Any], kind: Kind | None) -> None:
    enveloped = {
        "id": "e",
        "detail-type": "Amazon Connect Contact Event",
        "time": "2023-11-14T22:13:20Z",
        "detail": event,
    }
    if kind is None:
        assert passed(CONNECT, event) == passed(CONNECT, enveloped) == "unknown_type"
        return
    message = taken(CONNECT, enveloped)
    assert (message.event.kind, message.customer) == (kind, "contact:c-1")
    assert message.event.contact is not None
    assert (message.event.contact.id, message.event.contact.channel) == ("c-1", ContactChannel.VOICE)
    time = TYPES[event["eventType"].lower()][1]
    if kind != Kind.CONTACT_WRAPPED_UP and "disconnectReason" not in event:
        assert taken(CONNECT, event) == message, time  # bare and enveloped are one event
    assert taken(CONNECT, {**event, "customerId": "ann"}).customer == "ann"


def test_events_of_amazon_connect_in_any_order_and_repeated_are_the_same_events() -> None:
    bodies = [{"time": "2023-11-14T22:13:20Z", "detail": event} for event, kind in LIFE if kind]
    expected = {taken(CONNECT, body).event.id for body in bodies}
    shuffled = random.Random(7).sample(bodies * 2, 2 * len(bodies))
    assert {taken(CONNECT, body).event.id for body in shuffled} == expected
    assert len(expected) == len(bodies)


def test_chats_of_amazon_connect_by_their_subtype() -> None:
    for subtype, channel in (("connect:Chat", 2), ("connect:SMS", 4), ("connect:WhatsApp", 4), (7, 2)):
        event = {
            **CALL, "eventType": "INITIATED", "channel": "Chat",
            "segmentAttributes": {"connect:Subtype": {"ValueString": subtype}},
        }  # fmt: skip
        contact = taken(CONNECT, event).event.contact
        assert contact is not None
        assert contact.channel == channel


CONVERSATION = {
    "id": 12,
    "inbox_id": 3,
    "channel": "Channel::WebWidget",
    "status": "open",
    "meta": {
        "sender": {"id": 4, "identifier": "ann", "email": "ann@example.com"},
        "assignee": {"id": 6, "name": "Kim"},
        "team": {"id": 2, "name": "billing"},
    },
    "created_at": NOW // 1_000 - 60,
    "updated_at": NOW / 1_000 - 0.5,
    "timestamp": NOW // 1_000 - 30,
}


def change(name: str, before: object, now: object) -> list[dict[str, Any]]:
    return [
        {"updated_at": {"previous_value": 1, "current_value": 2}},
        {name: {"previous_value": before, "current_value": now}},
    ]


@pytest.mark.parametrize(
    ("event", "more", "kind"),
    [
        ("conversation_created", {}, Kind.CONTACT_STARTED),
        ("conversation_status_changed", {"status": "resolved"}, Kind.CONTACT_ENDED),
        ("conversation_status_changed", {"status": "open"}, Kind.CONTACT_QUEUED),
        ("conversation_status_changed", {"status": "pending"}, Kind.CONTACT_IN_IVR),
        ("conversation_status_changed", {"status": "snoozed"}, Kind.CONTACT_HELD),
        ("conversation_status_changed", {"status": ["odd"]}, None),
        ("conversation_updated", {"changed_attributes": change("assignee_id", None, 6)}, Kind.CONTACT_CONNECTED),
        ("conversation_updated", {"changed_attributes": change("assignee_id", 5, 6)}, Kind.CONTACT_TRANSFERRED),
        ("conversation_updated", {"changed_attributes": change("assignee_id", 5, None)}, Kind.CONTACT_QUEUED),
        ("conversation_updated", {"changed_attributes": change("team_id", 1, 2)}, Kind.CONTACT_QUEUED),
        ("conversation_updated", {"changed_attributes": change("priority", None, "high")}, None),
        ("conversation_updated", {"changed_attributes": "odd"}, None),
        ("conversation_typing_on", {}, None),
        ("message_created", {"content": "Hi"}, None),
        ("webwidget_triggered", {}, None),
        (None, {}, None),
    ],
)
def test_chatwoot(event: str | None, more: dict[str, Any], kind: Kind | None) -> None:
    payload = {**CONVERSATION, "event": event, **more}
    if kind is None:
        assert passed(CHATWOOT, payload) == "unknown_type"
        return
    message = taken(CHATWOOT, payload)
    at = NOW - 60_000 if event == "conversation_created" else NOW - 500
    assert (message.customer, message.event.kind, message.event.at) == ("ann", kind, at)
    reason = "resolved" if kind == Kind.CONTACT_ENDED else ""
    assert message.event.contact == Contact("chatwoot:12", ContactChannel.CHAT, "billing", "Kim", reason)


def rated(rating: object) -> dict[str, Any]:
    answers = {"csat_survey_response": {"rating": rating, "feedback_message": "thanks"}}
    return {
        "event": "message_updated",
        "id": 99,
        "content_type": "input_csat",
        "created_at": "2023-11-13 10:00:00 UTC",
        "content_attributes": {"submitted_values": answers},
        "conversation": CONVERSATION,
    }


def test_a_rating_in_chatwoot_is_a_survey() -> None:
    message = taken(CHATWOOT, rated(4))
    assert (message.customer, message.event.kind, message.event.value) == ("ann", Kind.CONTACT_SURVEYED, 4)
    assert (message.event.id, message.event.at) == ("chatwoot:99:rating", NOW)
    assert refused(CHATWOOT, rated("good"))[0] == "bad_number"
    assert refused(CHATWOOT, {**rated(4), "conversation": None}) == ("missing_id", "id")


def test_channels_of_chatwoot() -> None:
    for channel, code in (("Channel::Email", 3), ("Channel::Whatsapp", 4), ("Channel::New", 0), (7, 0), (None, 0)):
        contact = taken(
            CHATWOOT, {**CONVERSATION, "event": "conversation_created", "channel": channel}
        ).event.contact
        assert contact is not None
        assert contact.channel == code


def test_chatwoots_signature() -> None:
    secret, body, at = b"the-webhooks-secret", b'{"event":"conversation_created"}', "1700000000"
    source = contact_sources(ROOT / "config" / "sources", secrets={"chatwoot": [secret]})["chatwoot"]
    digest = hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()
    good = {"x-chatwoot-signature": f"sha256={digest}", "x-chatwoot-timestamp": at}
    source.check(Delivery(body, good))
    wrong = [
        Delivery(body + b" ", good),
        Delivery(body, {**good, "x-chatwoot-timestamp": "1700000001"}),
        Delivery(body, {**good, "x-chatwoot-signature": digest}),
        Delivery(body, {**good, "x-chatwoot-signature": f"sha256={'0' * 64}"}),
        Delivery(body, {}),
    ]
    for delivery in wrong:
        with pytest.raises(NotAuthorised):
            source.check(delivery)


NAMES = st.sampled_from(
    [
        "specversion",
        "id",
        "type",
        "source",
        "time",
        "data",
        "data_base64",
        "subject",
        "datacontenttype",
        "detail",
        "detail-type",
        "eventType",
        "contactId",
        "contactArn",
        "queueInfo",
        "agentInfo",
        "channel",
        "event",
        "meta",
        "instanceArn",
        "status",
        "changed_attributes",
        "conversation",
        "content_attributes",
        "updated_at",
        "created_at",
    ]
)
LIKELY = st.sampled_from(
    [
        "1.0",
        "contact.queued",
        "c-1",
        NOW,
        "2023-11-14T22:13:20Z",
        "QUEUED",
        "INITIATED",
        "Rules Matched",
        "conversation_created",
        "conversation_updated",
        "message_updated",
        "open",
        {"rating": 4},
        "application/json",
    ]
)
VALUES = LIKELY | JSON | st.dictionaries(NAMES, LIKELY | JSON, max_size=8) | st.lists(LIKELY | JSON, max_size=3)


@given(st.sampled_from(["cloudevents", "amazon_connect", "chatwoot"]), st.dictionaries(NAMES, VALUES, max_size=12))
def test_any_payload_is_taken_passed_over_or_refused(name: str, payload: dict[str, Any]) -> None:
    check_any(name, msgspec.json.encode(payload), NOW)


@given(
    st.dictionaries(
        st.sampled_from(["ce-id", "ce-type", "ce-source", "ce-specversion", "content-type"]), st.text()
    ),
    st.binary(max_size=50),
)
def test_any_headers_are_read(headers: dict[str, str], body: bytes) -> None:
    try:
        found = list(CLOUDEVENTS.events(Delivery(body, headers), RECEIPT))
    except BadEvent:
        return
    assert all(isinstance(one, Message | LeftOut | BadEvent) for one in found)


def test_a_name_is_one_sources_own() -> None:
    assert {"cloudevents", "amazon_connect", "chatwoot"} <= set(SHIPPED)
    assert {name: source.name for name, source in SHIPPED.items()} == {name: name for name in SHIPPED}
    assert events(CLOUDEVENTS, []) == []
