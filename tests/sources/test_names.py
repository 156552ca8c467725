"""The ids by which payloads name their customer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from engine.errors import BadEvent
from engine.events import Message, Rank
from engine.identity.identification import Identification
from engine.ports.sources import Delivery, Receipt
from engine.sources.contacts.mapping import MappedSource
from engine.sources.contacts.mapping_file import read_texts
from engine.sources.segment.limits import LIMITS, Limits
from engine.sources.segment.payload import canonical, message

NOW = 1_700_000_000_000
MADE = Identification(b"s" * 32, "DE", {"pbx": "US"}, ["+49301234567", "desk@shop.de"])
LINKING = msgspec.structs.replace(LIMITS, identification=MADE)
EMAIL, PHONE = MADE.email("ann@shop.de", "").id, MADE.phone("+49307654321", "", "").id
DEVICE, ADDRESS, USER = Rank


def read(limits: Limits = LINKING, **fields: Any) -> Message:
    payload = {"type": "identify", "messageId": "m1", **fields}
    return message(json.dumps(payload).encode(), NOW, NOW, limits)


def names(**fields: Any) -> list[tuple[str, Rank, str]]:
    found = read(**fields)
    assert not found.left_out
    return [(one.id, one.rank, one.field) for one in found.names]


def left_out(**fields: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """The names, and what was left out with the field."""
    found = read(**fields)
    return [one.id for one in found.names], [(one.reason, one.field) for one in found.left_out]


def test_without_links_no_name_is_read() -> None:
    fields: dict[str, Any] = {"userId": "ann", "anonymousId": "a", "traits": {"email": "ann@shop.de"}}
    found, plain = read(**fields), read(LIMITS, **fields)
    assert plain.names == ()
    assert msgspec.structs.replace(found, names=()) == plain
    assert read(LIMITS, userId="ann", traits={"email": 5, "phone": "x"}).left_out == ()


def test_the_user_comes_before_the_anonymous_id_and_the_addresses() -> None:
    assert names(userId="ann") == [("ann", USER, "userId")]
    assert names(anonymousId="a") == [("a", DEVICE, "anonymousId")]
    assert names(userId="ann", anonymousId="a", traits={"email": " Ann@Shop.DE", "phone": "030 7654321"}) == [
        ("ann", USER, "userId"),
        ("a", DEVICE, "anonymousId"),
        (EMAIL, ADDRESS, "traits.email"),
        (PHONE, ADDRESS, "traits.phone"),
    ]


def test_addresses_lie_in_the_context_of_other_calls() -> None:
    context = {"traits": {"email": "ann@shop.de"}}
    named = [("a", DEVICE, "anonymousId"), (EMAIL, ADDRESS, "context.traits.email")]
    assert names(type="page", anonymousId="a", context=context) == named
    assert names(anonymousId="a", context=context, traits={"email": "ann@shop.de"})[1:] == [
        (EMAIL, ADDRESS, "traits.email")
    ]  # which is one id


def test_a_groups_traits_are_the_companys() -> None:
    fields = {"type": "group", "groupId": "g", "userId": "ann", "traits": {"email": "ann@shop.de"}}
    assert names(**fields) == [("ann", USER, "userId")]
    assert names(**fields, context={"traits": {"email": "ann@shop.de"}})[1:] == [
        (EMAIL, ADDRESS, "context.traits.email")
    ]


def test_a_former_id_is_an_alias_unless_it_is_the_anonymous_one() -> None:
    found = read(type="alias", userId="ann", previousId="old")
    assert [(one.id, one.rank, one.alias) for one in found.names] == [("ann", USER, False), ("old", USER, True)]
    found = read(type="alias", userId="ann", anonymousId="a", previousId="a")
    assert [(one.id, one.rank, one.alias) for one in found.names] == [("ann", USER, False), ("a", DEVICE, False)]
    assert [one.id for one in read(type="identify", userId="ann", previousId="old").names] == ["ann"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"anonymousId": "null"}, ("placeholder_id", "anonymousId")),
        ({"anonymousId": "00000000-0000-0000-0000-000000000000"}, ("placeholder_id", "anonymousId")),
        ({"anonymousId": "a" * 257}, ("too_large", "anonymousId")),
        ({"anonymousId": {"a": 1}}, ("bad_field", "anonymousId")),
        ({"anonymousId": EMAIL}, ("reserved_id", "anonymousId")),
        ({"anonymousId": "contact:7"}, ("reserved_id", "anonymousId")),
        ({"type": "alias", "previousId": "phone:x"}, ("reserved_id", "previousId")),
        ({"anonymousId": "ann"}, ("link_refused", "anonymousId")),
        ({"type": "alias", "previousId": "ann"}, ("link_refused", "previousId")),
        ({"traits": {"email": "ann at shop.de"}}, ("bad_field", "traits.email")),
        ({"traits": {"email": "desk@shop.de"}}, ("shared_id", "traits.email")),
        ({"traits": {"email": "null"}}, ("placeholder_id", "traits.email")),
        ({"traits": {"email": ["ann@shop.de"]}}, ("bad_field", "traits.email")),
        ({"traits": {"phone": "anonymous"}}, ("placeholder_id", "traits.phone")),
        ({"traits": {"phone": "withheld"}}, ("shared_id", "traits.phone")),
        ({"traits": {"phone": "+49 30 1234567"}}, ("shared_id", "traits.phone")),
        ({"type": "alias", "previousId": "0000"}, ("placeholder_id", "previousId")),
    ],
)
def test_what_is_no_id_is_left_out_with_a_reason_and_the_event_is_taken(
    fields: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert left_out(userId="ann", **fields) == (["ann"], [fault])


def test_an_id_that_is_made_here_alone_names_nobody() -> None:
    for limits in (LIMITS, LINKING):
        found = read(limits, userId=EMAIL, anonymousId="a")
        assert (found.customer, [(one.reason, one.field) for one in found.left_out]) == (
            "a",
            [("reserved_id", "userId")],
        )
    assert [one.id for one in found.names] == ["a"]
    for ids in ({"userId": EMAIL}, {"anonymousId": "contact:7"}, {"userId": "null", "anonymousId": "phone:"}):
        with pytest.raises(BadEvent) as refused:
            read(**ids)
        assert refused.value.code == "reserved_id"


def test_an_alias_of_oneself_is_left_out_where_one_is_anonymous_too() -> None:
    found = read(type="alias", anonymousId="a", previousId="a")
    assert [(one.reason, one.field) for one in found.left_out] == [("link_refused", "previousId")]


@pytest.mark.parametrize("traits", [None, 5, "ann@shop.de", [], {}, {"email": None, "phone": ""}])
def test_traits_that_hold_no_address_are_passed_over(traits: object) -> None:
    refused = [("bad_field", "traits")] if traits and not isinstance(traits, dict) else []  # they are no traits
    assert left_out(userId="ann", traits=traits, context={"traits": traits}) == (["ann"], refused)
    assert names(userId="ann", traits={"email": "ann@shop.de"}, context=traits)[1:] == [
        (EMAIL, ADDRESS, "traits.email")
    ]


def test_a_record_on_kafka_under_an_id_that_is_made_here_alone_is_none() -> None:
    payload = json.dumps({"type": "page", "messageId": "m"}).encode()
    with pytest.raises(BadEvent) as refused:
        canonical(payload, b"contact:7", NOW)
    assert (refused.value.code, refused.value.field) == ("reserved_id", "key")


def test_a_contact_is_of_nobody_who_is_named_by_an_id_that_is_made_here_alone() -> None:
    found = contact(customer="contact:8")
    assert (found.customer, [(one.reason, one.field) for one in found.left_out]) == (
        "contact:7",
        [("reserved_id", "customer")],
    )


def test_a_record_on_kafka_makes_no_names() -> None:
    payload = json.dumps({"type": "identify", "messageId": "m", "userId": "ann", "anonymousId": "a"}).encode()
    assert canonical(payload, None, NOW, limits=LINKING) == canonical(payload, None, NOW)


PBX = """
source: pbx
kinds:
  - {kind: started, when: {type: start}}
contact: call
customer: customer
phone: caller
email: mail
"""


def contact(limits: Limits = LINKING, **fields: Any) -> Message:
    source = MappedSource(read_texts({"pbx.yaml": PBX})[0], limits)
    body = json.dumps({"type": "start", "call": "7", **fields}).encode()
    (found,) = source.events(Delivery(body), Receipt(NOW, NOW, "f", 1))
    assert isinstance(found, Message), found
    return found


def test_a_contact_is_known_by_its_id_and_by_what_it_was_made_with() -> None:
    found = contact(caller="202 555 0123", mail="ann@shop.de")
    phone = MADE.phone("+12025550123", "", "").id
    assert found.customer == "contact:7"
    assert [(one.id, one.rank, one.vouched) for one in found.names] == [
        ("contact:7", DEVICE, True),
        (EMAIL, ADDRESS, False),
        (phone, ADDRESS, False),
    ]
    found = contact(customer="ann", caller="anonymous", mail="desk@shop.de")
    assert [(one.id, one.rank) for one in found.names] == [("ann", USER), ("contact:7", DEVICE)]
    assert {one.field for one in found.left_out} == {"caller", "mail"}


def test_without_links_a_contact_has_no_names() -> None:
    found = contact(LIMITS, caller="anonymous", mail="5")
    assert (found.names, found.left_out) == ((), ())
