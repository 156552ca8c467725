"""Alibaba's Taobao UserBehavior CSV: no header; user, item, category, behaviour, unix seconds; no prices."""

from __future__ import annotations

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import WIRE_VERSION, Event, Kind, Message
from engine.replay.message_ids import MessageIds

KINDS = {
    b"pv": Kind.ITEM_VIEWED,
    b"cart": Kind.CART_ADDED,
    b"fav": Kind.WISHLISTED,
    b"buy": Kind.ORDER_COMPLETED,
}


def read(line: bytes, identity: MessageIds) -> list[Message]:
    """The message of one line. Raises `BadEvent`."""
    cells = line.strip().split(b",")
    if len(cells) != 5:
        raise BadEvent("malformed", f"{len(cells)} columns, 5 are needed")
    user, item, category, behaviour, seconds = cells
    kind = KINDS.get(behaviour)
    if kind is None:
        raise BadEvent("unknown_type", f"{behaviour!r} is none of pv, cart, fav, buy", "behaviour")
    if not seconds.isdigit() or not 0 < int(seconds) < 1 << 32:
        raise BadEvent("bad_time", f"{seconds!r} are no unix seconds", "timestamp")
    if not (user.isdigit() and item.isdigit() and category.isdigit()):
        raise BadEvent("bad_field", "user, item and category are numbers", "user")
    at = int(seconds) * 1_000
    return [
        Message(
            customer_id(user.decode(), "user"),
            Event(WIRE_VERSION, int(kind), at, identity.message_id(), item.decode(), category.decode()),
        )
    ]
