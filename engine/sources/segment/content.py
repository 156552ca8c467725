"""What an event's `properties` say of items, money and categories.

What an event is worth must be readable where it is stated; all else is left out where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.errors import BadEvent
from engine.events import MAX_ID_BYTES, MAX_VALUE, Contact, ContactChannel, Kind, LeftOut
from engine.sources.segment.commerce import CATEGORIES, CONVERSATIONS, ITEMS, NOTHING, ORDERS, Content, Properties
from engine.sources.segment.ids import identifier
from engine.sources.segment.values import (
    MAX_LEFT_OUT,
    MAX_QUANTITY,
    MAX_TEXT_BYTES,
    leave_out,
    money,
    pieces,
    side_money,
    side_pieces,
    side_text,
)

_IDS = ("product_id", "productId", "id", "sku")  # `id` is its name in v1


def content(kind: Kind, properties: Properties, placeholders: frozenset[str], left_out: list[LeftOut]) -> Content:
    """What `properties` say for an event of `kind`; `left_out` gets what they do not. Raises `BadEvent` that names
    the amount."""
    if kind in ITEMS:
        return _of_item(properties, left_out)
    if kind in ORDERS:
        return _of_order(properties, placeholders, left_out)
    if kind in CONVERSATIONS:
        return _of_conversation(properties, placeholders, left_out)
    if kind in CATEGORIES and properties.category is not None:
        return Content(category=category(properties.category, "properties.category", left_out))
    return NOTHING


def _of_conversation(properties: Properties, placeholders: frozenset[str], left_out: list[LeftOut]) -> Content:
    """A live chat's (https://segment.com/docs/connections/spec/live-chat/), where it says which it is."""
    try:
        named = identifier(properties.conversation_id, "properties.conversation_id", MAX_ID_BYTES, placeholders)
    except BadEvent as fault:
        leave_out(fault, left_out)
        named = ""
    agent = (
        side_text(properties.agent_username, "properties.agent_username", left_out)
        or side_text(properties.agent_name, "properties.agent_name", left_out)
        or side_text(properties.agent_id, "properties.agent_id", left_out)
    )
    return Content(contact=Contact(named, int(ContactChannel.CHAT), agent=agent)) if named else NOTHING


def category(value: object, field: str, left_out: list[LeftOut]) -> str:
    """A category, or the first of several."""
    if isinstance(value, list):
        value, field = (value[0], f"{field}[0]") if value else (None, field)
    return side_text(value, field, left_out)


def _of_item(properties: Properties, left_out: list[LeftOut]) -> Content:
    item = _item(properties, left_out)
    line = NOTHING if item or not properties.products else _joined(_lines(properties.products, left_out, False))
    quantity = line.quantity
    if properties.quantity is not None:
        quantity = side_pieces(properties.quantity, "properties.quantity", left_out)
    price = _price(properties, quantity, left_out)
    return Content(
        item or line.item,
        category(properties.category, "properties.category", left_out) or line.category,
        line.value if price is None else price,
        quantity,
    )


def _item(properties: Properties, left_out: list[LeftOut]) -> str:
    """The item's identifier: product_id, else id (its name in v1), else sku."""
    return (
        side_text(properties.product_id, "properties.product_id", left_out)
        or side_text(properties.product_id_camel, "properties.productId", left_out)
        or side_text(properties.id, "properties.id", left_out)
        or side_text(properties.sku, "properties.sku", left_out)
    )


def _price(properties: Properties, quantity: int, left_out: list[LeftOut]) -> float | None:
    """The price of a piece: `price`, else that share of `value`, which is of all pieces together."""
    fault = None
    try:
        price = money(properties.price, "properties.price")
    except BadEvent as unread:
        price, fault = None, unread
    if price is None and properties.value is not None:
        price = money(properties.value, "properties.value")
        price = price if price is None else price / max(quantity, 1)
    return _readable(price, fault, left_out)


def _readable(found: float | None, fault: BadEvent | None, left_out: list[LeftOut]) -> float | None:
    """`found`; the fault of a better place is left out beside it, and raised where nothing was found."""
    if fault is not None:
        if found is None:
            raise fault
        leave_out(fault, left_out)
    return found


def _of_order(properties: Properties, placeholders: frozenset[str], left_out: list[LeftOut]) -> Content:
    value, fault = _stated(properties)
    lines = _lines(properties.products, left_out, needed=value is None)
    if value is None and any(line.value for line in lines):
        value = math.fsum(line.value * line.quantity for line in lines)
    value = _readable(value, fault, left_out) or 0.0
    if value > MAX_VALUE:
        raise BadEvent("bad_number", f"above {MAX_VALUE:.0e}", "properties.products")
    if lines:
        quantity = sum(line.quantity for line in lines)
    else:
        quantity = side_pieces(properties.quantity, "properties.quantity", left_out)
    only = lines[0] if len(lines) == 1 else NOTHING
    return Content(
        only.item, only.category, value, min(quantity, MAX_QUANTITY), _order(properties, placeholders, left_out)
    )


def _stated(properties: Properties) -> tuple[float | None, BadEvent | None]:
    """The order's amount where one is stated and can be read; the first fault of those before it."""
    fault = None
    for value, field in (
        (properties.total, "properties.total"),
        (properties.value, "properties.value"),
        (properties.revenue, "properties.revenue"),
    ):
        try:
            if (found := money(value, field)) is not None:
                return found, fault
        except BadEvent as unread:
            fault = fault or unread
    return None, fault


def _order(properties: Properties, placeholders: frozenset[str], left_out: list[LeftOut]) -> str:
    """The order's identifier."""
    for value, field in (
        (properties.order_id, "properties.order_id"),
        (properties.order_id_camel, "properties.orderId"),
    ):
        try:
            if found := identifier(value, field, MAX_TEXT_BYTES, placeholders):
                return found
        except BadEvent as fault:
            leave_out(fault, left_out)
    return ""


def _joined(lines: Sequence[Content]) -> Content:
    """The first item of several, at their mean price, as many as all of them are."""
    if len(lines) < 2:
        return lines[0] if lines else NOTHING
    quantity = sum(line.quantity for line in lines)
    mean = math.fsum(line.value * line.quantity for line in lines) / max(quantity, 1)
    return Content(lines[0].item, lines[0].category, mean, min(quantity, MAX_QUANTITY))


def _lines(products: object, left_out: list[LeftOut], needed: bool) -> list[Content]:
    """The lines of an order, whose `value` is the price of a piece; `needed`: the order's amount is their sum, so
    price and quantity must be readable where they are stated."""
    if not products:
        return []
    if isinstance(products, list):
        found = [_line(line, f"properties.products[{i}]", left_out, needed) for i, line in enumerate(products)]
        return [line for line in found if line is not None]
    fault = BadEvent("bad_field", "an array is needed", "properties.products")
    if needed and not isinstance(products, dict):
        raise fault
    leave_out(fault, left_out)
    return _lines(_of_object(products), left_out, needed) if isinstance(products, dict) else []


def _of_object(products: dict[str, object]) -> list[object]:
    """One line, or an array that PHP wrote as an object of numbered lines."""
    inner = list(products.values())
    return inner if all(isinstance(line, dict) for line in inner) else [products]


def _line(line: object, field: str, left_out: list[LeftOut], needed: bool) -> Content | None:
    if not isinstance(line, dict):
        if len(left_out) == MAX_LEFT_OUT and not needed:
            return None
        fault = BadEvent("bad_field", "an object is needed", field)
        if needed:
            raise fault
        leave_out(fault, left_out)
        return None
    item = next((name for name in _IDS if line.get(name) not in (None, "")), "sku")
    return Content(
        side_text(line.get(item), f"{field}.{item}", left_out),
        category(line.get("category"), f"{field}.category", left_out),
        *_amounts(line.get("price"), line.get("quantity"), field, left_out, needed),
    )


def _amounts(
    price: object, quantity: object, field: str, left_out: list[LeftOut], needed: bool
) -> tuple[float, int]:
    """The price of a piece and the pieces of a line."""
    if needed:
        return money(price, f"{field}.price") or 0.0, pieces(quantity, f"{field}.quantity")
    return side_money(price, f"{field}.price", left_out), side_pieces(quantity, f"{field}.quantity", left_out)
