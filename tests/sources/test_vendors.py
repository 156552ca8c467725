"""The shipped mapping files, on samples of our own in the shapes that vendors publish (each file names where)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.events import ContactChannel, Kind, LeftOut, Message
from engine.ports.sources import Delivery
from tests.sources.contacts import NOW, SECOND, SHIPPED, as_form, events, passed, refused, taken

GENESYS, TWILIO, ZENDESK = SHIPPED["genesys"], SHIPPED["twilio"], SHIPPED["zendesk"]
ASTERISK, EMAIL = SHIPPED["asterisk"], SHIPPED["email"]

CONVERSATION = "7b1c6d9e-0f2a-4c4f-9a55-2f0a1f0e77aa"
COMMON = {
    "eventTime": NOW,
    "conversationId": CONVERSATION,
    "participantId": "p-1",
    "sessionId": "s-1",
    "mediaType": "VOICE",
    "provider": "Edge",
    "direction": "INBOUND",
    "ani": "tel:+4930000001",
    "dnis": "tel:+4930000002",
}
#: Topic -> what its body has besides, and the kind.
GENESYS_EVENTS: dict[str, tuple[dict[str, Any], Kind | None]] = {
    "customer.start": ({}, Kind.CONTACT_STARTED),
    "flow.start": ({"flowType": "INBOUNDCALL", "flowId": "f-1"}, Kind.CONTACT_IN_IVR),
    "flow.end": ({"flowType": "INBOUNDCALL", "flowId": "f-1", "disconnectType": "TRANSFER"}, None),
    "acd.start": ({"queueId": "q-1"}, Kind.CONTACT_QUEUED),
    "acd.end": ({"queueId": "q-1", "disconnectType": "TRANSFER", "acdOutcome": "ANSWERED"}, None),
    "acd.end ": ({"queueId": "q-1", "disconnectType": "PEER", "acdOutcome": "ABANDON"}, Kind.CONTACT_ABANDONED),
    "user.start": ({"queueId": "q-1", "userId": "u-1"}, Kind.CONTACT_CONNECTED),
    "user.end": ({"queueId": "q-1", "userId": "u-1", "disconnectType": "PEER"}, None),
    "user.end ": (
        {"queueId": "q-1", "userId": "u-1", "disconnectType": "CONSULT_TRANSFER"}, Kind.CONTACT_TRANSFERRED,
    ),
    "acw": (
        {"queueId": "q-1", "userId": "u-1", "wrapupCode": "refund", "wrapupDurationMs": 900},
        Kind.CONTACT_WRAPPED_UP,
    ),
    "customer.end": ({"disconnectType": "PEER", "interactingDurationMs": 60_000}, Kind.CONTACT_ENDED),
}  # fmt: skip


@pytest.mark.parametrize("form", ["wrapper", "bare", "eventbridge"])
@pytest.mark.parametrize("topic", GENESYS_EVENTS)
def test_genesys(topic: str, form: str) -> None:
    more, kind = GENESYS_EVENTS[topic]
    body = {**COMMON, **more}
    name = f"v2.detail.events.conversation.{CONVERSATION}.{topic.strip()}"
    wrapper = {"topicName": name, "version": "2", "eventBody": body, "metadata": {"CorrelationId": "x"}}
    forms = {"wrapper": wrapper, "bare": body, "eventbridge": {"id": "e", "source": "aws", "detail": wrapper}}
    if kind is None:
        assert passed(GENESYS, forms[form]) == "unknown_type"
        return
    message = taken(GENESYS, forms[form])
    contact = message.event.contact
    assert contact is not None
    assert (message.event.kind, message.event.at, message.customer) == (kind, NOW, f"contact:{CONVERSATION}")
    assert (contact.id, contact.channel) == (CONVERSATION, ContactChannel.VOICE)
    assert (contact.queue, contact.agent) == (more.get("queueId", ""), more.get("userId", ""))
    bare = taken(GENESYS, forms["bare"])
    assert bare.event.id == message.event.id  # by whichever way it comes


def test_genesys_channels_customers_and_callbacks() -> None:
    topic = f"v2.detail.events.conversation.{CONVERSATION}.customer.start"

    def made(**more: Any) -> Any:
        return taken(GENESYS, {"topicName": topic, "eventBody": {**COMMON, **more}})

    channels = {
        media: made(mediaType=media).event.contact.channel for media in ("MESSAGE", "CHAT", "EMAIL", "VIDEO")
    }
    assert channels == {"MESSAGE": 4, "CHAT": 2, "EMAIL": 3, "VIDEO": 0}
    assert made(mediaType="CALLBACK").event.kind == Kind.CALLBACK_ASKED
    assert made(conversationExternalContactIds=["c-9"]).customer == "c-9"
    assert made(externalContactId="c-8", conversationExternalContactIds=["c-9"]).customer == "c-8"
    assert passed(GENESYS, {"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}})
    assert refused(GENESYS, {"topicName": topic, "eventBody": {"eventTime": NOW}}) == (
        "missing_id",
        "conversationId",
    )
    assert refused(GENESYS, {"topicName": topic, "eventBody": {**COMMON, "eventTime": 1}})[0] == "bad_time"


TASK = {
    "EventType": "task.created",
    "AccountSid": "AC01",
    "WorkspaceSid": "WS01",
    "ResourceType": "task",
    "ResourceSid": "WT01",
    "Timestamp": str(NOW // SECOND),
    "TaskSid": "WT01",
    "TaskChannelUniqueName": "voice",
    "TaskAttributes": '{"customer_id":"ann","reason":"invoice","from":"+4930000001"}',
    "TaskQueueName": "billing",
    "WorkerName": "kim",
}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("task.created", Kind.CONTACT_STARTED),
        ("task-queue.entered", Kind.CONTACT_QUEUED),
        ("reservation.accepted", Kind.CONTACT_CONNECTED),
        ("task.transfer-completed", Kind.CONTACT_TRANSFERRED),
        ("reservation.completed", Kind.CONTACT_WRAPPED_UP),
        ("task.canceled", Kind.CONTACT_ABANDONED),
        ("task.completed", Kind.CONTACT_ENDED),
        ("task.updated", None),
        ("worker.activity.update", None),
    ],
)
def test_twilio(event: str, kind: Kind | None) -> None:
    fields = {**TASK, "EventType": event}
    if kind is None:
        assert passed(TWILIO, as_form(fields)) == "unknown_type"
        return
    message = taken(TWILIO, as_form(fields))
    assert (message.customer, message.event.kind, message.event.at) == ("ann", kind, NOW)
    over = kind in (Kind.CONTACT_WRAPPED_UP, Kind.CONTACT_ABANDONED, Kind.CONTACT_ENDED)
    reason = "" if over else "invoice"  # why they called is not what it came to
    assert vars_of(message) == ("WT01", ContactChannel.VOICE, "billing", "kim", reason)


def vars_of(message: Any) -> tuple[Any, ...]:
    contact = message.event.contact
    return contact.id, contact.channel, contact.queue, contact.agent, contact.reason


def ticket(kind: str, event: dict[str, Any], **detail: Any) -> dict[str, Any]:
    return {
        "account_id": 1,
        "id": "01HZENDESKEVENT",
        "time": "2023-11-14T22:13:20.123456789Z",
        "type": f"zen:event-type:ticket.{kind}",
        "subject": "zen:ticket:77",
        "zendesk_event_version": "2022-11-06",
        "event": event,
        "detail": {
            "id": "77", "requester_id": "9", "group_id": "5", "assignee_id": "6", "status": "OPEN",
            "via": {"channel": "email"}, **detail,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "event", "expected"),
    [
        ("created", {}, Kind.CONTACT_STARTED),
        ("group_assignment_changed", {"current": "5", "previous": "4"}, Kind.CONTACT_TRANSFERRED),
        ("group_assignment_changed", {"current": "5", "previous": None}, None),  # an agent has it
        ("agent_assignment_changed", {"current": "6", "previous": None}, Kind.CONTACT_CONNECTED),
        ("agent_assignment_changed", {"current": "6", "previous": "4"}, Kind.CONTACT_TRANSFERRED),
        ("agent_assignment_changed", {"current": None, "previous": "4"}, Kind.CONTACT_QUEUED),
        ("status_changed", {"current": "SOLVED", "previous": "OPEN"}, Kind.CONTACT_ENDED),
        ("status_changed", {"current": "PENDING", "previous": "OPEN"}, Kind.CONTACT_CONNECTED),
        ("comment_added", {"comment": {}}, None),
    ],
)
def test_zendesk(kind: str, event: dict[str, Any], expected: Kind | None) -> None:
    if expected is None:
        assert passed(ZENDESK, ticket(kind, event)) == "unknown_type"
        return
    message = taken(ZENDESK, ticket(kind, event))
    assert (message.customer, message.event.kind) == ("contact:zendesk:77", expected)
    assert (message.event.id, message.event.at) == ("01HZENDESKEVENT", NOW)  # the engine's now, less than it says
    assert vars_of(message)[:4] == ("zendesk:77", ContactChannel.EMAIL, "5", "6")


CALLER = {"id": "1700000000.42", "name": "PJSIP/alice-00000001", "state": "Up", "caller": {"number": "+49301"}}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "StasisStart", "args": [], "channel": CALLER}, Kind.CONTACT_STARTED),
        ({"type": "ChannelHold", "channel": CALLER}, Kind.CONTACT_HELD),
        ({"type": "ChannelEnteredBridge", "bridge": {"id": "b"}, "channel": CALLER}, Kind.CONTACT_CONNECTED),
        ({"type": "BridgeBlindTransfer", "channel": CALLER, "result": "Success"}, Kind.CONTACT_TRANSFERRED),
        ({"type": "BridgeAttendedTransfer", "transferee": CALLER, "result": "Success"}, Kind.CONTACT_TRANSFERRED),
        ({"type": "ChannelDestroyed", "cause": 16, "cause_txt": "Normal", "channel": CALLER}, Kind.CONTACT_ENDED),
        (
            {"type": "ChannelUserevent", "eventname": "contact_queued", "channel": CALLER,
             "userevent": {"eventname": "contact_queued", "queue": "billing", "customer": "ann"}},
            Kind.CONTACT_QUEUED,
        ),
        ({"type": "ChannelVarset", "variable": "X", "value": "1", "channel": CALLER}, None),
        ({"type": "ChannelDtmfReceived", "digit": "5", "channel": CALLER}, None),
    ],
)  # fmt: skip
def test_asterisk(event: dict[str, Any], kind: Kind | None) -> None:
    event = {**event, "application": "shop", "timestamp": "2023-11-14T16:13:20.000-0600"}
    if kind is None:
        assert passed(ASTERISK, event) == "unknown_type"
        return
    message = taken(ASTERISK, event)
    assert (message.event.kind, message.event.at) == (kind, NOW)
    named = "userevent" in event
    assert message.customer == ("ann" if named else "contact:1700000000.42")
    queue, reason = ("billing", "") if named else ("", event.get("cause_txt", ""))
    assert vars_of(message) == ("1700000000.42", ContactChannel.VOICE, queue, "", reason)


def test_outcomes_of_emails() -> None:
    words = {
        "processed": "sent",
        "delivered": "delivered",
        "open": "opened",
        "click": "clicked",
        "bounce": "bounced",
        "spamreport": "spamreport",
        "group_unsubscribe": "group_unsubscribe",
        "resubscribe": "resubscribe",
        "typo": "",
    }
    consents = {
        "spamreport": Kind.CONSENT_REVOKED,
        "group_unsubscribe": Kind.CONSENT_REVOKED,
        "resubscribe": Kind.CONSENT_GRANTED,
    }
    sent = [
        {
            "email": "ann@example.com", "timestamp": NOW // SECOND, "event": name, "sg_event_id": f"e{number}",
            "sg_message_id": "m-1", "customer_id": "ann",
        }
        for number, name in enumerate(words)
    ]  # fmt: skip
    *found, last = events(EMAIL, sent)
    assert isinstance(last, LeftOut)
    for number, (name, one) in enumerate(zip(words, found, strict=False)):
        assert isinstance(one, Message)
        kind, stated = consents.get(name, Kind.CONTACT_OUTCOME), ("marketing", "email")
        assert (one.customer, one.event.id, one.event.kind) == ("ann", f"e{number}", kind)
        assert (one.event.item, one.event.category) == (stated if name in consents else ("", ""))
        assert vars_of(one) == ("m-1", ContactChannel.EMAIL, "", "", words[name])


def test_forms_and_json_are_not_taken_for_one_another() -> None:
    assert passed(TWILIO, Delivery(json.dumps(TASK).encode())) == "unknown_type"
