"""E-commerce as Segment names it: event names to kinds, and what `properties` say of items and money."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from engine.errors import BadEvent
from engine.events import MAX_VALUE, Kind

MAX_TEXT_BYTES = 256  # of an item or category
MAX_QUANTITY = 1_000_000

#: Segment's e-commerce spec v2, the older names of v1, and reviews being read, which it has no name for.
#: Names not listed are `Kind.OTHER`: "Product Clicked" (the view it leads to counts) and "Product Reviewed"
#: (a review written, after the purchase) among them.
KINDS: dict[str, Kind] = {
    "page viewed": Kind.PAGE_VIEWED,
    "screen viewed": Kind.PAGE_VIEWED,
    "product viewed": Kind.ITEM_VIEWED,
    "viewed product": Kind.ITEM_VIEWED,
    "product list viewed": Kind.LIST_VIEWED,
    "product list filtered": Kind.LIST_VIEWED,
    "product category viewed": Kind.LIST_VIEWED,
    "viewed product category": Kind.LIST_VIEWED,
    "products searched": Kind.SEARCHED,
    "searched products": Kind.SEARCHED,
    "review read": Kind.REVIEW_READ,
    "reviews read": Kind.REVIEW_READ,
    "review viewed": Kind.REVIEW_READ,
    "reviews viewed": Kind.REVIEW_READ,
    "product reviews viewed": Kind.REVIEW_READ,
    "product added": Kind.CART_ADDED,
    "added product": Kind.CART_ADDED,
    "wishlist product added to cart": Kind.CART_ADDED,
    "product removed": Kind.CART_REMOVED,
    "removed product": Kind.CART_REMOVED,
    "cart viewed": Kind.CART_VIEWED,
    "product added to wishlist": Kind.WISHLISTED,
    "checkout started": Kind.CHECKOUT_STARTED,
    "checkout step viewed": Kind.CHECKOUT_STEP,
    "checkout step completed": Kind.CHECKOUT_STEP,
    "payment info entered": Kind.CHECKOUT_STEP,
    "order completed": Kind.ORDER_COMPLETED,
    "completed order": Kind.ORDER_COMPLETED,
    "order refunded": Kind.ORDER_REFUNDED,
    "order cancelled": Kind.ORDER_CANCELLED,
    "coupon entered": Kind.COUPON_APPLIED,
    "coupon applied": Kind.COUPON_APPLIED,
    "product shared": Kind.SHARED,
    "cart shared": Kind.SHARED,
    "live chat conversation started": Kind.CONTACT_STARTED,
    "live chat conversation ended": Kind.CONTACT_ENDED,
}

ORDERS = frozenset({Kind.CHECKOUT_STARTED, Kind.ORDER_COMPLETED, Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED})
ITEMS = frozenset(
    {Kind.ITEM_VIEWED, Kind.REVIEW_READ, Kind.CART_ADDED, Kind.CART_REMOVED, Kind.WISHLISTED, Kind.SHARED}
)
CATEGORIES = frozenset({Kind.PAGE_VIEWED, Kind.LIST_VIEWED, Kind.SEARCHED})


class Properties(msgspec.Struct, frozen=True, gc=False):
    """What is read of `properties`; validated only where the kind of the event needs it."""

    product_id: Any = None
    product_id_camel: Any = msgspec.field(default=None, name="productId")
    sku: Any = None
    id: Any = None
    category: Any = None
    price: Any = None
    quantity: Any = None
    order_id: Any = None
    order_id_camel: Any = msgspec.field(default=None, name="orderId")
    total: Any = None
    value: Any = None
    revenue: Any = None
    products: Any = None

    @property
    def item(self) -> str:
        """The item's identifier: product_id, else id (its name in v1), else sku."""
        return (
            text(self.product_id, "properties.product_id")
            or text(self.product_id_camel, "properties.productId")
            or text(self.id, "properties.id")
            or text(self.sku, "properties.sku")
        )

    @property
    def order(self) -> str:
        """The order's identifier."""
        return text(self.order_id, "properties.order_id") or text(self.order_id_camel, "properties.orderId")


class Content(msgspec.Struct, frozen=True, gc=False):
    """What an event is about: item, category, value, quantity and order as `engine.events.Event` has them."""

    item: str = ""
    category: str = ""
    value: float = 0.0
    quantity: int = 1
    order: str = ""


NOTHING = Content()


def kind_of(name: str) -> Kind:
    """The kind of an event name of a track call, without regard to case and outer blanks."""
    return KINDS.get(name.strip().lower(), Kind.OTHER)


def content(kind: Kind, properties: Properties) -> Content:
    """What `properties` say for an event of `kind`. Raises `BadEvent` that names the property."""
    if kind in ITEMS:
        return _of_item(properties)
    if kind in ORDERS:
        return _of_order(properties)
    if kind in CATEGORIES:
        return Content(category=text(properties.category, "properties.category"))
    return NOTHING


def _of_item(properties: Properties) -> Content:
    quantity = pieces(properties.quantity, "properties.quantity")
    price = money(properties.price, "properties.price")
    if price is None:  # `value` is of all pieces together
        price = (money(properties.value, "properties.value") or 0.0) / max(quantity, 1)
    return Content(properties.item, text(properties.category, "properties.category"), price, quantity)


def _of_order(properties: Properties) -> Content:
    lines = _lines(properties.products)
    stated = (
        money(properties.total, "properties.total"),
        money(properties.value, "properties.value"),
        money(properties.revenue, "properties.revenue"),
    )
    summed = math.fsum(line.value * line.quantity for line in lines)
    value = next((amount for amount in stated if amount is not None), summed)
    if value > MAX_VALUE:
        raise BadEvent("bad_number", f"above {MAX_VALUE:.0e}", "properties.products")
    quantity = sum(line.quantity for line in lines)
    if not lines:
        quantity = pieces(properties.quantity, "properties.quantity")
    only = lines[0] if len(lines) == 1 else NOTHING
    return Content(only.item, only.category, value, min(quantity, MAX_QUANTITY), properties.order)


def _lines(products: object) -> list[Content]:
    """The order's lines: `value` is the price of a piece."""
    if products is None:
        return []
    if not isinstance(products, list):
        raise BadEvent("bad_field", "an array is needed", "properties.products")
    return [_line(line, f"properties.products[{i}]") for i, line in enumerate(products)]


def _line(line: object, field: str) -> Content:
    if not isinstance(line, dict):
        raise BadEvent("bad_field", "an object is needed", field)
    named = next((n for n in ("product_id", "productId", "id", "sku") if line.get(n) not in (None, "")), "sku")
    return Content(
        text(line.get(named), f"{field}.{named}"),
        text(line.get("category"), f"{field}.category"),
        money(line.get("price"), f"{field}.price") or 0.0,
        pieces(line.get("quantity"), f"{field}.quantity"),
    )


def text(value: object, field: str, limit: int = MAX_TEXT_BYTES) -> str:
    """A text or whole number as text; empty when absent or blank. Raises `BadEvent` above `limit` bytes."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
        return str(value)
    if not isinstance(value, str):
        raise BadEvent("bad_field", "a text is needed", field)
    if len(value) > limit or len(value.encode()) > limit:
        raise BadEvent("too_large", f"longer than {limit} bytes", field)
    return value if value.strip() else ""


def money(value: object, field: str) -> float | None:
    """An amount >= 0, given as a number or a numeric text; None when absent. Raises `BadEvent` (bad_number)."""
    number = _number(value, field)
    if number is not None and not 0.0 <= number <= MAX_VALUE:  # also refuses NaN
        raise BadEvent("bad_number", f"a finite number from 0 to {MAX_VALUE:.0e} is needed", field)
    return number


def pieces(value: object, field: str) -> int:
    """A number of pieces, 1 when absent; part of a piece (goods by weight) counts as one."""
    number = _number(value, field)
    if number is None:
        return 1
    if not 0.0 <= number <= MAX_QUANTITY:
        raise BadEvent("bad_number", f"a number from 0 to {MAX_QUANTITY} is needed", field)
    return math.ceil(number)


def _number(value: object, field: str) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str) or "_" in str(value)[:400]:
        raise BadEvent("bad_number", "a number is needed", field)
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise BadEvent("bad_number", "not a number", field) from None
