"""Mapping files as sources: what is taken of a payload, what is passed over, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent
from engine.events import Contact, ContactChannel, Event, Kind, LeftOut, Message
from engine.kernels.wire import FIRST_INSTRUCTION_KIND
from engine.ports.sources import ContactEvent, ContactSource, Delivery, Receipt
from engine.sources.contacts.condition import pattern
from tests.sources.contacts import NOW, RECEIPT, SECOND, SHIPPED, as_form, events, mapped, passed, refused, taken
from tests.sources.knowing import KNOWING

PLAIN = """
source: shop
contact: call.id
customer: [who, person.id]
id: event_id
time: at
queue: queue
agent: agents.0.name
reason: why
score: score
channel: {from: media, voice: ["tel*", PSTN], email: mail, otherwise: chat}
kinds:
  - {kind: started, when: {type: call.started}}
  - {kind: ended, when: {type: [call.ended, "call.*.ended"], code: [200, 4.5], final: "true"}}
  - {kind: queued, when: {type: call.waits, queue: true, agents: false}}
  - {kind: surveyed, when: {type: survey}}
"""
SHOP = mapped(PLAIN)
CALL = {"type": "call.started", "call": {"id": "c-1"}, "at": NOW}


def with_(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**CALL, **changed}.items() if value is not ...}


def test_what_is_stated_is_in_the_event() -> None:
    payload = with_(
        who="ann", event_id="e-1", queue="billing", agents=[{"name": "Kim"}], why="invoice", media="telephone"
    )
    message = taken(SHOP, payload)
    assert message.customer == "ann"
    assert msgspec.to_builtins(message.event) == [
        1, Kind.CONTACT_STARTED, NOW, "e-1", "", "", 0.0, 1, NOW, "", 0, 1, 0,
        ["c-1", ContactChannel.VOICE, "billing", "Kim", "invoice"], None,
    ]  # fmt: skip
    assert message.left_out == ()


def test_who_is_not_known_is_known_by_the_contact() -> None:
    assert taken(SHOP, CALL).customer == "contact:c-1"
    assert taken(SHOP, with_(person={"id": 7})).customer == "7"
    assert taken(SHOP, with_(who=None, person={"id": ""})).customer == "contact:c-1"
    for nobody in ("undefined", "x" * 257, {"a": 1}, True, 1.5):
        message = taken(SHOP, with_(who=nobody))
        assert message.customer == "contact:c-1"
        assert [one.field for one in message.left_out] == ["who"]
        message = taken(SHOP, with_(who=nobody, person={"id": "ann"}))
        assert (message.customer, [one.field for one in message.left_out]) == ("ann", ["who"])
    assert taken(SHOP, with_(who="x" * 256)).customer == "x" * 256


@pytest.mark.parametrize("found", [..., None, "", " ", "null", {"id": "c"}, [], True, 1.5])
def test_a_contact_without_an_id_is_refused(found: object) -> None:
    code, field = refused(SHOP, with_(call={} if found is ... else {"id": found}))
    assert (code in ("missing_id", "placeholder_id", "bad_field"), field) == (True, "call.id")


@pytest.mark.parametrize(("size", "code"), [(100, ""), (101, "too_large"), (300, "too_large")])
def test_ids_are_bounded(size: int, code: str) -> None:
    for changed in ({"call": {"id": "x" * size}}, {"event_id": "x" * size}):
        (event,) = events(SHOP, with_(**changed))
        assert (event.code if isinstance(event, BadEvent) else "") == code


def test_a_prefix_counts_for_the_bound_and_names_the_contact() -> None:
    source = mapped(PLAIN.replace("contact:", "prefix: 'shop:'\ncontact:", 1))
    message = taken(source, CALL)
    assert (message.customer, message.event.contact and message.event.contact.id) == (
        "contact:shop:c-1",
        "shop:c-1",
    )
    assert taken(source, with_(call={"id": "x" * 95}))
    assert refused(source, with_(call={"id": "x" * 96}))[0] == "too_large"


DAY = 86_400_000


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW, NOW),
        (NOW // SECOND, NOW),
        (str(NOW), NOW),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.000-0000", NOW),
        ("2023-11-14T23:13:20.000+0100", NOW),
        ("2023-11-14T22:13:20.000000000Z", NOW),
        (None, NOW),
        (NOW + 60_000, NOW),  # a clock that is ahead
        (NOW + DAY + 1, None),
        (NOW - 400 * DAY, NOW - 400 * DAY),
        (NOW - 400 * DAY - 1, None),
        (0, None),
        (1, None),
        ("1970-01-01T00:00:00Z", None),
        ("lunchtime", None),
        (True, None),
        ({}, None),
        (1e300, None),
    ],
)
def test_when_it_happened(at: object, expected: int | None) -> None:
    if expected is None:
        assert refused(SHOP, with_(at=at)) == ("bad_time", "at")
    else:
        assert taken(SHOP, with_(at=at)).event.at == expected


def test_a_repeat_has_the_same_id_and_nothing_else_has() -> None:
    def made(**changed: Any) -> str:
        return taken(SHOP, with_(**changed)).event.id

    different = [made(), made(call={"id": "c-2"}), made(at=NOW - 1), made(why="other"), made(queue="q")]
    assert made() == different[0]
    assert len(set(different)) == len(different)
    assert made(event_id="null") == made()
    assert made(at=...) == RECEIPT.fallback_id
    assert all(0 < len(one) <= 100 for one in different)


def test_a_score_is_what_a_survey_is_about() -> None:
    survey = with_(type="survey", score="4,5")
    assert taken(SHOP, survey).event.value == 4.5
    assert taken(SHOP, {**survey, "score": 0}).event.value == 0
    assert taken(SHOP, with_(score=9)).event.value == 0
    for bad in (None, "good", -1, True, 1e13):
        assert refused(SHOP, {**survey, "score": bad}) == ("bad_number", "score")


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"type": "CALL.Started"}, Kind.CONTACT_STARTED),
        ({"type": "call.ended", "code": 200, "final": True}, Kind.CONTACT_ENDED),
        ({"type": "call.a.b.ended", "code": "200", "final": "TRUE"}, Kind.CONTACT_ENDED),
        ({"type": "call.x.ended", "code": 4.5, "final": True}, Kind.CONTACT_ENDED),
        ({"type": "call.ended", "code": 201, "final": True}, None),
        ({"type": "call.ended", "code": 200, "final": False}, None),
        ({"type": "call.ended", "code": 200}, None),
        ({"type": "call.waits", "queue": "q"}, Kind.CONTACT_QUEUED),
        ({"type": "call.waits", "queue": ""}, None),
        ({"type": "call.waits", "queue": "q", "agents": []}, None),
        ({"type": "x" * 2_000}, None),
        ({"type": ["call.started"]}, None),
        ({"type": None}, None),
    ],
)
def test_the_first_kind_counts_whose_conditions_hold(changed: dict[str, Any], kind: Kind | None) -> None:
    if kind is None:
        assert passed(SHOP, with_(**changed)) == "unknown_type"
    else:
        assert taken(SHOP, with_(**changed)).event.kind == kind


@pytest.mark.parametrize(
    ("media", "channel"),
    [("TELEFON", 1), ("tel", 1), ("pstn", 1), ("PSTN2", 2), ("mail", 3), ("fax", 2), (None, 2), (7, 2), ({}, 2)],
)
def test_the_channel_is_by_the_mappings_words(media: object, channel: int) -> None:
    message = taken(SHOP, with_(media=media))
    assert message.event.contact is not None
    assert message.event.contact.channel == channel


def test_what_is_beside_the_event_and_cannot_be_read_is_left_out() -> None:
    message = taken(SHOP, with_(queue="q" * 257, why={"code": 1}, agents=[{"name": [1]}]))
    assert message.event.contact == Contact("c-1", ContactChannel.CHAT)
    assert {(one.reason, one.field) for one in message.left_out} == {
        ("too_large", "queue"),
        ("bad_field", "why"),
        ("bad_field", "agents.0.name"),
    }


def test_a_list_is_read_event_by_event() -> None:
    found = events(SHOP, [CALL, 7, with_(type="other"), with_(call={}), with_(call={"id": "c-2"})])
    assert [type(one) for one in found] == [Message, BadEvent, LeftOut, BadEvent, Message]
    assert events(SHOP, []) == []
    several = [one for one in events(SHOP, [with_(at=...)] * 3) if isinstance(one, Message)]
    assert [one.event.id for one in several] == ["made-here", "made-here-1", "made-here-2"]
    with pytest.raises(BadEvent, match="too_large"):
        events(SHOP, [CALL] * 2_501)


def test_events_may_lie_deeper_in_a_body_and_their_fields_in_them() -> None:
    source = mapped(PLAIN.replace("contact:", "each: data.items\ninside: [body.event, body]\ncontact:", 1))
    wrapped = {"body": {"event": {"call": {"id": "c-9"}}, "why": "x"}, "type": "call.started", "at": NOW}
    found = taken(source, {"data": {"items": [wrapped]}})
    assert found.event.contact is not None
    assert (found.event.contact.id, found.event.contact.reason) == ("c-9", "x")
    assert refused(source, {"data": {}}) == ("malformed", "")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[", b"nope", b"\xff", b"[" * 100_000, b'{"a":' * 5_000, b"7", b"null"]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    def read() -> None:
        for one in SHOP.events(Delivery(body), RECEIPT):
            assert isinstance(one, BadEvent)
            raise one

    with pytest.raises(BadEvent, match="malformed"):
        read()


def test_json_that_is_nearly_that_is_read() -> None:
    body = b'\xef\xbb\xbf{"type":"call.started","call":{"id":"c\x01-1"},"at":1700000000000,"score":NaN}'
    message = taken(SHOP, Delivery(body))
    assert message.customer == "contact:c -1"


FORM = mapped(
    "source: form\nbody: form\ncontact: Sid\ncustomer: Attributes.customer\n"
    "kinds: [{kind: started, when: {Event: begun}}]\n"
)


def test_a_form_may_hold_json() -> None:
    fields = {"Event": "begun", "Sid": "c-1", "Attributes": '{"customer": "ann", "Sid": "other"}'}
    message = taken(FORM, as_form(fields))
    assert (message.customer, message.event.contact and message.event.contact.id) == ("ann", "c-1")
    for broken in ('{"customer": ', "[1]", "ann", "{" * 10_000):
        assert taken(FORM, as_form({**fields, "Attributes": broken})).customer == "contact:c-1"


def test_the_first_of_a_forms_fields_counts_and_their_number_is_bounded() -> None:
    assert taken(FORM, Delivery(b"Event=begun&Sid=a&Sid=b")).customer == "contact:a"
    assert taken(FORM, Delivery(b"Event=begun&Sid=%FFa")).customer == "contact:\ufffda"
    with pytest.raises(BadEvent, match="malformed"):
        events(FORM, Delivery(b"&".join(b"a=b" for _ in range(1_001))))


def test_a_record_on_kafka_is_one_event() -> None:
    value = msgspec.json.encode(with_(at=NOW - SECOND))
    customer, event, left_out = SHOP.canonical(value, b"the key", NOW, "events-3-7")
    read = msgspec.msgpack.decode(event or b"", type=Event)
    assert (customer, read.at, read.trust, left_out) == (b"contact:c-1", NOW - SECOND, 0, ())
    nothing = SHOP.canonical(msgspec.json.encode({"type": "typing"}), None, NOW, "events-3-8")
    assert (nothing[1], [one.reason for one in nothing[2]]) == (None, ["unknown_type"])
    for value in (msgspec.json.encode([CALL, CALL]), msgspec.json.encode(with_(call={})), b"{", b"[]"):
        with pytest.raises(BadEvent):
            SHOP.canonical(value, None, NOW, "events-3-9")


#: Anything that JSON can say.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=20,
)
NAMES = st.sampled_from(
    [
        "topicName", "eventBody", "conversationId", "eventTime", "queueId", "userId", "mediaType",
        "disconnectType", "type", "detail", "event", "id", "time", "current", "channel", "userevent", "eventname",
        "timestamp", "sg_message_id", "EventType", "TaskSid", "TaskAttributes", "Timestamp", "via",
    ]
)  # fmt: skip
LIKELY = st.sampled_from(
    [
        "v2.detail.events.conversation.x.acd.start", "zen:event-type:ticket.created", "StasisStart", "open",
        "task.created", "c-1", NOW, NOW // SECOND, "2023-11-14T22:13:20Z", "VOICE", "ABANDON",
        '{"customer_id": 7}',
    ]
)  # fmt: skip
PAYLOADS = st.dictionaries(
    NAMES, LIKELY | JSON | st.dictionaries(NAMES, LIKELY | JSON, max_size=8), max_size=12
) | st.lists(JSON, max_size=3)


@given(st.sampled_from(sorted(SHIPPED)), PAYLOADS, st.integers(-(10**15), 10**15))
def test_any_payload_is_taken_passed_over_or_refused(name: str, payload: object, now: int) -> None:
    body = msgspec.json.encode(payload)
    check_any(name, body, now)


@given(st.sampled_from(sorted(SHIPPED)), st.binary(max_size=200))
def test_any_bytes_are_taken_passed_over_or_refused(name: str, body: bytes) -> None:
    check_any(name, body, NOW)


def tried(source: ContactSource, body: bytes, now: int) -> list[ContactEvent]:
    try:
        return list(source.events(Delivery(body), Receipt(NOW, now, "made-here")))
    except BadEvent:
        return []


def check_any(name: str, body: bytes, now: int) -> None:
    for one in [*tried(SHIPPED[name], body, now), *tried(KNOWING[name], body, now)]:
        if isinstance(one, Message):
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(one.event), type=Event) == one.event
            if one.event.contact is None:  # consent need not be of one
                assert one.event.kind >= FIRST_INSTRUCTION_KIND
            else:
                assert 1 <= len(one.event.contact.id.encode()) <= 100
            assert 1 <= len(one.customer.encode()) <= 256
            assert 1 <= len(one.event.id.encode()) <= 100


@given(st.lists(st.text("ab", max_size=3), min_size=1, max_size=4), st.text("ab", max_size=12))
def test_a_pattern_is_what_a_search_with_gaps_finds(parts: list[str], value: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, parts)), value, re.DOTALL) is not None
    assert pattern("*".join(parts)).fits(value) == expected
