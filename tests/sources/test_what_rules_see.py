"""From Segment's calls to what rules see of a customer, by the whole row and the shop's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.kernels.row import ROW
from engine.rulebook.directory import load
from engine.state.profile import profile_of
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import DAY, HOUR, MINUTE, SECOND
from tests.kernels.builders import features as read_features
from tests.kernels.values import decoded
from tests.sources.payloads import NOW, read, track
from tests.state.stored import stored

EVALUATOR = IndicatorEvaluator(load(Path(__file__).parent.parent.parent / "rules"))
START = NOW - 120 * DAY

#: What a customer did: the track call (or "page"), when after `START`, and its properties.
Call = tuple[str, int, dict[str, Any]]


class Customer:
    """One customer's row after calls, in the order in which they came, and what activated."""

    def __init__(self, calls: Sequence[Call]) -> None:
        values = []
        for number, (name, after, about) in enumerate(calls):
            fields = {"messageId": f"m{number}", "timestamp": START + after}
            said = track(name, properties=about, **fields)
            page = {"type": "page", "userId": "ann", **fields}
            values.append(msgspec.msgpack.encode(read(page if name == "page" else said).event))
        self.rows: NDArray[np.void] = np.zeros(1, ROW)
        self._slots = np.zeros(len(values), np.int32)
        events, data = decoded(values, NOW), b"".join(values)
        _, found = EVALUATOR.advance(self.rows, self._slots, events, data)
        self.activated = self._named(found)

    def silent_until(self, after: int) -> list[str]:
        return self._named(EVALUATOR.fire(self.rows, self._slots[:1], START + after))

    def features(self, after: int) -> dict[str, float]:
        return read_features(self.rows, START + after)

    def _named(self, found: NDArray[np.void]) -> list[str]:
        return [EVALUATOR.rulebook.indicators[i].name for i in found["indicator"].tolist()]


def viewed(after: int, item: str, **about: Any) -> Call:
    return "Product Viewed", after, {"product_id": item, **about}


def added(after: int, item: str, price: float, **about: Any) -> Call:
    return "Product Added", after, {"product_id": item, "price": price, **about}


def removed(after: int, item: str, **about: Any) -> Call:
    return "Product Removed", after, {"product_id": item, **about}


def order(name: str, after: int, which: str, **about: Any) -> Call:
    return f"Order {name}", after, {"order_id": which, **about}


def test_a_page_beside_a_product_is_one_view() -> None:
    calls: list[Call] = []
    for number, at in enumerate((0, 8, 60, 68)):
        calls += [("page", at * SECOND, {}), viewed(at * SECOND + 300, f"p{number}")]
    for those in (calls, calls[::-1]):
        customer = Customer(those)
        got = customer.features(70 * SECOND)
        assert (got["session.pages"], got["session.items"], got["session.bursts"]) == (4, 4, 0)
        assert "bursty_session" not in customer.activated


def test_what_servers_tell_makes_no_session_and_ends_no_silence() -> None:
    customer = Customer([added(0, "a", 50), ("Email Delivered", 2 * HOUR, {}), ("Email Delivered", 26 * HOUR, {})])
    assert (customer.activated + customer.silent_until(3 * DAY)).count("cart_abandoning") == 1
    assert customer.features(27 * HOUR)["session.number"] == 1


def test_a_refund_brings_nobody_back() -> None:
    calls = [order("Completed", day * DAY, f"o{day}", total=450) for day in range(0, 100, 20)]
    customer = Customer([*calls, order("Refunded", 100 * DAY, "o80", total=450)])
    assert "returning_vip" not in customer.activated
    got = customer.features(100 * DAY)
    assert (got["purchases.count"], got["purchases.value"]) == (4, 1_800)


CARTS: list[tuple[list[Call], float, float]] = [
    ([added(0, "A", 100), removed(SECOND, "B", price=5)], 1, 100),
    ([added(0, "A", 10), added(1, "B", 20), removed(2, "A", price=10, quantity=5)], 1, 20),
    ([added(0, "A", 100), added(1, "B", 20), removed(2, "A")], 1, 20),
    ([added(0, "A", 20, quantity=0.3)], 1, 6),
    (
        [
            added(0, "A", 10),
            added(1, "B", 20, quantity=2),
            ("Cart Viewed", 2, {"products": [{"product_id": "A", "price": 10, "quantity": 1}]}),
        ],
        1,
        10,
    ),
    ([added(0, "0", 30.49), added(1, "1", 10.0), added(2, "2", 41.99), added(3, "3", 17.52)], 4, 100),
]


@pytest.mark.parametrize(("calls", "pieces", "value"), CARTS)
@pytest.mark.parametrize("backwards", [False, True])
def test_carts(calls: list[Call], pieces: float, value: float, backwards: bool) -> None:
    customer = Customer(calls[::-1] if backwards else calls)
    got = customer.features(MINUTE)
    assert (got["cart.items"], got["cart.value"]) == (pieces, value)


def test_a_cart_of_100_is_one_of_100() -> None:
    calls = CARTS[-1][0]
    rulebook = EVALUATOR.rulebook
    assert any("cart.value >= 100" in offer.when for offer in rulebook.offers)
    assert Customer(calls).features(MINUTE)["cart.value"] >= 100


@pytest.mark.parametrize("backwards", [False, True])
def test_of_two_chats_one_still_goes_on(backwards: bool) -> None:
    began = "Live Chat Conversation Started"
    calls: list[Call] = [(began, 0, {}), (began, MINUTE, {}), ("Live Chat Conversation Ended", 2 * MINUTE, {})]
    got = Customer(calls[::-1] if backwards else calls).features(3 * MINUTE)
    assert (got["contact.count"], got["contact.open"]) == (2, 1)


def test_the_first_two_of_a_session_may_be_swapped() -> None:
    calls = [viewed(SECOND, "b", price=500), viewed(0, "a", price=900)]
    got = Customer(calls).features(2 * SECOND)
    assert (got["session.events"], got["session.max_price"], got["session.number"]) == (2, 900, 1)


ORDERS: list[tuple[list[Call], float, float]] = [
    ([order("Completed", 0, "A", total=500), order("Cancelled", HOUR, "A", total=500)], 0, 0),
    ([order("Completed", 0, "A", total=119, revenue=100, tax=19)], 1, 119),
    ([order("Completed", 0, "A", total=1), order("Completed", 0, "B", total=1)], 2, 2),
]


@pytest.mark.parametrize(("calls", "count", "value"), ORDERS)
@pytest.mark.parametrize("backwards", [False, True])
def test_orders(calls: list[Call], count: float, value: float, backwards: bool) -> None:
    got = Customer(calls[::-1] if backwards else calls).features(2 * HOUR)
    assert (got["purchases.count"], got["purchases.value"]) == (count, value)
    assert (got["purchases.gap_mean"] == 0) is (count == 2)


def test_pages_show_cents_and_tell_all_items_apart() -> None:
    customer = Customer([order("Completed", 0, "A", total=1234567.89), viewed(1, "1044164"), viewed(2, "1372884")])
    timeline = profile_of(stored(customer.rows)[0], START + MINUTE).timeline
    assert [moment.value for moment in timeline] == [0, 0, 1234567.89]
    assert len({moment.item for moment in timeline[:2]}) == 2
    assert customer.features(MINUTE)["session.distinct_items"] == 2
