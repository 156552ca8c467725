"""What Segment's calls say of orders, of those who correct them, and of whole carts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.events import CartLine, Event, Kind, More
from engine.kernels import decode
from tests.kernels.values import decoded
from tests.sources.payloads import NOW, left_out, read, refusal, track


def event(name: str, **properties: Any) -> Event:
    return read(track(name, properties=properties)).event


def test_an_order_counts_with_its_total_before_its_value_and_its_revenue() -> None:
    stated = {"total": 119, "value": 110, "revenue": 100, "tax": 19}
    assert event("Order Completed", order_id="A", **stated).value == 119
    assert event("Order Completed", order_id="A", value=110, revenue=100).value == 110
    assert event("Order Completed", order_id="A", revenue=100, tax=19).value == 100


@pytest.mark.parametrize(
    ("quantity", "thousandths", "pieces", "worth"),
    [
        (0.3, 300, 1, 6.0),
        ("0.3", 300, 1, 6.0),
        (1.5, 1_500, 2, 30.0),
        (1e-9, 1, 1, 0.02),
        (0.9996, 0, 1, 20.0),
        (1.0004, 0, 1, 20.0),
        (2, 0, 2, 40.0),
        (0, 0, 0, 0.0),
    ],
)
@pytest.mark.parametrize("name", ["Product Added", "Product Removed"])
def test_goods_by_weight_are_worth_their_weight(
    name: str, quantity: object, thousandths: int, pieces: int, worth: float
) -> None:
    made = event(name, product_id="A", price=20, quantity=quantity)
    assert (made.quantity, made.more) == (pieces, More(thousandths=thousandths) if thousandths else None)
    assert made.value * made.quantity == pytest.approx(worth)


def test_a_value_is_of_all_pieces_whatever_they_weigh() -> None:
    made = event("Product Added", product_id="A", value=6, quantity=1.5)
    assert made.value * made.quantity == 6
    assert event("Product Viewed", product_id="A", price=20, quantity=0.3).value == 20


LISTED = [
    {"product_id": "A", "price": 10, "quantity": 2},
    {"sku": "B", "price": "0,30"},
    {"product_id": "A", "price": 12},
    {"price": 5},
    {"product_id": "C", "price": 20, "quantity": 0.3},
]
TOLD = (CartLine("A", 3_000, 3_200), CartLine("C", 300, 600), CartLine("B", 1_000, 30), CartLine("", 1_000, 500))


@pytest.mark.parametrize("name", ["Cart Viewed", "Checkout Started"])
def test_a_whole_cart_is_told_by_item_the_dearest_first(name: str) -> None:
    assert event(name, products=LISTED).more == More(lines=TOLD)
    assert event(name, products={str(i): line for i, line in enumerate(LISTED)}).more == More(lines=TOLD)


@pytest.mark.parametrize(
    "products",
    [None, [], {}, "A", [{"product_id": "A"}], [*LISTED, {"product_id": "D"}], [{"product_id": "A", "price": ""}]],
)
def test_less_than_the_whole_cart_is_not_told(products: object) -> None:
    assert event("Cart Viewed", products=products).more is None


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ({"product_id": "D", "price": -1}, ("bad_number", "properties.products[5].price")),
        ({"product_id": "D", "price": 1, "quantity": "two"}, ("bad_number", "properties.products[5].quantity")),
        ("D", ("bad_field", "properties.products[5]")),
    ],
)
@pytest.mark.parametrize("name", ["Cart Viewed", "Checkout Started"])
def test_what_cannot_be_read_of_a_cart_is_noted_once_and_the_cart_not_told(
    name: str, line: object, fault: tuple[str, str]
) -> None:
    made = read(track(name, properties={"total": 1, "products": [*LISTED, line]}))
    assert (made.event.more, left_out(made)) == (None, [fault])


def test_of_a_long_cart_the_cheapest_are_one_line() -> None:
    products = [{"product_id": f"i{n}", "price": n, "quantity": 2} for n in range(1, 21)]
    more = event("Cart Viewed", products=products).more
    assert more is not None
    assert [line.item for line in more.lines] == [*(f"i{n}" for n in range(20, 6, -1)), ""]
    assert more.lines[-1] == CartLine("", 12_000, sum(range(1, 7)) * 200)
    assert sum(line.amount for line in more.lines) == sum(range(1, 21)) * 200


def test_amounts_of_a_cart_stay_within_what_an_event_may_say() -> None:
    most = event("Cart Viewed", products=[{"product_id": "A", "price": 1e12, "quantity": 1_000_000}] * 5).more
    assert most == More(lines=(CartLine("A", 2**32 - 1, 10**14),))


def test_what_is_added_together_is_told_by_item() -> None:
    made = event("Product Added", products=LISTED)
    assert made.more == More(lines=TOLD)
    assert event("Product Added", product_id="A", products=LISTED).more is None
    assert event("Product Viewed", products=LISTED).more is None
    only = event("Product Removed", products=LISTED[-1:])
    assert (only.item, only.quantity, only.more) == ("C", 1, More(thousandths=300))
    assert only.value == pytest.approx(6.0)


def test_an_order_of_goods_by_weight_without_a_total_is_the_sum_of_its_lines() -> None:
    assert event("Order Completed", products=LISTED).value == pytest.approx(20 + 0.3 + 12 + 5 + 6)


@pytest.mark.parametrize("name", ["Order Cancelled", "Order Refunded", "Order Updated"])
def test_a_correction_names_its_order_and_says_when_it_does_not(name: str) -> None:
    made = read(track(name, properties={"order_id": "A", "total": 7}))
    assert (made.event.order, made.event.value, left_out(made)) == ("A", 7, [])
    unnamed = read(track(name, properties={"total": 7}))
    assert (unnamed.event.order, left_out(unnamed)) == ("", [("missing_id", "properties.order_id")])


@pytest.mark.parametrize(
    ("properties", "order", "value"),
    [
        ({}, "A", 0),  # all of it
        ({"total": 30}, "A", 30),
        ({"products": [{"product_id": "x", "price": 4, "quantity": 2}]}, "A", 8),
        ({"products": [{"product_id": "x"}]}, "", 0),  # a part, of which nobody says how much
        ({"total": 0}, "", 0),
    ],
)
def test_a_refund_is_of_what_it_states_and_of_all_where_it_states_nothing(
    properties: dict[str, object], order: str, value: float
) -> None:
    made = event("Order Refunded", order_id="A", **properties)
    assert (made.order, made.value) == (order, value)


def test_an_update_needs_an_amount() -> None:
    assert event("Order Updated", order_id="A").order == ""
    assert event("Order Updated", order_id="A", total=0).order == "A"


def test_workers_of_before_take_an_update_for_some_other_event_and_those_of_today_for_what_it_is() -> None:
    made = event("Order Updated", order_id="A", total=7)
    assert (made.kind, made.more, made.true_kind) == (
        Kind.OTHER,
        More(kind=Kind.ORDER_UPDATED),
        Kind.ORDER_UPDATED,
    )
    assert decoded([msgspec.msgpack.encode(made)], NOW)["kind"].tolist() == [Kind.ORDER_UPDATED]


@pytest.mark.parametrize("name", ["Cart Viewed", "Checkout Started", "Product Added", "Order Updated"])
def test_the_worker_reads_what_the_door_wrote(name: str) -> None:
    products = [{"product_id": "w" * 250 + f"{n}", "price": 1e12, "quantity": 1_000_000} for n in range(60)]
    made = event(name, order_id="A", total=1, products=products)
    value = msgspec.msgpack.encode(made)
    got = decoded([value], NOW)[0]
    assert got["status"] == decode.OK
    assert got["lines"] == (0 if name == "Order Updated" else 15)


@pytest.mark.parametrize("field", ["total", "value", "revenue"])
@pytest.mark.parametrize("name", ["Order Completed", "Order Cancelled", "Order Refunded", "Order Updated"])
def test_an_amount_below_nothing_is_refused_whatever_it_is_of(name: str, field: str) -> None:
    assert refusal(track(name, properties={"order_id": "A", field: -5})) == ("bad_number", f"properties.{field}")
    lines = [{"product_id": "x", "price": -5}]
    assert refusal(track(name, properties={"order_id": "A", "products": lines}))[0] == "bad_number"
    made = read(track(name, properties={"order_id": "A", "total": 5, "revenue": -5}))
    assert (made.event.order, made.event.value) == ("A", 5)
