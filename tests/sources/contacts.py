"""Mapping files read in tests, and what became of deliveries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from engine.errors import BadEvent
from engine.events import LeftOut, Message
from engine.ports.sources import ContactEvent, ContactSource, Delivery, Receipt
from engine.sources.contacts.mapping import MappedSource
from engine.sources.contacts.mapping_file import read_texts
from engine.sources.registry import contact_sources

ROOT = Path(__file__).parents[2]
SHIPPED = contact_sources(ROOT / "config" / "sources")
NOW = 1_700_000_000_000
SECOND = 1_000
RECEIPT = Receipt(NOW, NOW, "made-here", 1)


def mapped(text: str) -> MappedSource:
    """The source of one mapping file."""
    (mapping,) = read_texts({"shop.yaml": text})
    return MappedSource(mapping)


def as_json(payload: object) -> Delivery:
    return Delivery(json.dumps(payload).encode())


def as_form(fields: Mapping[str, str]) -> Delivery:
    return Delivery(urlencode(fields).encode(), {"content-type": "application/x-www-form-urlencoded"})


def events(source: ContactSource, delivery: Delivery | object) -> list[ContactEvent]:
    given = delivery if isinstance(delivery, Delivery) else as_json(delivery)
    return list(source.events(given, RECEIPT))


def taken(source: ContactSource, delivery: Delivery | object) -> Message:
    """The one event of a delivery, which is taken."""
    (event,) = events(source, delivery)
    assert isinstance(event, Message), event
    return event


def refused(source: ContactSource, delivery: Delivery | object) -> tuple[str, str]:
    """Code and field of the one event of a delivery, which is refused."""
    (event,) = events(source, delivery)
    assert isinstance(event, BadEvent), event
    return event.code, event.field


def passed(source: ContactSource, delivery: Delivery | object) -> str:
    """Why the one event of a delivery is passed over."""
    (event,) = events(source, delivery)
    assert isinstance(event, LeftOut), event
    return event.reason
