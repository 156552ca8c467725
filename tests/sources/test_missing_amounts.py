"""What a cart or an order needs an amount for: without one the event counts, and its sender is warned."""

from __future__ import annotations

import pytest

from engine.events import Kind, More
from tests.sources.payloads import left_out, read, track

PRICED, UNPRICED = {"product_id": "A", "price": 10}, {"product_id": "B"}


def missing(field: str) -> list[tuple[str, str]]:
    return [("missing_amount", f"properties.{field}")]


@pytest.mark.parametrize("name", ["Product Added", "Wishlist Product Added to Cart"])
@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({"product_id": "A"}, "price"),
        ({"product_id": "A", "price": None, "value": ""}, "price"),
        ({"product_id": "A", "price": False}, "price"),
        ({"product_id": "A", "products": [PRICED]}, "price"),
        ({"products": [PRICED, UNPRICED, UNPRICED]}, "products[1].price"),
        ({"products": UNPRICED}, "products[0].price"),
        ({}, "price"),
        (None, "price"),
    ],
)
def test_what_is_added_without_a_price_counts_and_is_warned_of(
    name: str, properties: dict[str, object] | None, field: str
) -> None:
    made = read(track(name, properties=properties))
    assert made.event.kind == Kind.CART_ADDED
    assert [one for one in left_out(made) if one[0] == "missing_amount"] == missing(field)


@pytest.mark.parametrize(
    "properties",
    [
        {"product_id": "A", "price": 0},
        {"product_id": "A", "price": "0"},
        {"product_id": "A", "value": 10},
        {"products": [PRICED, {"sku": "gift", "price": 0}]},
        {"products": [UNPRICED], "value": 10},
    ],
)
def test_nothing_is_missing_where_a_price_is_stated_be_it_nothing(properties: dict[str, object]) -> None:
    assert left_out(read(track("Product Added", properties=properties))) == []


@pytest.mark.parametrize("name", ["Product Removed", "Product Viewed", "Product Added to Wishlist", "Review Read"])
def test_what_needs_no_price_is_not_warned_of(name: str) -> None:
    assert left_out(read(track(name, properties={"product_id": "A"}))) == []


@pytest.mark.parametrize("name", ["Cart Viewed", "Checkout Started"])
def test_a_cart_that_is_not_stated_for_want_of_a_price_is_warned_of(name: str) -> None:
    made = read(track(name, properties={"products": [PRICED, UNPRICED]}))
    assert (made.event.more, left_out(made)) == (None, missing("products[1].price"))
    for products in ([PRICED], [], None):
        assert left_out(read(track(name, properties={"products": products}))) == []


@pytest.mark.parametrize(
    ("properties", "value", "field"),
    [
        ({"order_id": "o"}, 0, "total"),
        ({"order_id": "o", "products": [UNPRICED]}, 0, "products[0].price"),
        ({"order_id": "o", "products": [PRICED, UNPRICED]}, 10, "products[1].price"),
        ({}, 0, "total"),
        (None, 0, "total"),
    ],
)
def test_an_order_without_an_amount_counts_and_is_warned_of(
    properties: dict[str, object] | None, value: float, field: str
) -> None:
    made = read(track("Order Completed", properties=properties))
    assert (made.event.kind, made.event.value, left_out(made)) == (Kind.ORDER_COMPLETED, value, missing(field))


@pytest.mark.parametrize(
    "properties",
    [{"total": 0}, {"revenue": 5}, {"products": [PRICED, {"price": 0}]}, {"products": [{"price": 0}]}],
)
def test_an_order_that_states_its_amount_lacks_none(properties: dict[str, object]) -> None:
    assert left_out(read(track("Order Completed", properties=properties))) == []


@pytest.mark.parametrize(
    ("name", "properties", "field"),
    [
        ("Order Updated", {}, "total"),
        ("Order Updated", {"products": [UNPRICED]}, "products[0].price"),
        ("Order Refunded", {"products": [UNPRICED]}, "products[0].price"),
    ],
)
def test_a_correction_that_nobody_could_make_is_warned_of(
    name: str, properties: dict[str, object], field: str
) -> None:
    made = read(track(name, properties={"order_id": "o", **properties}))
    assert (made.event.order, left_out(made)) == ("", missing(field))


@pytest.mark.parametrize("name", ["Order Cancelled", "Order Refunded"])
def test_an_order_is_taken_back_by_its_id_alone(name: str) -> None:
    made = read(track(name, properties={"order_id": "o"}))
    assert (made.event.order, made.event.value, left_out(made)) == ("o", 0, [])
    assert made.event.more is None or made.event.more == More()
