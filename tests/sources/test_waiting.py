"""Conversations and tickets that wait for the company: from the customer's word to an agent's, as rules see it.

Chatwoot's payloads as its `app/presenters/conversations/event_data_presenter.rb` makes them (times in seconds, a
`waiting_since` of 0 for nobody who waits); Zendesk's as
https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events has them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from engine.events import Event, Kind, Message
from engine.sources.contacts.chatwoot import Chatwoot
from tests.sources.contact_rows import seen
from tests.sources.contacts import NOW, SECOND, SHIPPED, events
from tests.sources.test_coded_vendors import change

MINUTE = 60 * SECOND
START = NOW - 100 * MINUTE
CHATWOOT, ZENDESK = SHIPPED["chatwoot"], SHIPPED["zendesk"]
assert isinstance(CHATWOOT, Chatwoot)


def chat(event: str, minute: int, waits: int | None = 0, agent: bool = False, **more: Any) -> dict[str, Any]:
    """An event `minute` minutes after the start, of a conversation that has been waiting since the minute `waits`
    (0: nobody waits)."""
    meta = {"sender": {"identifier": "ann"}, "assignee": {"id": 6, "name": "Kim"} if agent else None}
    since = {} if waits is None else {"waiting_since": (START + waits * MINUTE) // SECOND if waits else 0}
    return {
        "event": f"conversation_{event}", "id": 12, "inbox_id": 3, "channel": "Channel::WebWidget",
        "status": "open", "meta": meta, "messages": [], "created_at": START // SECOND + 60,
        "updated_at": START / SECOND + minute * 60, "timestamp": START // SECOND + minute * 60, **since, **more,
    }  # fmt: skip


def waiting(minute: int, since: int | None, answered: int | None = None, **more: Any) -> dict[str, Any]:
    """The customer began to wait, or was answered."""
    return chat("updated", minute, since or 0, changed_attributes=change("waiting_since", answered, since), **more)


def took(minute: int, waits: int = 0, before: int | None = None, now: int | None = 6) -> dict[str, Any]:
    changed = change("assignee_id", before, now)
    return chat("updated", minute, waits, agent=now is not None, changed_attributes=changed)


def status(minute: int, value: str, waits: int = 0, agent: bool = True, last: int = 1) -> dict[str, Any]:
    messages = [{"message_type": last, "sender_type": "User" if last else "Contact"}]
    return chat("status_changed", minute, waits, agent, status=value, messages=messages)


def ticket(kind: str, minute: int, detail: dict[str, Any], **event: Any) -> dict[str, Any]:
    at = datetime.fromtimestamp((START + minute * MINUTE) / SECOND, UTC).isoformat().replace("+00:00", "Z")
    via = {"channel": "email"}
    detail = {"id": "77", "assignee_id": None, "group_id": None, "status": "NEW", "via": via, **detail}
    return {"type": f"zen:event-type:ticket.{kind}", "time": at, "id": f"{kind}-{minute}", "event": event,
            "detail": detail}  # fmt: skip


def comment(minute: int, staff: bool, state: str = "OPEN", public: bool = True) -> dict[str, Any]:
    said = {"id": "1", "body": "…", "is_public": public, "author": {"id": "9", "is_staff": staff, "name": "x"}}
    return ticket("comment_added", minute, {"status": state, "assignee_id": "6"}, comment=said)


def moved(minute: int, before: str, now: str) -> dict[str, Any]:
    return ticket("status_changed", minute, {"status": now, "assignee_id": "6"}, previous=before, current=now)


def assigned(minute: int, before: str | None, now: str | None) -> dict[str, Any]:
    detail = {"status": "OPEN", "assignee_id": now}
    return ticket("agent_assignment_changed", minute, detail, previous=before, current=now)


#: Since which minute it waits (0: it does not), and whether it goes on, after each event.
Steps = list[tuple[dict[str, Any], int, int]]
CHATS: dict[str, Steps] = {
    "answered": [
        (chat("created", 1, 1), 1, 1),
        (took(2, waits=1), 1, 1),  # who has it has not answered yet
        (waiting(5, None, 1, agent=True), 0, 1),
        (waiting(8, 8, agent=True), 8, 1),
        (chat("updated", 9, 8, True, changed_attributes=change("priority", None, "high")), 8, 1),
        (waiting(9, None, 8, agent=True), 0, 1),
        (status(10, "resolved"), 0, 0),
    ],
    "reopened by the customer": [
        (chat("created", 1, 1), 1, 1),
        (waiting(5, None, 1, agent=True), 0, 1),
        (status(10, "resolved"), 0, 0),
        (status(20, "open", last=0), 20, 1),  # before it is said since when
        (waiting(20, 20, agent=True), 20, 1),
        (waiting(22, None, 20, agent=True), 0, 1),
    ],
    "reopened by the agent": [
        (chat("created", 1, 1), 1, 1),
        (waiting(5, None, 1, agent=True), 0, 1),
        (status(10, "resolved"), 0, 0),
        (status(20, "open"), 0, 1),
    ],
    "with a bot, then an agent": [
        (chat("created", 1, 1, status="pending"), 0, 1),
        (waiting(2, None, 1, status="pending"), 0, 1),
        (status(4, "open", waits=3, agent=False, last=0), 4, 1),  # handed over
        (took(5, waits=3), 3, 1),  # since when the customer does, as Chatwoot says
        (waiting(6, None, 3, agent=True), 0, 1),
    ],
    "snoozed": [
        (chat("created", 1, 1), 1, 1),
        (waiting(5, None, 1, agent=True), 0, 1),
        (status(6, "snoozed"), 0, 1),
        (status(30, "open", last=1), 0, 1),
        (status(31, "snoozed"), 0, 1),
        (status(40, "open", last=0), 40, 1),
    ],
    "nobody has it any more": [
        (chat("created", 1, 1), 1, 1),
        (waiting(5, None, 1, agent=True), 0, 1),
        (took(7, before=6, now=None), 7, 1),
        (took(8, before=None), 0, 1),
        (took(9, before=6, now=7), 0, 1),
    ],
    "written by the company first": [
        (chat("created", 1, 1, True, messages=[{"message_type": 1}]), 0, 1),
        (waiting(3, 3, agent=True), 3, 1),
    ],
    "answered by a bot while open": [
        (chat("created", 1, 1), 1, 1),
        (waiting(2, None, 1, messages=[{"message_type": 1, "sender_type": "AgentBot"}]), 1, 1),
    ],
    "of an older release": [
        (chat("created", 1, None), 1, 1),
        (chat("updated", 3, None, True, changed_attributes=change("assignee_id", None, 6)), 0, 1),
        (chat("status_changed", 5, None, True, status="resolved"), 0, 0),
        (chat("status_changed", 7, None, True), 7, 1),
    ],
}  # fmt: skip
TICKETS: dict[str, Steps] = {
    "answered": [
        (ticket("created", 1, {}), 1, 1),
        (ticket("group_assignment_changed", 2, {"group_id": "5"}, previous=None, current="5"), 1, 1),
        (assigned(3, None, "6"), 0, 1),
        (comment(4, staff=False), 4, 1),
        (comment(5, staff=True, public=False), 4, 1),  # a note among agents
        (comment(6, staff=True), 0, 1),
        (moved(6, "OPEN", "PENDING"), 0, 1),
        (moved(9, "PENDING", "OPEN"), 9, 1),
        (comment(9, staff=False), 9, 1),
        (comment(12, staff=True, state="SOLVED"), 9, 1),
        (moved(12, "OPEN", "SOLVED"), 0, 0),
        (moved(90, "SOLVED", "CLOSED"), 0, 0),
    ],
    "by the status alone": [
        (ticket("created", 1, {}), 1, 1),
        (moved(3, "NEW", "OPEN"), 0, 1),
        (moved(4, "OPEN", "HOLD"), 0, 1),
        (moved(9, "HOLD", "OPEN"), 9, 1),
        (moved(10, "OPEN", "PENDING"), 0, 1),
        (moved(12, "PENDING", "SOLVED"), 0, 0),
        (moved(20, "SOLVED", "OPEN"), 20, 1),
        (moved(30, "OPEN", "CLOSED"), 0, 0),
    ],
    "nobody has it any more": [
        (ticket("created", 1, {"status": "OPEN", "assignee_id": ""}), 1, 1),
        (assigned(2, None, "6"), 0, 1),
        (assigned(3, "6", "7"), 0, 1),
        (assigned(4, "7", None), 4, 1),
    ],
    "made by an agent": [
        (ticket("created", 1, {"status": "PENDING", "assignee_id": "6"}), 0, 1),
        (comment(5, staff=False), 5, 1),
    ],
}


@pytest.mark.parametrize(
    ("name", "case"), [("chatwoot", case) for case in CHATS] + [("zendesk", case) for case in TICKETS]
)
def test_it_waits_from_the_customers_word_to_an_agents(name: str, case: str) -> None:
    source, steps = SHIPPED[name], CHATS[case] if name == "chatwoot" else TICKETS[case]
    found = []
    for number in range(1, len(steps) + 1):
        told = [event for event, _, _ in steps[:number]]
        features = seen(source, told)
        assert repr(features) == repr(seen(source, told[::-1] + told))  # in any order, and repeated
        since = (NOW - features["contact.waiting_seconds"] * SECOND - START) / MINUTE
        found.append((since if features["contact.waiting"] else 0, features["contact.open"]))
    assert found == [(since, goes_on) for _, since, goes_on in steps]


def test_a_conversation_that_waits_has_begun_and_is_counted_once() -> None:
    for source, event in ((CHATWOOT, chat("created", 1, 1)), (ZENDESK, ticket("created", 1, {}))):
        begun, waits = (one.event for one in events(source, event) if isinstance(one, Message))
        assert (begun.kind, waits.kind) == (Kind.CONTACT_STARTED, Kind.CONTACT_QUEUED)
        assert begun.id != waits.id
        assert (begun.at, begun.contact) == (waits.at, waits.contact)
        assert seen(source, [event, event])["contact.count"] == 1


def test_a_record_on_kafka_is_one_event_that_it_waits() -> None:
    _, value, _ = CHATWOOT.canonical(msgspec.json.encode(chat("created", 1, 1)), None, NOW, "events-1-2")
    assert value is not None
    odd = {**chat("created", 1, 1), "labels": [{}]}
    assert [one.field for one in CHATWOOT.canonical(msgspec.json.encode(odd), None, NOW, "e")[2]] == ["labels.0"]
    assert msgspec.msgpack.decode(value, type=Event).kind == Kind.CONTACT_QUEUED


@pytest.mark.parametrize("changed", [None, [], {}, [None, 7, "x", {"waiting_since": 7}, {"status": None}]])
@pytest.mark.parametrize("since", [None, "", "soon", True, [], {}, 0, -1])
def test_changes_that_say_nothing_pass(changed: object, since: object) -> None:
    event = {**chat("updated", 1), "waiting_since": since, "changed_attributes": changed}
    assert not any(isinstance(one, Message) for one in events(CHATWOOT, event))
