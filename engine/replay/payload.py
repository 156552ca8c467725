"""An event as the Segment call that stands for it: the inverse of the Segment door.

No ``sentAt`` and no ``originalTimestamp``, so that the door has no clock skew to take out and the time stays
exact to the millisecond. What a door does not keep for a kind (the item of a page view) is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from engine.errors import BadEvent
from engine.events import Event, Kind, Message

#: The name of the track call, by kind; `Kind.OTHER` is any name that the door does not know.
NAMES: dict[Kind, str] = {
    Kind.OTHER: "Other",
    Kind.PAGE_VIEWED: "Page Viewed",
    Kind.ITEM_VIEWED: "Product Viewed",
    Kind.LIST_VIEWED: "Product List Viewed",
    Kind.SEARCHED: "Products Searched",
    Kind.REVIEW_READ: "Review Read",
    Kind.CART_ADDED: "Product Added",
    Kind.CART_REMOVED: "Product Removed",
    Kind.CART_VIEWED: "Cart Viewed",
    Kind.WISHLISTED: "Product Added to Wishlist",
    Kind.CHECKOUT_STARTED: "Checkout Started",
    Kind.CHECKOUT_STEP: "Checkout Step Completed",
    Kind.ORDER_COMPLETED: "Order Completed",
    Kind.ORDER_REFUNDED: "Order Refunded",
    Kind.ORDER_CANCELLED: "Order Cancelled",
    Kind.COUPON_APPLIED: "Coupon Applied",
    Kind.SHARED: "Product Shared",
    Kind.CONTACT_STARTED: "Live Chat Conversation Started",
    Kind.CONTACT_ENDED: "Live Chat Conversation Ended",
}

_ORDERS = frozenset({Kind.CHECKOUT_STARTED, Kind.ORDER_COMPLETED, Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED})
_ENCODER = msgspec.json.Encoder()


def batch(calls: Sequence[Mapping[str, Any]]) -> bytes:
    """The body of ``POST /v1/batch``."""
    return _ENCODER.encode({"batch": calls})


def call(message: Message) -> dict[str, Any]:
    """The call for one message. Raises `BadEvent` for a kind that Segment has no call for."""
    event = message.event
    common = {"messageId": event.id, "userId": message.customer, "timestamp": rfc3339(event.at)}
    if event.kind == Kind.IDENTIFIED:
        return {"type": "identify", **common}
    name = NAMES.get(Kind(event.kind))
    if name is None:
        raise BadEvent("unknown_type", f"Segment has no call for {Kind(event.kind).name}")
    return {"type": "track", "event": name, **common, "properties": properties(event)}


def properties(event: Event) -> dict[str, Any]:
    """What the event is about, as the e-commerce spec has it: an order as a total and its line."""
    if event.kind in _ORDERS:
        line = {"product_id": event.item, "category": event.category, "quantity": event.quantity}
        return {"total": event.value, "products": [line]}
    about = {
        "product_id": event.item,
        "category": event.category,
        "price": event.value,
        "quantity": event.quantity,
    }
    return {name: value for name, value in about.items() if value not in ("", None)}


def rfc3339(at: int) -> str:
    """Epoch milliseconds as ``2019-10-01T00:00:00.000Z``."""
    seconds, ms = divmod(at, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"
