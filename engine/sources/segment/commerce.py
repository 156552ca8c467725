"""E-commerce as Segment names it: event names to kinds, and what `properties` say of items and money."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.events import Contact, Kind, More

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
    "order updated": Kind.ORDER_UPDATED,
    "coupon entered": Kind.COUPON_APPLIED,
    "coupon applied": Kind.COUPON_APPLIED,
    "product shared": Kind.SHARED,
    "cart shared": Kind.SHARED,
    "live chat conversation started": Kind.CONTACT_STARTED,
    "live chat conversation ended": Kind.CONTACT_ENDED,
}

CORRECTIONS = frozenset({Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED, Kind.ORDER_UPDATED})
ORDERS = CORRECTIONS | {Kind.CHECKOUT_STARTED, Kind.ORDER_COMPLETED}
WHOLE_CARTS = frozenset({Kind.CART_VIEWED, Kind.CHECKOUT_STARTED})  # with `products` they state all that is in it
#: Kinds that workers of before do not know, and what these take their events for.
AS_BEFORE: dict[Kind, Kind] = {Kind.ORDER_UPDATED: Kind.OTHER, Kind.TRAITS_SET: Kind.IDENTIFIED}

ITEMS = frozenset(
    {Kind.ITEM_VIEWED, Kind.REVIEW_READ, Kind.CART_ADDED, Kind.CART_REMOVED, Kind.WISHLISTED, Kind.SHARED}
)
CONVERSATIONS = frozenset({Kind.CONTACT_STARTED, Kind.CONTACT_ENDED})
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
    conversation_id: Any = None
    agent_username: Any = None
    agent_name: Any = None
    agent_id: Any = None


NO_PROPERTIES = Properties()


class Content(msgspec.Struct, frozen=True, gc=False):
    """What an event is about: item, category, value, quantity, order, contact and more as `engine.events.Event`
    has them."""

    item: str = ""
    category: str = ""
    value: float = 0.0
    quantity: int = 1
    order: str = ""
    contact: Contact | None = None
    more: More | None = None


NOTHING = Content()


def kind_of(name: str) -> Kind:
    """The kind of an event name of a track call, without regard to case and outer blanks."""
    return KINDS.get(name.strip().lower(), Kind.OTHER)


def with_true_kind(kind: Kind, more: More | None) -> More | None:
    """`more`, which names the kind where workers of before do not know it."""
    return msgspec.structs.replace(more or More(), kind=int(kind)) if kind in AS_BEFORE else more
