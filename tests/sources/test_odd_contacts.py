"""Legs, participants, transfers and reservations: which contact an event is of, and what it does to it; and events
that are odd."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from engine.events import Contact, ContactChannel, Kind
from engine.ports.sources import Delivery
from tests.sources.contact_rows import seen
from tests.sources.contacts import NOW, SECOND, SHIPPED, as_form, as_json, mapped, passed, refused, taken
from tests.sources.test_coded_vendors import CALL, CONVERSATION, QUEUED, SERVED
from tests.sources.test_vendors import CALLER, COMMON, TASK
from tests.sources.test_vendors import CONVERSATION as TALK

CONNECT, TWILIO, GENESYS, ASTERISK = (
    SHIPPED[name] for name in ("amazon_connect", "twilio", "genesys", "asterisk")
)


def minute(at: int) -> str:
    return f"2023-11-14T21:{at:02}:00.000Z"


def connect(event: str, leg: str, at: int, first: str = "", **more: Any) -> dict[str, Any]:
    """An event of the leg `leg` of a contact whose first is `first`."""
    name = {"INITIATED": "initiationTimestamp", "DISCONNECTED": "disconnectTimestamp"}.get(event, "x")
    body = {
        "eventType": event, "contactId": leg, "channel": "VOICE", "initiationMethod": "INBOUND",
        "initiationTimestamp": minute(0), "customerId": "ann", name: minute(at), **more,
    }  # fmt: skip
    if first:
        body |= {"initialContactId": first, "previousContactId": first}
    if event == "QUEUED":
        body["queueInfo"] = {"queueArn": "q/1", "enqueueTimestamp": minute(at)}
    if event == "CONNECTED_TO_AGENT":
        body["agentInfo"] = {"agentArn": f"a/{leg}", "connectedToAgentTimestamp": minute(at)}
    return {"detail-type": "Amazon Connect Contact Event", "time": minute(at), "detail": body}


def test_the_legs_of_a_call_at_amazon_connect_are_one_contact() -> None:
    """A transfer makes another contact, which names the first:
    https://docs.aws.amazon.com/connect/latest/adminguide/contact-events.html"""
    call = [
        connect("INITIATED", "c-1", 1),
        connect("QUEUED", "c-1", 2),
        connect("CONNECTED_TO_AGENT", "c-1", 4),
        connect("INITIATED", "c-2", 6, "c-1", initiationMethod="TRANSFER"),
        connect("CONNECTED_TO_AGENT", "c-2", 8, "c-1", initiationMethod="TRANSFER"),
        connect("DISCONNECTED", "c-1", 9, nextContactId="c-2"),
        connect("COMPLETED", "c-1", 10, nextContactId="c-2"),
    ]
    for events in (call, call[::-1], random.Random(3).sample(call * 2, 2 * len(call))):
        found = seen(CONNECT, events)
        assert (found["contact.count"], found["contact.open"], found["contact.transfers"]) == (1, 1, 1)
        assert (found["contact.waiting"], found["contact.longest_wait"]) == (0, 120)
    over = seen(CONNECT, [*call, connect("DISCONNECTED", "c-2", 15, "c-1")])
    assert (over["contact.count"], over["contact.open"], over["contact.transfers"]) == (1, 0, 1)


def test_a_transfer_that_both_legs_report_is_one() -> None:
    task = [
        connect("INITIATED", "c-1", 1),
        connect("DISCONNECTED", "c-1", 5, disconnectReason="TRANSFERRED"),
        connect("INITIATED", "c-2", 5, "c-1", initiationMethod="QUEUE_TRANSFER"),
    ]
    found = seen(CONNECT, task)
    assert (found["contact.open"], found["contact.transfers"]) == (1, 1)


@pytest.mark.parametrize("method", ["OUTBOUND", "EXTERNAL_OUTBOUND", "CALLBACK", "outbound"])
def test_whom_the_company_called_gave_nothing_up(method: str) -> None:
    event = {**QUEUED, "eventType": "DISCONNECTED", "initiationMethod": method, "disconnectTimestamp": minute(9)}
    assert taken(CONNECT, event).event.kind == Kind.CONTACT_ENDED
    assert taken(CONNECT, {**event, "initiationMethod": "INBOUND"}).event.kind == Kind.CONTACT_ABANDONED


@pytest.mark.parametrize("kind", ["INITIATED", "CONNECTED_TO_AGENT", "DISCONNECTED", "COMPLETED"])
def test_who_listens_in_is_not_the_customer(kind: str) -> None:
    event = {**SERVED, "eventType": kind, "initiationMethod": "MONITOR", "initialContactId": "c-1"}
    assert passed(CONNECT, event) == "unknown_type"


def test_an_agents_reply_belongs_to_the_email_that_it_answers() -> None:
    reply = {**CALL, "eventType": "DISCONNECTED", "channel": "EMAIL", "contactId": "c-9",
             "relatedContactId": "c-1", "disconnectTimestamp": minute(9)}  # fmt: skip
    assert taken(CONNECT, {**reply, "initiationMethod": "AGENT_REPLY"}).customer == "contact:c-1"
    assert (
        taken(CONNECT, {**reply, "initiationMethod": "API"}).customer == "contact:c-9"
    )  # a task about it is another


def task(event: str, at: int, status: str = "pending", **more: str) -> Delivery:
    stamp = str((NOW - 3_600 * SECOND) // SECOND + at * 60)
    return as_form({**TASK, "EventType": event, "Timestamp": stamp, "TaskAssignmentStatus": status, **more})


def test_a_task_of_twilios_that_nobody_accepts_goes_on_waiting() -> None:
    """https://www.twilio.com/docs/taskrouter/api/event/reference"""
    call = [
        task("task.created", 0), task("task-queue.entered", 1), task("reservation.created", 2, "reserved"),
        task("reservation.timeout", 3), task("reservation.created", 3, "reserved"),
        task("reservation.rejected", 4), task("reservation.canceled", 5), task("reservation.rescinded", 5),
        task("task-queue.timeout", 6), task("task-queue.moved", 6), task("workflow.timeout", 6),
    ]  # fmt: skip
    found = seen(TWILIO, call)
    assert (found["contact.open"], found["contact.waiting"], found["contact.waiting_seconds"]) == (1, 1, 59 * 60)
    accepted = [*call, task("reservation.accepted", 7, "assigned")]
    assert seen(TWILIO, accepted)["contact.waiting"] == 0
    gone = seen(TWILIO, [*call, task("task.canceled", 8, "canceled", TaskCanceledReason="hangup")])
    assert (gone["contact.open"], gone["contact.abandoned"]) == (0, 1)


@pytest.mark.parametrize("end", ["task.wrapup", "task.completed", "task.deleted", "task.system-deleted"])
def test_a_task_ends_as_the_talk_does(end: str) -> None:
    """An agent wraps up for minutes after the customer has gone."""
    call = [task("task.created", 0), task("reservation.accepted", 1, "assigned"), task(end, 5, "wrapping")]
    assert seen(TWILIO, call)["contact.open"] == 0
    assert seen(TWILIO, [*call, task("task.completed", 9, "completed")])["contact.open"] == 0


@pytest.mark.parametrize(
    ("name", "kind", "channel"),
    [
        ("voice", None, ContactChannel.VOICE),
        ("default", "web", ContactChannel.CHAT),
        ("chat", "whatsapp", ContactChannel.MESSAGING),
        ("chat", "new", ContactChannel.CHAT),
        ("default", None, ContactChannel.UNKNOWN),
        ("sms", "sms", ContactChannel.MESSAGING),
    ],
)
def test_the_channel_of_a_task(name: str, kind: str | None, channel: ContactChannel) -> None:
    attributes = json.dumps({"customer_id": "ann", "channelType": kind})
    contact = taken(TWILIO, as_form({**TASK, "TaskChannelUniqueName": name, "TaskAttributes": attributes}))
    assert contact.event.contact is not None
    assert contact.event.contact.channel == channel


def genesys(topic: str, **more: Any) -> Delivery:
    name = f"v2.detail.events.conversation.{TALK}.{topic}"
    return as_json({"topicName": name, "eventBody": {**COMMON, **more}})


@pytest.mark.parametrize("form", ["wrapped", "bare"])
@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("TRANSFER", Kind.CONTACT_TRANSFERRED),
        ("CONSULT_TRANSFER", Kind.CONTACT_TRANSFERRED),
        ("TRANSFER_CONFERENCE", Kind.CONTACT_TRANSFERRED),
        ("NO_ANSWER_TRANSFER", Kind.CONTACT_QUEUED),
        ("NOT_AVAILABLE_TRANSFER", Kind.CONTACT_QUEUED),
        ("TRANSFER_NOANSWER", Kind.CONTACT_QUEUED),
        ("TRANSFER_NOTAVAILABLE", Kind.CONTACT_QUEUED),
        ("PEER", None),
        ("ENDPOINT", None),
    ],
)
def test_an_agent_who_did_not_answer_is_no_transfer(how: str, kind: Kind | None, form: str) -> None:
    """The types of https://developer.genesys.cloud/analyticsdatamanagement/analytics/detail/"""
    delivery = genesys("user.end", userId="u-1", queueId="q-1", disconnectType=how)
    if form == "bare":
        delivery = as_json(json.loads(delivery.body)["eventBody"])
    if kind is None:
        assert passed(GENESYS, delivery) == "unknown_type"
    else:
        assert taken(GENESYS, delivery).event.kind == kind


def test_of_several_participants_the_customers_leaving_ends_it() -> None:
    at = NOW - 600 * SECOND
    ids = ("customer", "u-1", "u-2", "u-3")
    customer, first, second, listening = (f"p-{one}" for one in ids)
    talk = [
        genesys("customer.start", eventTime=at, participantId=customer),
        genesys("user.start", eventTime=at + SECOND, participantId=first, userId="u-1"),
        genesys("user.start", eventTime=at + 60 * SECOND, participantId=second, userId="u-2"),  # a conference
        genesys("user.end", eventTime=at + 90 * SECOND, participantId=first, userId="u-1", disconnectType="PEER"),
        genesys("user.start", eventTime=at + 95 * SECOND, participantId=listening, userId="u-3"),
        genesys("user.end", eventTime=at + 99 * SECOND, participantId=listening, userId="u-3",
                disconnectType="CLIENT"),
    ]  # fmt: skip
    found = seen(GENESYS, talk)
    assert (found["contact.count"], found["contact.open"], found["contact.transfers"]) == (1, 1, 0)
    end = genesys("customer.end", eventTime=at + 200 * SECOND, participantId=customer, disconnectType="PEER")
    assert seen(GENESYS, [*talk, end])["contact.open"] == 0


AGENT = {"id": "1700000009.77", "name": "PJSIP/kim-00000002", "caller": {"number": "1002"}}


def asterisk(**event: Any) -> dict[str, Any]:
    return {"application": "shop", "timestamp": "2023-11-14T22:13:20Z", **event}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "BridgeBlindTransfer", "channel": AGENT, "transferee": CALLER, "result": "Success"},
         Kind.CONTACT_TRANSFERRED),
        ({"type": "BridgeBlindTransfer", "channel": AGENT, "transferee": CALLER, "result": "Fail"}, None),
        ({"type": "BridgeAttendedTransfer", "transferer_first_leg": AGENT, "transferee": CALLER,
          "result": "Not Permitted"}, None),
        ({"type": "BridgeAttendedTransfer", "transferer_first_leg": AGENT, "result": "Success"}, None),
        ({"type": "Dial", "caller": CALLER, "peer": AGENT, "dialstatus": "RINGING"}, None),
        ({"type": "Dial", "caller": CALLER, "peer": AGENT, "dialstatus": ""}, None),
        ({"type": "Dial", "caller": CALLER, "peer": AGENT, "dialstatus": "ANSWER"}, Kind.CONTACT_CONNECTED),
        ({"type": "Dial", "peer": AGENT, "dialstatus": "ANSWER"}, None),  # of whom is not said
        ({"type": "ChannelEnteredBridge", "channel": CALLER,
          "bridge": {"id": "b", "bridge_type": "holding", "channels": [CALLER["id"]]}}, Kind.CONTACT_QUEUED),
        ({"type": "ChannelEnteredBridge", "channel": CALLER,
          "bridge": {"id": "b", "bridge_type": "mixing", "channels": [CALLER["id"]]}}, None),  # alone
        ({"type": "ChannelEnteredBridge", "channel": CALLER,
          "bridge": {"id": "b", "bridge_type": "mixing", "channels": [AGENT["id"], CALLER["id"]]}},
         Kind.CONTACT_CONNECTED),
        ({"type": "StasisStart", "args": ["dialed"],
          "channel": CALLER | {"dialplan": {"app_name": "Stasis", "app_data": "shop,dialed"}}}, None),
        ({"type": "StasisStart", "args": ["in"],
          "channel": CALLER | {"dialplan": {"app_name": "Stasis", "app_data": "shop,in"}}}, Kind.CONTACT_STARTED),
        ({"type": "ChannelDestroyed", "channel": CALLER | {"dialplan": {"app_name": "AppDial2"}}}, None),
        ({"type": "StasisEnd", "channel": CALLER}, None),  # it may go on in the dialplan
        ({"type": "ChannelHangupRequest", "channel": CALLER, "cause": 16}, Kind.CONTACT_ENDED),
    ],
)  # fmt: skip
def test_of_the_legs_of_a_call_at_asterisk_the_callers_counts(event: dict[str, Any], kind: Kind | None) -> None:
    """https://docs.asterisk.org/Latest_API/API_Documentation/Asterisk_REST_Interface/Asterisk_REST_Data_Models/"""
    if kind is None:
        assert passed(ASTERISK, asterisk(**event)) == "unknown_type"
        return
    message = taken(ASTERISK, asterisk(**event))
    assert message.event.contact is not None
    assert (message.event.kind, message.event.contact.id) == (kind, CALLER["id"])


def test_a_contacts_id_that_is_none_leaves_the_next_place_to_count() -> None:
    source = mapped("source: own\ncontact: [call.id, id]\nkinds: [{kind: started, when: {type: a}}]\n")
    nothings: list[object] = [None, "", " ", "null", "undefined", 0, {}, [], True, 1.5, "x" * 101]
    for nothing in nothings:
        event = {"type": "a", "call": {"id": nothing}, "id": 7}
        assert taken(source, event).event.contact == Contact("7")
        assert refused(source, {**event, "id": nothing})[1] in ("call.id", "id")
    assert refused(source, {"type": "a"}) == ("missing_id", "call.id")


def test_a_kind_may_say_that_it_is_passed_over() -> None:
    source = mapped(
        "source: own\ncontact: id\nkinds:\n  - {kind: passed, when: {type: a, leg: agent}}\n"
        "  - {kind: started, when: {type: a}}\n"
    )
    assert passed(source, {"type": "a", "leg": "agent", "id": 7}) == "unknown_type"
    assert taken(source, {"type": "a", "leg": "customer", "id": 7}).event.kind == Kind.CONTACT_STARTED


NUMBERS_AND_TIMES: list[tuple[str, Any]] = [
    ("amazon_connect", {**CALL, "eventType": "INITIATED", "contactId": 7}),
    ("chatwoot", {**CONVERSATION, "event": "conversation_created", "id": "7"}),
    ("genesys", json.loads(genesys("customer.start", conversationId=7).body)),
    ("asterisk", asterisk(type="StasisStart", channel={**CALLER, "id": 7})),
]


@pytest.mark.parametrize(("source", "payload"), NUMBERS_AND_TIMES)
def test_ids_may_be_numbers(source: str, payload: Any) -> None:
    contact = taken(SHIPPED[source], payload).event.contact
    assert contact is not None
    assert contact.id.removeprefix("chatwoot:") == "7"


@pytest.mark.parametrize(
    "written",
    [NOW, NOW // SECOND, str(NOW), str(NOW // SECOND), NOW / SECOND, "2023-11-14T22:13:20Z",
     "2023-11-14 22:13:20 UTC", "2023-11-14 23:13:20 +0100", "2023-11-14T23:13:20+01:00",
     "2023-11-15T03:43:20+05:30", "2023-11-14T16:13:20.000-0600"],
)  # fmt: skip
def test_times_are_written_in_many_ways(written: object) -> None:
    """Epoch seconds and milliseconds, RFC 3339, and as Ruby writes them."""
    for source, payload in (
        ("genesys", json.loads(genesys("customer.start", eventTime=written).body)),
        ("asterisk", asterisk(type="StasisStart", channel=CALLER, timestamp=written)),
        ("chatwoot", {**CONVERSATION, "event": "conversation_created", "created_at": written}),
        ("amazon_connect", {**CALL, "eventType": "INITIATED", "initiationTimestamp": written}),
    ):
        assert taken(SHIPPED[source], payload).event.at == NOW
