"""Why somebody made contact, and what it came to: vendors' words for the one are never taken for the other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.events import Kind
from engine.ports.sources import ContactSource, Delivery
from tests.sources.contact_rows import seen, word
from tests.sources.contacts import NOW, SECOND, SHIPPED, as_form, as_json, mapped, taken
from tests.sources.test_coded_vendors import CALL, CLOUD, CONVERSATION, QUEUED, SERVED
from tests.sources.test_vendors import CALLER, COMMON, TASK, ticket
from tests.sources.test_vendors import CONVERSATION as TALK


def genesys(topic: str, **body: Any) -> Delivery:
    name = f"v2.detail.events.conversation.{TALK}.{topic}"
    return as_json({"topicName": name, "eventBody": {**COMMON, **body}})


def twilio(event: str, **fields: str) -> Delivery:
    return as_form({**TASK, "EventType": event, **fields})


def zendesk(kind: str, event: dict[str, Any], **detail: Any) -> Delivery:
    return as_json(ticket(kind, event, **detail))


def asterisk(**event: Any) -> Delivery:
    return as_json({"channel": CALLER, "timestamp": "2023-11-14T22:13:20Z", **event})


def connect(event: str, body: dict[str, Any], **more: Any) -> Delivery:
    return as_json({**body, "eventType": event, **more})


def chatwoot(status: str, **more: Any) -> Delivery:
    return as_json({**CONVERSATION, "event": "conversation_status_changed", "status": status, **more})


def raised(name: str, **fields: Any) -> Delivery:
    return asterisk(type="ChannelUserevent", eventname=name, userevent={"eventname": name, **fields})


def cloud(kind: str, **data: Any) -> Delivery:
    return as_json({**CLOUD, "type": f"contact.{kind}", "data": data})


REASON = '{"customer_id":"ann","reason":"invoice"}'
CASES: list[tuple[str, Delivery, Kind, str]] = [
    ("genesys", genesys("customer.start"), Kind.CONTACT_STARTED, ""),
    ("genesys", genesys("flow.start", flowId="f-1"), Kind.CONTACT_IN_IVR, ""),  # the way in is no reason
    ("genesys", genesys("acd.start", queueId="q"), Kind.CONTACT_QUEUED, ""),
    ("genesys", genesys("user.start", queueId="q", userId="u"), Kind.CONTACT_CONNECTED, ""),
    ("genesys", genesys("user.end", userId="u", disconnectType="TRANSFER"), Kind.CONTACT_TRANSFERRED, ""),
    ("genesys", genesys("acd.end", queueId="q", acdOutcome="ABANDON", disconnectType="PEER"),
     Kind.CONTACT_ABANDONED, "ABANDON"),
    ("genesys", genesys("acw", userId="u", wrapupCode="refund"), Kind.CONTACT_WRAPPED_UP, "refund"),
    ("genesys", genesys("customer.end", disconnectType="PEER"), Kind.CONTACT_ENDED, "PEER"),
    ("twilio", twilio("task.created", TaskAttributes=REASON), Kind.CONTACT_STARTED, "invoice"),
    ("twilio", twilio("reservation.accepted", TaskAttributes=REASON), Kind.CONTACT_CONNECTED, "invoice"),
    ("twilio", twilio("task.canceled", TaskAttributes=REASON, TaskCanceledReason="hangup"),
     Kind.CONTACT_ABANDONED, "hangup"),
    ("twilio", twilio("task.completed", TaskAttributes=REASON, TaskCompletedReason="done"),
     Kind.CONTACT_ENDED, "done"),
    ("twilio", twilio("task.completed", TaskAttributes=REASON), Kind.CONTACT_ENDED, ""),
    ("twilio", twilio("reservation.completed", TaskAttributes=json.dumps({"conversations": {"outcome": "sold"}})),
     Kind.CONTACT_WRAPPED_UP, "sold"),
    ("zendesk", zendesk("created", {}, type="question"), Kind.CONTACT_STARTED, "question"),
    ("zendesk", zendesk("status_changed", {"current": "SOLVED", "previous": "OPEN"}, type="question"),
     Kind.CONTACT_ENDED, "SOLVED"),
    ("asterisk", asterisk(type="StasisStart"), Kind.CONTACT_STARTED, ""),
    ("asterisk", asterisk(type="BridgeBlindTransfer", result="Success", cause_txt="x"), Kind.CONTACT_TRANSFERRED,
     ""),
    ("asterisk", raised("contact_queued", queue="q", reason="invoice"), Kind.CONTACT_QUEUED, "invoice"),
    ("asterisk", raised("contact_outcome", reason="solved"), Kind.CONTACT_OUTCOME, "solved"),
    ("asterisk", raised("contact_outcome", reason="invoice", outcome="solved"), Kind.CONTACT_OUTCOME, "solved"),
    ("amazon_connect", connect("INITIATED", CALL), Kind.CONTACT_STARTED, ""),  # how it began is no reason
    ("amazon_connect", connect("INITIATED", CALL, attributes={"reason": "invoice"}), Kind.CONTACT_STARTED,
     "invoice"),
    ("amazon_connect", connect("INITIATED", CALL, initiationMethod="TRANSFER", disconnectReason="x"),
     Kind.CONTACT_TRANSFERRED, ""),
    ("amazon_connect", connect("QUEUED", QUEUED), Kind.CONTACT_QUEUED, ""),
    ("amazon_connect", connect("DISCONNECTED", QUEUED, disconnectReason="CUSTOMER_DISCONNECT",
                               attributes={"reason": "invoice"}), Kind.CONTACT_ABANDONED, "CUSTOMER_DISCONNECT"),
    ("amazon_connect", connect("DISCONNECTED", SERVED, disconnectReason="AGENT_DISCONNECT"), Kind.CONTACT_ENDED,
     "AGENT_DISCONNECT"),
    ("chatwoot", chatwoot("open", labels=["invoice", "vip"]), Kind.CONTACT_QUEUED, "invoice"),
    ("chatwoot", chatwoot("open", custom_attributes={"reason": "refund"}, labels=["vip"]), Kind.CONTACT_QUEUED,
     "refund"),
    ("chatwoot", chatwoot("resolved", labels=["invoice"]), Kind.CONTACT_ENDED, "resolved"),
    ("cloudevents", cloud("started", reason="invoice", outcome="x"), Kind.CONTACT_STARTED, "invoice"),
    ("cloudevents", cloud("ended", reason="invoice", outcome="solved"), Kind.CONTACT_ENDED, "solved"),
    ("cloudevents", cloud("ended", reason="solved"), Kind.CONTACT_ENDED, "solved"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "delivery", "kind", "said"), CASES)
def test_the_word_of_an_event_is_of_its_kind(source: str, delivery: Delivery, kind: Kind, said: str) -> None:
    message = taken(SHIPPED[source], delivery)
    assert message.event.contact is not None
    assert (message.event.kind, message.event.contact.reason) == (kind, said)


OWN = "source: own\ncontact: id\ntime: at\nreason: why\n{}kinds:\n  - {{kind: started, when: {{type: a}}}}\n{}"


@pytest.mark.parametrize(
    ("outcome", "word_of_kind", "said"),
    [("", "", "invoice"), ("outcome: result\n", "", "done"), ("outcome: other\n", "", ""), ("", "won", "won"),
     ("outcome: result\n", "won", "won")],
)  # fmt: skip
def test_a_file_of_your_own_says_which_is_which(outcome: str, word_of_kind: str, said: str) -> None:
    word_ = f"word: {word_of_kind}, " if word_of_kind else ""
    source = mapped(OWN.format(outcome, f"  - {{kind: ended, {word_}when: {{type: b}}}}\n"))
    payload = {"id": "c-1", "at": NOW, "why": "invoice", "result": "done"}
    begun, ended = (taken(source, {**payload, "type": kind}).event.contact for kind in "ab")
    assert begun is not None
    assert ended is not None
    assert (begun.reason, ended.reason) == ("invoice", said)


def connected(contact: str, reason: str, at: int) -> list[Delivery]:
    """A whole call at Amazon Connect."""
    times = [f"2023-11-14T{at:02}:0{minute}:00Z" for minute in range(4)]
    body = {"contactId": contact, "channel": "VOICE", "initiationMethod": "INBOUND", "customerId": "ann",
            "initiationTimestamp": times[0], "attributes": {"reason": reason}}  # fmt: skip
    return [
        connect("INITIATED", body),
        connect("DISCONNECTED", body, disconnectTimestamp=times[3], disconnectReason="CUSTOMER_DISCONNECT"),
    ]


def test_calls_for_the_same_reason_are_those_and_no_others() -> None:
    def counted(source: ContactSource, *reasons: str) -> float:
        calls = [connected(f"c-{i}", reason, 10 + i) for i, reason in enumerate(reasons)]
        found = seen(source, [one for call in calls for one in call])
        assert found["contact.last_outcome"] == word("CUSTOMER_DISCONNECT")
        return found["contact.same_reason"]

    source = SHIPPED["amazon_connect"]
    assert counted(source, "invoice", "refund") == 0
    assert counted(source, "", "") == 0
    assert counted(source, "invoice", "refund", "invoice") == 1
    flow = [
        genesys("flow.start", flowId="f", conversationId=f"c-{i}", eventTime=NOW - i * SECOND) for i in range(3)
    ]
    assert seen(SHIPPED["genesys"], flow)["contact.same_reason"] == 0  # all go the same way in
