"""Live chats in Segment's words: which conversation it is goes into the event, where it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.events import Contact, ContactChannel, Event
from engine.sources.segment.payload import message

NOW = 1_700_000_000_000


def read(event: str, **properties: Any) -> tuple[Event, list[str]]:
    body = {"event": event, "userId": "ann", "messageId": "m", "properties": properties}
    found = message(json.dumps(body).encode(), NOW, NOW, call="track")
    return found.event, [f"{one.reason} {one.field}" for one in found.left_out]


@pytest.mark.parametrize("event", ["Live Chat Conversation Started", "live chat conversation ended"])
def test_a_conversation_is_a_contact(event: str) -> None:
    found, left_out = read(event, conversation_id="A", agent_id="7", agent_name="Kim Lee", agent_username="kim")
    assert (found.contact, left_out) == (Contact("A", ContactChannel.CHAT, agent="kim"), [])
    assert read(event, conversation_id=12, agent_name="Kim Lee")[0].contact == Contact("12", 2, agent="Kim Lee")
    assert read(event, conversation_id="A", agent_id="7")[0].contact == Contact("A", 2, agent="7")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, ""),
        ({"conversation_id": None}, ""),
        ({"conversation_id": ""}, ""),
        ({"conversation_id": "undefined"}, "placeholder_id properties.conversation_id"),
        ({"conversation_id": "x" * 101}, "too_large properties.conversation_id"),
        ({"conversation_id": ["A"]}, "bad_field properties.conversation_id"),
    ],
)
def test_without_an_id_that_can_be_read_it_counts_as_before(given: dict[str, Any], reason: str) -> None:
    found, left_out = read("Live Chat Conversation Started", **given)
    assert (found.contact, left_out) == (None, [reason] if reason else [])


def test_an_agent_that_cannot_be_read_is_left_out() -> None:
    found, left_out = read("Live Chat Conversation Started", conversation_id="A", agent_username={"id": 7})
    assert (found.contact, left_out) == (Contact("A", 2), ["bad_field properties.agent_username"])


def test_other_events_are_about_no_contact() -> None:
    assert read("Product Viewed", conversation_id="A")[0].contact is None


def test_the_published_examples(data: Path) -> None:
    lines = (data / "segment_examples" / "examples.jsonl").read_text().splitlines()
    chats = [json.loads(line) for line in lines if "Live Chat Conversation" in line]
    assert len(chats) >= 2
    for one in chats:
        found = message(json.dumps(one["payload"] | {"messageId": "m"}).encode(), NOW, NOW)
        assert found.event.contact == Contact("abd627dbecffc", ContactChannel.CHAT, agent="pgibbons")
