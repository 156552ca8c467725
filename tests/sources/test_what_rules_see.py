"""From Segment's calls to what rules see of a customer, by the whole row and the shop's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.decisions.funnel.run import match_offers
from engine.kernels.catalogue import FEATURES
from engine.kernels.features import read_many
from engine.kernels.hashing import word_hash
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

    def offers(self, after: int) -> set[str]:
        """The offers whose conditions hold."""
        values = np.zeros((1, FEATURES))
        read_many(self.rows, np.array([START + after]), values)
        rulebook = EVALUATOR.rulebook
        (holds,) = match_offers(rulebook, values)
        return {offer.id for offer, there in zip(rulebook.offers, holds, strict=True) if there}

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


#: Calls of some moments of a visit, each as (name, ms, product), and how many views they are.
VIEWS: list[tuple[list[tuple[str, int, str]], int]] = [
    ([("page", 0, ""), ("Product Viewed", 300, "p")], 1),
    ([("Product Viewed", 0, "p"), ("page", 300, "")], 1),
    ([("page", 0, ""), ("Product Viewed", 0, "p")], 1),
    ([("page", 0, ""), ("Product List Viewed", 300, "")], 1),
    ([("page", 0, ""), ("Product Viewed", 1_000, "p")], 1),
    ([("page", 0, ""), ("Product Viewed", 1_001, "p")], 2),
    ([("page", 0, ""), ("page", 300, "")], 2),
    ([("Product Viewed", 0, "p"), ("Product Viewed", 300, "q")], 2),
    ([("page", 0, ""), ("Product Viewed", 300, "p"), ("page", 600, "")], 2),
    ([("page", 0, ""), ("Products Searched", 100, ""), ("Product Viewed", 300, "p")], 1),
]


@pytest.mark.parametrize(("moment", "views"), VIEWS)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_page_beside_a_product_is_one_view(
    moment: list[tuple[str, int, str]], views: int, backwards: bool
) -> None:
    """In two pairs, eight seconds apart: what is no view more makes no burst of three."""
    calls: list[Call] = []
    for at in (0, 8, 60, 68):
        for name, ms, product in moment:
            calls.append((name, at * SECOND + ms, {"product_id": f"{product}{at}"} if product else {}))
    customer = Customer(calls[::-1] if backwards else calls)
    got = customer.features(75 * SECOND)
    assert got["session.pages"] == 4 * views
    assert got["session.items"] == sum(name == "Product Viewed" for name, *_ in calls)
    assert got["session.bursts"] == (0 if views == 1 else 2)
    if views == 1:
        assert "bursty_session" not in customer.activated


#: What servers tell, of which none is done on a client.
TOLD = ["Email Delivered", "Email Opened", "Order Refunded", "Order Completed", "Loyalty Points Earned"]


@pytest.mark.parametrize("name", TOLD)
def test_what_servers_tell_makes_no_session_and_ends_no_silence(name: str) -> None:
    last = {"order_id": "o", "total": 5}
    customer = Customer([added(0, "a", 50), (name, 2 * HOUR, last), (name, 26 * HOUR, last)])
    assert (customer.activated + customer.silent_until(3 * DAY)).count("cart_abandoning") == 1
    got = customer.features(27 * HOUR)
    assert (got["session.number"], got["idle.seconds"]) == (1, 27 * HOUR / SECOND)


#: What a server tells of the last of five orders of 450, and how many orders of which value there are then.
CORRECTED: list[tuple[str, dict[str, Any], int, float]] = [
    ("Order Refunded", {"total": 450}, 4, 1_800),
    ("Order Refunded", {}, 4, 1_800),
    ("Order Refunded", {"total": 50}, 5, 2_200),
    ("Order Cancelled", {"total": 450}, 4, 1_800),
    ("Order Cancelled", {}, 4, 1_800),
    ("Order Updated", {"total": 100}, 5, 1_900),
    ("Order Completed", {"total": 450}, 5, 2_250),
    ("Email Delivered", {}, 5, 2_250),
]


@pytest.mark.parametrize(("name", "about", "count", "value"), CORRECTED)
def test_what_a_server_tells_of_an_order_brings_nobody_back(
    name: str, about: dict[str, Any], count: int, value: float
) -> None:
    calls = [order("Completed", day * DAY, f"o{day}", total=450) for day in range(0, 100, 20)]
    customer = Customer([*calls, (name, 100 * DAY, {"order_id": "o80", **about})])
    assert "returning_vip" not in customer.activated
    got = customer.features(100 * DAY)
    assert (got["purchases.count"], got["purchases.value"]) == (count, value)
    assert "returning_vip" in Customer([*calls, ("page", 100 * DAY, {})]).activated


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
    # removing a stranger
    ([added(0, "A", 100), removed(1, "B")], 1, 100),
    ([removed(0, "B", price=5), added(1, "A", 100)], 1, 100),
    ([added(0, "A", 100), removed(1, "A"), removed(2, "A", price=100)], 0, 0),
    ([added(0, "A", 10), added(1, "B", 20), removed(2, "C", quantity=9), removed(3, "B")], 1, 10),
    # removing more than there is, or for another price than it was put in for
    ([added(0, "A", 10), removed(1, "A", price=10, quantity=2)], 0, 0),
    ([added(0, "A", 10, quantity=3), added(1, "B", 20), removed(2, "A", quantity=3)], 1, 20),
    ([added(0, "A", 10), added(1, "B", 20), removed(2, "A", price=12)], 1, 20),
    ([added(0, "A", 10, quantity=2), removed(1, "A")], 1, 10),
    ([added(0, "A", 10), added(1, "A", 20), removed(2, "A")], 1, 15),
    # by weight
    ([added(0, "A", 20, quantity=0.25), added(1, "A", 20, quantity=0.5)], 1, 15),
    ([added(0, "A", 20, quantity=1.5), removed(1, "A", price=20, quantity=0.5)], 1, 20),
    ([added(0, "A", 20, quantity=0.3), removed(1, "A", quantity=0.3)], 0, 0),
    ([added(0, "A", 20, quantity=0.3), added(1, "B", 10, quantity=0.4)], 2, 10),
    # told as a whole
    ([added(0, "A", 10), ("Checkout Started", 1, {"products": [{"product_id": "B", "price": 7}]})], 1, 7),
    ([added(0, "A", 10), ("Cart Viewed", 1, {"products": [{"product_id": "A", "price": 10}]})], 1, 10),
    ([added(0, "A", 10), ("Cart Viewed", 1, {})], 1, 10),
    ([("Cart Viewed", 0, {"products": [{"product_id": "A", "price": 10}]}), added(1, "B", 5)], 2, 15),
    ([("Cart Viewed", 0, {"products": [{"product_id": "A", "price": 10}]}), removed(1, "A")], 0, 0),
    # sums of cents
    ([added(0, "0", 30.49), added(1, "1", 10.0), added(2, "2", 41.99), added(3, "3", 17.52)], 4, 100),
    ([added(at, f"{at}", 0.1) for at in range(3)], 3, 0.3),
    ([added(at, f"{at}", 33.33) for at in range(3)] + [added(4, "z", 0.01)], 4, 100),
    ([added(0, "A", 0.1, quantity=3), added(1, "B", 99.7)], 4, 100),
    (
        [
            added(0, "A", 100.1),
            added(1, "B", 0.1),
            removed(2, "B", price=0.1),
            removed(3, "A"),
            added(4, "C", 100),
        ],
        1,
        100,
    ),
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


BEGAN, OVER = "Live Chat Conversation Started", "Live Chat Conversation Ended"

#: Conversations that begin and end, a minute apart, each by its id, and how many there were and go on.
CHATS: list[tuple[list[tuple[str, str]], float, float]] = [
    ([(BEGAN, ""), (BEGAN, ""), (OVER, "")], 2, 1),
    ([(BEGAN, "A"), (BEGAN, "B"), (OVER, "A")], 2, 1),
    ([(BEGAN, "A"), (BEGAN, "B"), (OVER, "B")], 2, 1),
    ([(BEGAN, "A"), (BEGAN, "B"), (OVER, "A"), (OVER, "A")], 2, 1),
    ([(BEGAN, "A"), (BEGAN, "B"), (OVER, "A"), (OVER, "B")], 2, 0),
    ([(BEGAN, "A"), (BEGAN, "B"), (BEGAN, "C"), (OVER, "B")], 3, 2),
    ([(BEGAN, "A"), (BEGAN, "A"), (OVER, "A")], 1, 0),
    ([(BEGAN, "A"), (OVER, "stranger")], 1, 1),
    ([(BEGAN, "A"), (BEGAN, ""), (OVER, "")], 2, 1),
]


@pytest.mark.parametrize(("told", "count", "still_open"), CHATS)
@pytest.mark.parametrize("backwards", [False, True])
def test_of_some_chats_those_that_nobody_ended_go_on(
    told: list[tuple[str, str]], count: float, still_open: float, backwards: bool
) -> None:
    calls: list[Call] = [
        (name, number * MINUTE, {"conversation_id": chat} if chat else {})
        for number, (name, chat) in enumerate(told)
    ]
    got = Customer(calls[::-1] if backwards else calls).features(len(told) * MINUTE)
    assert (got["contact.count"], got["contact.open"]) == (count, still_open)


@pytest.mark.parametrize("open_chats", [0, 1, 2])
def test_nobody_is_asked_about_an_order_who_is_being_talked_to_again(open_chats: int) -> None:
    chats: list[Call] = [(BEGAN, 5 * DAY + i * MINUTE, {"conversation_id": f"{i}"}) for i in range(2)]
    ends: list[Call] = [(OVER, 5 * DAY + HOUR, {"conversation_id": f"{i}"}) for i in range(2 - open_chats)]
    customer = Customer([order("Completed", 0, "o", total=500), *chats, *ends])
    assert customer.features(5 * DAY + 2 * HOUR)["contact.open"] == open_chats
    assert ("how_was_your_order" in customer.offers(5 * DAY + 2 * HOUR)) is (open_chats == 0)


@pytest.mark.parametrize("places", list(permutations(range(3))))
def test_three_searches_are_three_in_whichever_order_they_come(places: tuple[int, ...]) -> None:
    searches: list[Call] = [("Products Searched", 100 * place, {}) for place in places]
    customer = Customer(searches)
    got = customer.features(SECOND)
    assert (got["session.events"], got["session.searches"], got["session.searches_alone"]) == (3, 3, 3)
    assert (got["session.seconds"], got["session.number"]) == (0.2, 1)
    assert customer.activated == ["search_struggle"]


ORDERS: list[tuple[list[Call], float, float]] = [
    ([order("Completed", 0, "A", total=500), order("Cancelled", HOUR, "A", total=500)], 0, 0),
    ([order("Completed", 0, "A", total=500), order("Refunded", HOUR, "A", total=500)], 0, 0),
    ([order("Completed", 0, "A", total=500), order("Refunded", HOUR, "A", total=20)], 1, 480),
    ([order("Completed", 0, "A", total=500), order("Refunded", HOUR, "A")], 0, 0),
    ([order("Completed", 0, "A", total=500), *(order("Refunded", at, "A", total=25) for at in (1, 2))], 1, 450),
    ([order("Completed", 0, "A", total=500), order("Refunded", 1, "A", products=[{"product_id": "x"}])], 1, 500),
    ([order("Completed", 0, "A", total=500), order("Updated", 1, "A", total=450)], 1, 450),
    (
        [
            order("Completed", 0, "A", total=500),
            order("Updated", 1, "A", total=450),
            order("Completed", 2, "A", total=500),
        ],
        1,
        450,
    ),
    ([order("Completed", 0, "A", total=500), order("Cancelled", HOUR, "B", total=500)], 1, 500),
    ([order("Completed", 0, "A", total=119, revenue=100, tax=19)], 1, 119),
    ([order("Completed", 0, "A", value=110, revenue=100)], 1, 110),
    ([order("Completed", 0, "A", revenue=100, tax=19)], 1, 100),
    ([order("Completed", 0, "A", products=[{"product_id": "x", "price": 1.1, "quantity": 3}])], 1, 3.3),
    ([order("Completed", 0, "A", total=1), order("Completed", 0, "B", total=1)], 2, 2),
]


@pytest.mark.parametrize(("calls", "count", "value"), ORDERS)
@pytest.mark.parametrize("backwards", [False, True])
def test_orders(calls: list[Call], count: float, value: float, backwards: bool) -> None:
    got = Customer(calls[::-1] if backwards else calls).features(2 * HOUR)
    assert (got["purchases.count"], got["purchases.value"]) == (count, value)
    assert (got["purchases.gap_mean"] == 0) is (count == 2)


CENTS = [1234567.89, 0.01, 0.29, 19.99, 16777217.01, 99999999.99]


@pytest.mark.parametrize("total", CENTS)
def test_pages_show_cents(total: float) -> None:
    customer = Customer([order("Completed", 0, "A", total=total)])
    (moment,) = profile_of(stored(customer.rows)[0], START + MINUTE).timeline
    assert moment.value == customer.features(MINUTE)["purchases.value"] == total


def test_what_32_bits_took_for_one_are_two() -> None:
    """These words have one hash of 32 bits."""
    alike = ("1044164", "1372884")
    assert len({word_hash(word) >> 32 for word in alike}) == 1
    calls = [viewed(at, word, category=word) for at, word in enumerate(alike)]
    customer = Customer([*calls, *(added(at, word, 10) for at, word in enumerate(alike, 2)), removed(5, alike[0])])
    timeline = profile_of(stored(customer.rows)[0], START + MINUTE).timeline
    assert {moment.item for moment in timeline} == {moment.category for moment in timeline[-2:]}
    assert len({moment.item for moment in timeline}) == 2
    got = customer.features(MINUTE)
    assert (got["session.distinct_items"], got["session.categories"], got["category.count"]) == (2, 2, 2)
    assert (got["cart.items"], got["session.top_category_views"]) == (1, 1)
    orders = [order("Completed", at, word, total=5) for at, word in enumerate(alike)]
    assert Customer(orders).features(MINUTE)["purchases.count"] == 2
