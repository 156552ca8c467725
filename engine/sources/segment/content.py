"""What an event's `properties` say of items, money and categories.

What an event is worth must be readable where it is stated; all else is left out where it is not.
"""

from __future__ import annotations

import math

from engine.errors import BadEvent
from engine.events import MAX_ID_BYTES, MAX_VALUE, Contact, ContactChannel, Kind, LeftOut, More
from engine.sources.segment.commerce import (
    CATEGORIES,
    CONVERSATIONS,
    CORRECTIONS,
    ITEMS,
    NOTHING,
    ORDERS,
    WHOLE_CARTS,
    Content,
    Properties,
)
from engine.sources.segment.ids import identifier
from engine.sources.segment.lines import category, joined, lines_of, stated, together, unpriced
from engine.sources.segment.values import (
    MAX_QUANTITY,
    MAX_TEXT_BYTES,
    PIECE,
    leave_out,
    money,
    side_text,
    side_thousandths,
    whole_pieces,
)


def content(kind: Kind, properties: Properties, placeholders: frozenset[str], left_out: list[LeftOut]) -> Content:
    """What `properties` say for an event of `kind`; `left_out` gets what they do not. Raises `BadEvent` that names
    the amount."""
    if kind in ITEMS:
        return _of_item(kind, properties, left_out)
    if kind in ORDERS:
        return _of_order(kind, properties, placeholders, left_out)
    if kind is Kind.CART_VIEWED:
        return Content(more=_whole_cart(properties, left_out))
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
    ).strip()
    return Content(contact=Contact(named, int(ContactChannel.CHAT), agent=agent)) if named else NOTHING


def _of_item(kind: Kind, properties: Properties, left_out: list[LeftOut]) -> Content:
    item = _item(properties, left_out)
    lines = [] if item or not properties.products else lines_of(properties.products, left_out, needed=False)
    line = joined(lines)
    amount = line.thousandths
    if properties.quantity is not None:
        amount = side_thousandths(properties.quantity, "properties.quantity", left_out)
    quantity = whole_pieces(amount)
    in_cart = kind in (Kind.CART_ADDED, Kind.CART_REMOVED)
    share = amount / PIECE / quantity if in_cart and amount % PIECE else 1.0
    price = _price(properties, quantity, share, left_out)
    if price is None and kind is Kind.CART_ADDED:
        field = unpriced(properties.products) if lines else "properties.price"
        _note_missing(field, "what is added counts, and is worth nothing that is known", left_out)
    more = More(thousandths=amount) if share < 1.0 else None
    if in_cart and len(lines) > 1:
        more = More(lines=together(lines))
    return Content(
        item or line.item,
        category(properties.category, "properties.category", left_out) or line.category,
        line.price * share if price is None else price,
        quantity,
        more=more,
    )


def _note_missing(field: str, detail: str, left_out: list[LeftOut]) -> None:
    """Note that `field` does not state an amount that somebody goes by; an empty one is none."""
    if field:
        leave_out(BadEvent("missing_amount", detail, field), left_out)


def _item(properties: Properties, left_out: list[LeftOut]) -> str:
    """The item's identifier: product_id, else id (its name in v1), else sku."""
    return (
        side_text(properties.product_id, "properties.product_id", left_out)
        or side_text(properties.product_id_camel, "properties.productId", left_out)
        or side_text(properties.id, "properties.id", left_out)
        or side_text(properties.sku, "properties.sku", left_out)
    )


def _price(properties: Properties, quantity: int, share: float, left_out: list[LeftOut]) -> float | None:
    """The price of a piece: `price`, else that share of `value`, which is of all pieces together. Of parts of
    pieces, which count as `quantity` whole ones, each is `share` of one."""
    fault = None
    try:
        price = money(properties.price, "properties.price")
        price = price if price is None else price * share
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


def _of_order(
    kind: Kind, properties: Properties, placeholders: frozenset[str], left_out: list[LeftOut]
) -> Content:
    value, fault = _stated(properties)
    lines = lines_of(properties.products, left_out, needed=value is None)
    if value is None:
        _note_missing(_missing(kind, properties, bool(lines)), "an order is worth what it states", left_out)
    if value is None and any(line.price for line in lines):
        value = math.fsum(line.worth for line in lines)
    value = _readable(value, fault, left_out)
    if value is not None and value > MAX_VALUE:
        raise BadEvent("bad_number", f"above {MAX_VALUE:.0e}", "properties.products")
    if lines:
        quantity = sum(whole_pieces(line.thousandths) for line in lines)
    else:
        quantity = whole_pieces(side_thousandths(properties.quantity, "properties.quantity", left_out))
    only = lines[0] if len(lines) == 1 else joined(())
    return Content(
        only.item,
        only.category,
        value or 0.0,
        min(quantity, MAX_QUANTITY),
        _which(kind, value, bool(lines), properties, placeholders, left_out),
        more=_whole_cart(properties, left_out) if kind in WHOLE_CARTS else None,
    )


def _missing(kind: Kind, properties: Properties, of_products: bool) -> str:
    """Where the amount of an order of `kind` that states none is missing; nowhere where all of it is taken back,
    or nothing is ordered yet."""
    if of_products and kind in (Kind.ORDER_COMPLETED, Kind.ORDER_UPDATED, Kind.ORDER_REFUNDED):
        return unpriced(properties.products)
    return "properties.total" if kind in (Kind.ORDER_COMPLETED, Kind.ORDER_UPDATED) else ""


def _which(
    kind: Kind,
    value: float | None,
    of_products: bool,
    properties: Properties,
    placeholders: frozenset[str],
    left_out: list[LeftOut],
) -> str:
    """The order's identifier; none of a correction that nobody could make: one without a new amount, and a refund
    of a part that has no price."""
    order = _order(properties, placeholders, left_out)
    if kind in CORRECTIONS and not order:
        leave_out(BadEvent("missing_id", "no order is corrected without its id", "properties.order_id"), left_out)
    if kind is Kind.ORDER_UPDATED and value is None:
        return ""
    if kind is Kind.ORDER_REFUNDED and not value and (value is not None or of_products):
        return ""
    return order


def _whole_cart(properties: Properties, left_out: list[LeftOut]) -> More | None:
    """All that is in the cart, where each of its lines says what and for how much."""
    lines = stated(properties.products, left_out)
    return More(lines=lines) if lines else None


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
