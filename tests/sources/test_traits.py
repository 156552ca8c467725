"""What an identify call's traits come to."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from engine.access import VISITORS
from engine.events import Event, Kind, Message
from engine.sources.segment.payload import message
from engine.traits import MOST_TRAITS

NOW = 1_700_000_000_000


def made(traits: object, call: str = "identify", trust: int = 1, by: str = "crm", **more: Any) -> Message:
    body = {"userId": "ann", "messageId": "m", "type": call, "traits": traits, **more}
    return message(json.dumps(body).encode(), NOW, NOW, trust=trust, by=by)


def values(traits: object, **more: Any) -> object:
    found = made(traits, **more).event.more
    return None if found is None or found.traits is None else found.traits.values


def test_values_are_kept_as_they_come() -> None:
    said = {"plan": "gold", "age": 30, "score": 1.5, "vip": True, "gone": None, "größe": "L", "empty": ""}
    assert values(said) == said


@pytest.mark.parametrize("number", [(1 << 64) - 1, -1 << 63, 1e308, 5e-324, -0.0])
def test_a_number_that_an_event_can_hold_is_kept(number: float) -> None:
    event = made({"plan": number}).event
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event
    assert values({"plan": number}) == {"plan": number}


@pytest.mark.parametrize(
    ("trust", "by", "rank", "kind"),
    [(0, "web", 0, Kind.IDENTIFIED), (1, VISITORS, 1, Kind.IDENTIFIED), (1, "crm", 2, Kind.TRAITS_SET)],
)
def test_whose_word_it_is_goes_with_it(trust: int, by: str, rank: int, kind: Kind) -> None:
    event = made({"plan": "gold"}, trust=trust, by=by).event
    assert event.more is not None
    assert event.more.traits is not None
    assert (event.more.traits.rank, event.more.traits.by) == (rank, by)
    assert (event.kind, event.true_kind) == (Kind.IDENTIFIED, kind)


@pytest.mark.parametrize("traits", [None, {}, [], "", False])
def test_without_traits_it_is_an_event_as_before(traits: object) -> None:
    found = made(traits)
    assert (found.event.more, found.event.kind, found.left_out) == (None, Kind.IDENTIFIED, ())


@pytest.mark.parametrize(
    ("traits", "reason", "field"),
    [
        ({"plan": "x" * 257}, "too_large", "traits.plan"),
        ({"plan": 10**400}, "bad_field", "traits.plan"),
        ({"plan": 1 << 64}, "bad_field", "traits.plan"),
        ({"plan": -(1 << 63) - 1}, "bad_field", "traits.plan"),
        ({"": 1}, "bad_field", "traits"),
        ({"x" * 65: 1}, "bad_field", "traits"),
        ({"a\nb": 1}, "bad_field", "traits"),
        (["plan"], "bad_field", "traits"),
        ("plan", "bad_field", "traits"),
    ],
)
def test_what_cannot_be_kept_is_left_out_and_costs_nothing_else(traits: object, reason: str, field: str) -> None:
    found = made(traits)
    assert found.event.kind == Kind.IDENTIFIED
    assert [(one.reason, one.field) for one in found.left_out] == [(reason, field)]
    if isinstance(traits, dict):
        assert values({**traits, "good": 1}) == {"good": 1}


def test_objects_and_lists_are_passed_over() -> None:
    """The published form of identify has an address and a company: who sends them did nothing wrong."""
    nested = {f"deep{i}": {"a": 1} if i % 2 else [1] for i in range(MOST_TRAITS + 2)}
    found = made({"address": {"city": "Bonn"}, **nested, "plan": "gold"})
    assert values({"address": {"city": "Bonn"}, **nested, "plan": "gold"}) == {"plan": "gold"}
    assert found.left_out == ()
    assert made(nested).event.more is None


def test_no_more_than_16_are_kept() -> None:
    found = made({f"t{i}": i for i in range(MOST_TRAITS + 2)})
    assert found.event.more is not None
    assert found.event.more.traits is not None
    assert len(found.event.more.traits.values) == MOST_TRAITS
    assert [(one.reason, one.field) for one in found.left_out] == [
        ("too_large", "traits.t16"),
        ("too_large", "traits.t17"),
    ]


def test_a_group_is_a_membership_and_its_traits_are_the_groups() -> None:
    assert values({"size": 3}, call="group", groupId="acme") == {"member:acme": True}
    assert made(None, call="group", groupId="acme").event.kind == Kind.GROUPED


@pytest.mark.parametrize(
    ("group", "reason"),
    [("x" * 58, "bad_field"), ("ä" * 29, "bad_field"), ("a\nb", "bad_field"), ("null", "placeholder_id"),
     ("undefined", "placeholder_id")],
)  # fmt: skip
def test_a_group_that_can_be_no_membership_is_said(group: str, reason: str) -> None:
    found = made(None, call="group", groupId=group)
    assert (found.event.kind, found.event.more) == (Kind.GROUPED, None)
    assert [(one.reason, one.field) for one in found.left_out] == [(reason, "groupId")]


def test_other_calls_have_none() -> None:
    assert values({"plan": "gold"}, call="page") is None
    assert values({"plan": "gold"}, call="alias", previousId="a") is None
