"""From Segment's calls to a row: what carts and orders come to, the way that events take."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.kernels.groups import cart, order
from tests.kernels.groups.rows import ORDERS_AND_CARTS as ROW
from tests.kernels.values import decoded
from tests.sources.payloads import NOW, read, track

NAMES = [entry.name for entry in (*order.ENTRIES, *cart.ENTRIES)]
INDEX: Any = namedtuple("Index", [name.replace(".", "_") for name in NAMES])(*range(len(NAMES)))

Call = tuple[str, dict[str, object]]


def features(calls: list[Call], backwards: bool, apart_ms: int = 1_000) -> dict[str, float]:
    made = [
        read(track(name, messageId=f"m{i}", timestamp=NOW - 86_400_000 + i * apart_ms, properties=about)).event
        for i, (name, about) in enumerate(calls)
    ]
    values = [msgspec.msgpack.encode(event) for event in (made[::-1] if backwards else made)]
    rows, data, out = np.zeros(1, ROW), np.frombuffer(b"".join(values), np.uint8), np.zeros(len(NAMES))
    for column in decoded(values, NOW):
        order.apply_order(rows[0], column)
        cart.apply_cart(rows[0], column, data)
    order.read_order(rows[0], NOW, out, INDEX)
    cart.read_cart(rows[0], NOW, out, INDEX)
    return dict(zip(NAMES, map(float, out), strict=True))


def add(item: str, price: float, **about: object) -> Call:
    return "Product Added", {"product_id": item, "price": price, **about}


@pytest.mark.parametrize(
    ("calls", "pieces", "value"),
    [
        ([add("A", 100), ("Product Removed", {"product_id": "B", "price": 5})], 1, 100),
        (
            [add("A", 10), add("B", 20), ("Product Removed", {"product_id": "A", "price": 10, "quantity": 5})],
            1,
            20,
        ),
        ([add("A", 100), add("B", 20), ("Product Removed", {"product_id": "A"})], 1, 20),
        ([add("A", 20, quantity=0.3)], 1, 6),
        (
            [
                add("A", 10),
                add("B", 20, quantity=2),
                ("Cart Viewed", {"cart_id": "x", "products": [{"product_id": "A", "price": 10, "quantity": 1}]}),
            ],
            1,
            10,
        ),
        ([add("0", 30.49), add("1", 10.0), add("2", 41.99), add("3", 17.52)], 4, 100),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_carts(calls: list[Call], pieces: int, value: float, backwards: bool) -> None:
    found = features(calls, backwards)
    assert (found["cart.items"], found["cart.value"]) == (pieces, value)


def done(name: str, **about: object) -> Call:
    return f"Order {name}", {"order_id": "A", **about}


@pytest.mark.parametrize(
    ("calls", "count", "value"),
    [
        ([done("Completed", total=500), done("Cancelled", total=500)], 0, 0),
        ([done("Completed", total=500), done("Refunded")], 0, 0),
        ([done("Completed", total=500), done("Refunded", total=20), done("Refunded", total=30)], 1, 450),
        ([done("Completed", total=500), done("Refunded", products=[{"product_id": "x"}])], 1, 500),
        ([done("Completed", total=500), done("Updated", total=450), done("Completed", total=500)], 1, 450),
        ([done("Completed", total=119, revenue=100, tax=19)], 1, 119),
        ([done("Completed", total=1234567.89)], 1, 1234567.89),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_orders(calls: list[Call], count: int, value: float, backwards: bool) -> None:
    found = features(calls, backwards)
    assert (found["purchases.count"], found["purchases.value"]) == (count, value)


def test_two_orders_of_one_instant() -> None:
    found = features([done("Completed", total=1), ("Order Completed", {"order_id": "B", "total": 1})], False, 0)
    assert (found["purchases.count"], found["purchases.gap_mean"]) == (2, 0)
