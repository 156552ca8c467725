"""Addresses and numbers in vendors' events: however they are written the customer's are found and hashed, and the
company's own are not. The shapes are those that each source's file names."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Message
from engine.ports.sources import Delivery
from engine.sources.contacts.address import emails, phones
from tests.sources.contacts import SHIPPED, as_form, as_json, events, taken
from tests.sources.knowing import ANN, COMPANY, KNOWING, LEE, PHONE, hashed
from tests.sources.test_coded_vendors import CALL, CLOUD, CONVERSATION
from tests.sources.test_vendors import CALLER, COMMON, TASK
from tests.sources.test_vendors import CONVERSATION as TALK


@pytest.mark.parametrize(
    "written",
    [
        ANN,
        "ANN@Home.Example",
        " ann@home.example ",
        "Ann <ann@home.example>",
        '"Ann, of Home" <Ann@home.example>',
        '"lee@home.example" <ann@home.example>',
        "<ann@home.example>",
        "ann@home.example (Ann)",
        "mailto:ann@home.example?subject=hello",
        ["ann@home.example"],
        [{"emailAddress": ANN}],
        {"name": "Ann", "Address": ANN},
        [None, "", 7, {"other": 1}, "no address", "ann@home.example"],
    ],
)
def test_an_address_is_found_however_it_is_written(written: object) -> None:
    """Display names and lists as of RFC 5322, mailto: as of RFC 6068."""
    message = taken(KNOWING["cloudevents"], {**CLOUD, "data": {"contactId": "c-1", "email": written}})
    assert [name.id for name in message.names] == ["contact:c-1", hashed(ANN)]
    assert ANN not in repr(message).lower()


@pytest.mark.parametrize(
    "written",
    [
        PHONE,
        "030 123456",
        "+49 (30) 123-456",
        "tel:+49-30-123456",
        "tel:+4930123456;phone-context=+49",
        "tel:123456;phone-context=+4930",
        "tel:%2B4930123456",
        "TEL:+4930123456",
        "sip:+4930123456@pbx.example;user=phone",
        "sips:+4930123456;tag=1@pbx.example:5061",
        '"Ann" <sip:+4930123456@pbx.example>;tag=9',
        "whatsapp:+4930123456",
        "whatsapp:4930123456",
        "callto:+4930123456",
        4930123456,
        ["+4930123456", "+4930123457"],
        {"type": "TELEPHONE_NUMBER", "address": PHONE},
        [{"phone_number": PHONE}],
    ],
)
def test_a_number_is_found_however_it_is_written(written: object) -> None:
    """URIs as of RFC 3966 and RFC 3261; whatsapp: as of https://www.twilio.com/docs/whatsapp/api."""
    message = taken(KNOWING["cloudevents"], {**CLOUD, "data": {"contactId": "c-1", "phone": written}})
    assert [name.id for name in message.names] == ["contact:c-1", hashed(PHONE)]
    assert "30123456" not in repr(message)


@pytest.mark.parametrize(
    "written",
    [
        "anonymous", "Anonymous", "sip:anonymous@anonymous.invalid", "tel:anonymous",
        '"Anonymous" <sip:anonymous@anonymous.invalid>', "Restricted", "Private", "unavailable", "+266696687",
        "+7378742833", "+2562533", "+8656696",
        "", " ", 0, "0", "1002", "client:kim", "sip:kim@pbx.example", "messenger:12345678901", COMPANY,
        f"tel:{COMPANY}", "tel:+4930123456;ext=12", True, None, {}, [], [[[[PHONE]]]], "x" * 500,
    ],
)  # fmt: skip
def test_who_withholds_a_number_has_none_and_neither_has_the_company(written: object) -> None:
    """Withheld numbers as https://www.twilio.com/docs/voice/twiml and RFC 3323 have them."""
    message = taken(KNOWING["cloudevents"], {**CLOUD, "data": {"contactId": "c-1", "phone": written}})
    assert [name.id for name in message.names] == ["contact:c-1"]


def genesys(topic: str, **body: Any) -> Delivery:
    plain = {name: value for name, value in COMMON.items() if name not in ("ani", "dnis")}
    name = f"v2.detail.events.conversation.{TALK}.{topic}"
    return as_json({"topicName": name, "version": "2", "eventBody": {**plain, **body}})


def twilio(**attributes: Any) -> Delivery:
    return as_form({**TASK, "TaskAttributes": json.dumps(attributes)})


def connect(**more: Any) -> Delivery:
    return as_json({**CALL, "eventType": "INITIATED", **more})


def chatwoot(**sender: Any) -> Delivery:
    meta = {
        "sender": {"id": 4, **sender},
        "assignee": {"id": 6, "name": "Kim", "email": "kim@shop.example", "phone_number": "+4930999999"},
    }
    return as_json({**CONVERSATION, "event": "conversation_created", "meta": meta})


def asterisk(**event: Any) -> Delivery:
    return as_json({"type": "StasisStart", "timestamp": "2023-11-14T16:13:20.000-0600", **event})


COMPANYS = "tel:+4930777777"  # another of its numbers, of which nobody says so
#: Source, event, and whose addresses are in it.
WHOSE: list[tuple[str, Delivery, list[str]]] = [
    ("genesys", genesys("customer.start", direction="INBOUND", ani=f"tel:{PHONE}", dnis=COMPANYS), [PHONE]),
    ("genesys", genesys("customer.start", direction="OUTBOUND", ani=COMPANYS, dnis=f"tel:{PHONE}"), [PHONE]),
    ("genesys", genesys("customer.start", direction="INBOUND", ani="sip:anonymous@anonymous.invalid",
                        dnis=COMPANYS), []),
    ("genesys", genesys("customer.start", direction=None, ani=f"tel:{PHONE}", dnis=COMPANYS), []),
    ("genesys", genesys("user.start", direction="INBOUND", ani=COMPANYS, dnis="sip:kim@shop.example",
                        userId="u", queueId="q"), []),
    ("genesys", genesys("acd.start", direction="INBOUND", ani=COMPANYS, dnis=COMPANYS, queueId="q"), []),
    ("genesys", genesys("customer.start", direction="INBOUND", mediaType="EMAIL", addressFrom=f"Ann <{ANN}>",
                        addressTo="help@shop.example"), [ANN]),
    ("genesys", genesys("customer.start", direction="OUTBOUND", mediaType="EMAIL", addressTo=ANN,
                        addressFrom="help@shop.example"), [ANN]),
    ("genesys", genesys("customer.start", direction="INBOUND", mediaType="MESSAGE", messageType="WHATSAPP",
                        addressFrom=PHONE, addressTo=COMPANYS), [PHONE]),
    ("genesys", genesys("customer.start", direction="INBOUND", mediaType="MESSAGE", messageType="FACEBOOK",
                        addressFrom=PHONE, addressTo=COMPANYS), []),
    ("genesys", genesys("customer.start", direction="INBOUND", mediaType="CALLBACK", ani=COMPANYS[4:],
                        callbackNumbers=[PHONE]), [PHONE]),
    ("twilio", twilio(direction="inbound", **{"from": PHONE}, caller=PHONE, to=COMPANYS), [PHONE]),
    ("twilio", twilio(direction="outbound", **{"from": COMPANYS}, outbound_to=PHONE), [PHONE]),
    ("twilio", twilio(direction="outbound-api", **{"from": COMPANYS}, caller=COMPANYS, to=PHONE), [PHONE]),
    ("twilio", twilio(**{"from": PHONE}, to=COMPANYS), [PHONE]),
    ("twilio", twilio(**{"from": COMPANYS}, outbound_to=PHONE), []),
    ("twilio", twilio(channelType="whatsapp", customerAddress=f"whatsapp:{PHONE}",
                      proxyAddress=f"whatsapp:{COMPANYS}"), [PHONE]),
    ("twilio", twilio(customers={"phone": PHONE, "email": "ANN@home.example"}), [ANN, PHONE]),
    ("twilio", twilio(direction="inbound", **{"from": "+266696687"}), []),
    ("twilio", twilio(channelType="web", customerAddress="c0ffee00-aaaa-bbbb-cccc-000000000000"), []),
    ("amazon_connect", connect(customerEndpoint={"type": "TELEPHONE_NUMBER", "address": PHONE},
                               systemEndpoint={"type": "TELEPHONE_NUMBER", "address": COMPANYS[4:]}), [PHONE]),
    ("amazon_connect", connect(channel="EMAIL", customerEndpoint={"Type": "EMAIL_ADDRESS", "Address": ANN},
                               systemEndpoint={"type": "EMAIL_ADDRESS", "address": "help@shop.example"}), [ANN]),
    ("amazon_connect", connect(customerEndpoint={"type": "TELEPHONE_NUMBER", "address": "anonymous"}), []),
    ("amazon_connect", connect(attributes={"email": ANN, "phone": PHONE}), [ANN, PHONE]),
    ("chatwoot", chatwoot(email="Ann@home.example", phone_number=PHONE), [ANN, PHONE]),
    ("chatwoot", chatwoot(email=None, phone_number=""), []),
    ("chatwoot", chatwoot(identifier=None, email=["x"], phone_number=PHONE), [PHONE]),
    ("asterisk", asterisk(channel=CALLER | {"caller": {"number": PHONE}, "connected": {"number": "+4930777777"},
                                            "dialplan": {"exten": "+4930777777"}}), [PHONE]),
    ("asterisk", asterisk(channel=CALLER | {"caller": {"number": "anonymous", "name": "Anonymous"}}), []),
    ("asterisk", asterisk(channel=CALLER | {"caller": {"number": "1002", "name": "Kim"}}), []),
    ("cloudevents", as_json({**CLOUD, "data": {"email": ANN, "phone": PHONE}}), [ANN, PHONE]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "delivery", "expected"), WHOSE)
def test_of_each_source_the_customers_addresses_count(
    source: str, delivery: Delivery, expected: list[str]
) -> None:
    message = taken(KNOWING[source], delivery)
    first, *others = message.names
    assert first.id == message.customer
    assert [name.id for name in others] == list(map(hashed, expected))
    assert not any(name.vouched for name in others)
    written = msgspec.msgpack.encode(message.event) + repr(message.left_out).encode()
    assert b"30123456" not in written
    assert b"home.example" not in written.lower()


@pytest.mark.parametrize(("source", "delivery", "expected"), WHOSE)
def test_where_links_are_off_no_address_is_looked_at(source: str, delivery: Delivery, expected: list[str]) -> None:
    message = taken(SHIPPED[source], delivery)
    assert message.names == ()
    assert b"home.example" not in msgspec.msgpack.encode(message.event).lower()


def test_of_several_people_one_is_who_made_the_contact() -> None:
    data = {"contactId": "c-1", "email": [ANN, LEE], "phone": [PHONE, "+4930123457"]}
    message = taken(KNOWING["cloudevents"], {**CLOUD, "data": data})
    assert [name.id for name in message.names] == ["contact:c-1", hashed(ANN), hashed(PHONE)]
    named = taken(KNOWING["cloudevents"], {**CLOUD, "data": {**data, "customerId": "ann"}})
    assert [name.id for name in named.names] == ["ann", "contact:c-1", hashed(ANN), hashed(PHONE)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text('<>()"@;:+,?tel sip09'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["email", "number", "x"]), inner),
    max_leaves=20,
)


@given(JSON)
def test_any_value_holds_some_addresses_or_none(value: Any) -> None:
    assert all(isinstance(one, str) for one in [*emails(value), *phones(value)])
    for one in events(KNOWING["cloudevents"], {**CLOUD, "data": {"email": value, "phone": value}}):
        assert isinstance(one, Message)
