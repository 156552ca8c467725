"""Splits: records by which an operator takes an id back from whom it was linked to.

One is written under that id, as an event of the kind `LINKED` without an upper id, so it has its place among the
id's links and events.
"""

from __future__ import annotations

import msgspec

from engine.customer_id import CustomerId, customer_id
from engine.errors import BadEvent
from engine.events import LINKED, WIRE_VERSION, Event
from engine.identity.link import Link, link_of

SPLIT = "split"


class Split(msgspec.Struct, frozen=True):
    """The id ``lower`` is its own from ``at`` (event time, epoch ms) on; ``by``: the key that says so."""

    lower: CustomerId
    at: int
    by: str = ""


def event_of_split(split: Split, received_at: int, engine_at: int = 0) -> Event:
    """`split` as the event that is written under ``split.lower``.

    >>> said_of("a", event_of_split(Split(customer_id("a"), 5, "shop"), 6))
    Split(lower='a', at=5, by='shop')
    """
    name = f"split-{split.at}"
    category = f"{SPLIT} {split.by}".rstrip()
    return Event(
        WIRE_VERSION, LINKED, split.at, name, "", category, received_at=received_at, engine_at=engine_at, trust=1
    )


def said_of(lower: str, event: Event) -> Link | Split:
    """What an event of the kind `LINKED` under the key `lower` says. Raises `BadEvent`."""
    word, _, by = event.category.partition(" ")
    if word != SPLIT:
        return link_of(lower, event)
    if event.trust != 1:
        raise BadEvent("bad_field", "nobody vouches for the split", "trust")
    return Split(customer_id(lower), event.at, by)
