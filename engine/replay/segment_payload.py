"""An event as a Segment call: the inverse of the Segment source.

No ``sentAt`` and no ``originalTimestamp``, so that the source has no clock skew to correct and the time stays
exact to the millisecond. What the source does not keep for a kind (the item of a page view) is not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from engine.errors import BadEvent
from engine.events import CartLine, Contact, ContactChannel, Event, Kind, Message

#: The name of the track call, by kind; `Kind.OTHER` is any name that the source does not know.
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
    Kind.ORDER_UPDATED: "Order Updated",
    Kind.COUPON_APPLIED: "Coupon Applied",
    Kind.SHARED: "Product Shared",
    Kind.CONTACT_STARTED: "Live Chat Conversation Started",
    Kind.CONTACT_ENDED: "Live Chat Conversation Ended",
}

#: What the calls of these kinds must name. The engine has no use for it, so the event that was read is without.
_NOT_KEPT: dict[Kind, str] = {Kind.GROUPED: "groupId", Kind.ALIASED: "previousId"}
_CORRECTIONS = frozenset({Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED, Kind.ORDER_UPDATED})
_ORDERS = _CORRECTIONS | {Kind.CHECKOUT_STARTED, Kind.ORDER_COMPLETED}


def batches(calls: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The bodies of ``POST /v1/batch`` for encoded `calls`, in order, each of at most `limit` bytes.

    A call that is larger by itself is sent alone, for the API to refuse.
    """
    held: list[bytes] = []
    size = len(_batch(held))
    for one in calls:
        if held and size + len(one) + 1 > limit:
            yield _batch(held)
            held, size = [], len(_batch([]))
        held.append(one)
        size += len(one) + (len(held) > 1)
    if held:
        yield _batch(held)


def _batch(calls: Iterable[bytes]) -> bytes:
    return b'{"batch":[%b]}' % b",".join(calls)


def encoded(message: Message) -> bytes:
    """The call for one message as JSON. Raises as `call`."""
    return orjson.dumps(call(message))  # 0.75 µs, msgspec 1.0


def call(message: Message) -> dict[str, Any]:
    """The call for one message. Raises `BadEvent` for a kind that Segment has no call for, or whose call needs
    what an event does not keep."""
    event = message.event
    common = {"messageId": event.id, "userId": message.customer, "timestamp": rfc3339(event.at)}
    kind = Kind(event.true_kind)
    if kind == Kind.IDENTIFIED:
        return {"type": "identify", **common}
    if (missing := _NOT_KEPT.get(kind)) is not None:
        raise BadEvent("missing_id", f"Segment's call needs {missing}, which an event does not keep", missing)
    name = NAMES.get(kind)
    if name is None:
        raise BadEvent("unknown_type", f"Segment has no call for {kind.name}")
    return {"type": "track", "event": name, **common, "properties": properties(event)}


def properties(event: Event) -> dict[str, Any]:
    """What the event is about, as Segment's specifications have it: an order as a total and its line. Raises as
    `call`."""
    if event.contact is not None:
        return _conversation(event.contact)
    lines = [_line(line) for line in event.more.lines] if event.more is not None else []
    if event.true_kind in _ORDERS:
        return _order(event, lines)
    if lines:
        return {"products": lines}
    about = {"product_id": event.item, "category": event.category, **_amount(event)}
    return {name: value for name, value in about.items() if value not in ("", None)}


def _order(event: Event, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """An order, or what corrects one: of a correction no line, since a refund's would be a part of its order."""
    order: dict[str, Any] = {"order_id": event.order} if event.order else {}
    if event.true_kind == Kind.ORDER_REFUNDED and not event.value and event.order:
        return order  # all of it
    if event.true_kind in _CORRECTIONS:
        return {**order, "total": event.value, "quantity": event.quantity}
    line = {"product_id": event.item, "category": event.category, "quantity": event.quantity}
    return {**order, "total": event.value, "products": lines or [line]}


def _amount(event: Event) -> dict[str, Any]:
    """Price and pieces; of a part of a piece what it costs."""
    if event.more is None or not event.more.thousandths:
        return {"price": event.value, "quantity": event.quantity}
    return {"value": event.value * event.quantity, "quantity": event.more.thousandths / 1_000}


def _line(line: CartLine) -> dict[str, Any]:
    pieces = line.thousandths / 1_000
    return {"product_id": line.item, "quantity": pieces, "price": line.amount / 100 / (pieces or 1)}


def _conversation(contact: Contact) -> dict[str, Any]:
    """A live chat. Raises `BadEvent` for what Segment says of none."""
    if contact.channel != ContactChannel.CHAT or contact.queue or contact.reason:
        raise BadEvent("bad_field", "Segment has no place for such a contact: replay it to Kafka", "contact")
    return {"conversation_id": contact.id, **({"agent_username": contact.agent} if contact.agent else {})}


def rfc3339(at: int) -> str:
    """Epoch milliseconds, as Segment has them.

    >>> rfc3339(1_569_888_000_007)
    '2019-10-01T00:00:00.007Z'
    """
    seconds, ms = divmod(at, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"
