"""The cart of a set of events, in any order and any split, against one that is filled in order of time."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.events import CartLine, Event, Kind, More
from engine.kernels.groups import cart, order
from engine.kernels.hashing import hash64
from tests.kernels.groups.rows import ORDERS_AND_CARTS as ROW
from tests.kernels.values import decoded

INDEX: Any = namedtuple("Index", [entry.name.replace(".", "_") for entry in cart.ENTRIES])(
    *range(len(cart.ENTRIES))
)
START, SECOND = 1_700_000_000_000, 1_000

Row = NDArray[np.void]


class Did(NamedTuple):
    """One event: of an item, of an order, or of a whole cart."""

    at: int
    kind: Kind
    id: int
    item: str = ""
    value: float = 0.0
    thousandths: int = 1_000
    order: str = ""
    lines: tuple[CartLine, ...] = ()

    @property
    def event(self) -> Event:
        part = self.thousandths if self.thousandths % 1_000 else 0
        more = More(thousandths=part, lines=self.lines) if part or self.lines else None
        pieces = math.ceil(self.thousandths / 1_000)
        return Event(
            1, self.kind, self.at, str(self.id), self.item, "", self.value, pieces, order=self.order, more=more
        )

    @property
    def amount(self) -> int:
        """Hundredths, of all pieces."""
        return math.floor(self.value * math.ceil(self.thousandths / 1_000) * 100 + 0.5)


def folded(did: Sequence[Did]) -> Row:
    rows, values = np.zeros(1, ROW), [msgspec.msgpack.encode(one.event) for one in did]
    data = np.frombuffer(b"".join(values), np.uint8)
    for column in decoded(values, START * 2) if values else ():
        order.apply_order(rows[0], column)
        cart.apply_cart(rows[0], column, data)
    return rows


def joined(one: Row, other: Row) -> Row:
    into, before = one.copy(), other.tobytes()
    order.join_order(into[0], other[0])
    cart.join_cart(into[0], other[0])
    assert other.tobytes() == before
    return into


def contents(rows: Row, now: int = START + 3_600 * SECOND) -> tuple[float, float]:
    """Pieces and value."""
    out = np.full(len(cart.ENTRIES), -1.0)
    cart.read_cart(rows[0], now, out, INDEX)
    return float(out[INDEX.cart_items]), float(out[INDEX.cart_value])


def digest(word: str) -> int:
    return int(hash64(np.frombuffer(word.encode(), np.uint8), 0, len(word)))


def in_order(did: Sequence[Did]) -> tuple[int, float]:
    """Pieces and value of what is in the cart, in plain Python."""
    ordered = newest_order(did)
    whole = max(((one.at, digest(str(one.id)), one.lines) for one in did if is_whole(one)), default=(0, 0, ()))
    held: dict[str, tuple[int, int]] = {}
    if whole[0] > ordered:
        for line in whole[2]:
            put_in(held, line.item, line.thousandths, line.amount)
    changes: list[tuple[int, Kind, int, int, int, str]] = []
    for one in did:
        if one.at <= max(ordered, whole[0]) or one.kind not in (Kind.CART_ADDED, Kind.CART_REMOVED):
            continue
        lines = one.lines or (CartLine(one.item, one.thousandths, one.amount),)
        changes += [(one.at, one.kind, digest(it.item), it.thousandths, it.amount, it.item) for it in lines]
    for _, kind, _, pieces, amount, item in sorted(changes):
        if kind == Kind.CART_ADDED:
            put_in(held, item, pieces, amount)
        else:
            take_out(held, item if held.get(item, (0, 0))[0] else "", pieces, amount)
    return sum(math.ceil(pieces / 1_000) for pieces, _ in held.values()), sum(
        worth for _, worth in held.values()
    ) / 100


def newest_order(did: Sequence[Did]) -> int:
    """When it was; one told again was when it was told of first."""
    orders: dict[str, int] = {}
    for one in did:
        if one.kind == Kind.ORDER_COMPLETED:
            name = one.order or f"none {one.id}"
            orders[name] = min(orders.get(name, one.at), one.at)
    return max(orders.values(), default=0)


def is_whole(one: Did) -> bool:
    return one.kind in (Kind.CART_VIEWED, Kind.CHECKOUT_STARTED) and bool(one.lines)


def put_in(held: dict[str, tuple[int, int]], item: str, pieces: int, amount: int) -> None:
    had, worth = held.get(item, (0, 0))
    if not amount and had:
        amount = math.floor(worth / had * pieces + 0.5)
    held[item] = had + pieces, worth + amount


def take_out(held: dict[str, tuple[int, int]], item: str, pieces: int, amount: int) -> None:
    had, worth = held.get(item, (0, 0))
    if pieces >= had:
        held[item] = 0, 0
    else:
        held[item] = had - pieces, max(worth - (amount or math.floor(worth / had * pieces + 0.5)), 0)


TIMES = st.integers(0, 12).map(lambda i: START + i * 700)
ITEMS = st.sampled_from(["", "a", "b", "c", "d", "e"])
LINES = st.lists(
    st.builds(CartLine, ITEMS, st.sampled_from([1, 300, 1_000, 2_500]), st.sampled_from([0, 1, 999, 10_000])),
    min_size=1,
    max_size=cart.ITEMS,
).map(tuple)
THOUSANDTHS = st.sampled_from([300, 1_000, 1_000, 2_000, 2_500, 5_000])
VALUES = st.sampled_from([0.0, 0.005, 5.0, 19.99, 20.0])
CHANGED = st.sampled_from([Kind.CART_ADDED, Kind.CART_REMOVED])
WHOLE = st.sampled_from([Kind.CART_VIEWED, Kind.CHECKOUT_STARTED])
OTHER = st.sampled_from(
    [*[Kind.ORDER_COMPLETED] * 2, Kind.ORDER_CANCELLED, Kind.ITEM_VIEWED, Kind.CART_VIEWED, Kind.CHECKOUT_STEP]
)
CHANGES = st.tuples(TIMES, CHANGED, ITEMS, VALUES, THOUSANDTHS).map(lambda one: Did(one[0], one[1], 0, *one[2:]))
DID = st.one_of(
    CHANGES,
    CHANGES,
    st.tuples(TIMES, CHANGED, LINES).map(lambda one: Did(*one[:2], 0, lines=one[2][:2])),
    st.tuples(TIMES, WHOLE, LINES).map(lambda one: Did(*one[:2], 0, lines=one[2])),
    st.tuples(TIMES, OTHER, VALUES, st.sampled_from(["", "o1", "o2"])).map(
        lambda one: Did(*one[:2], 0, value=one[2], order=one[3])
    ),
)


def numbered(did: list[Did]) -> list[Did]:
    return [one._replace(id=i) for i, one in enumerate(did, 1)]


def fits(did: Sequence[Did]) -> bool:
    """Whether no change since the newest order, or statement, is older than as many others as are kept."""
    begun = max(newest_order(did), *(one.at for one in did if is_whole(one)), 0)
    changes = [one for one in did if one.kind in (Kind.CART_ADDED, Kind.CART_REMOVED) and one.at > begun]
    return sum(len(one.lines) or 1 for one in changes) <= cart.CHANGES


LATER = st.integers(8, 14).map(lambda i: START + i * 700)
VOIDING = st.one_of(
    LATER.map(lambda at: Did(at, Kind.ORDER_COMPLETED, 0)),
    st.tuples(LATER, WHOLE, LINES).map(lambda one: Did(*one[:2], 0, lines=one[2])),
)
HISTORIES = st.one_of(
    st.lists(DID, max_size=14),
    st.tuples(st.lists(CHANGES, min_size=8, max_size=20), VOIDING, st.lists(DID, max_size=6)).map(
        lambda some: [*some[0], some[1], *some[2]]
    ),
)


@given(HISTORIES.map(numbered).filter(fits), st.data())
def test_any_order_and_any_split_give_the_same_bytes_and_what_is_in_the_cart(
    did: list[Did], data: st.DataObject
) -> None:
    rows = folded(did)
    assert contents(rows) == pytest.approx(in_order(did))
    assert folded(data.draw(st.permutations(did))).tobytes() == rows.tobytes()
    side = data.draw(st.lists(st.booleans(), min_size=len(did), max_size=len(did)))
    sides = [[one for one, left in zip(did, side, strict=True) if left is which] for which in (True, False)]
    parts = folded(sides[0]), folded(sides[1])
    assert joined(*parts).tobytes() == joined(*parts[::-1]).tobytes() == rows.tobytes()


@given(st.lists(DID, max_size=60))
def test_in_order_it_is_exact_however_many_changes_there_are(did: list[Did]) -> None:
    """As long as no order is repeated, and of lines of one event no more than one is of an item."""
    known = [one._replace(at=START + i, id=i + 1, order="", lines=distinct(one)) for i, one in enumerate(did)]
    assert contents(folded(known)) == pytest.approx(in_order(known))


def distinct(one: Did) -> tuple[CartLine, ...]:
    return tuple({line.item: line for line in one.lines}.values())


@given(
    st.lists(st.tuples(st.integers(START, START + 10**9), st.integers(0, 30), st.integers(1, 9_999)), max_size=60),
    st.data(),
)
def test_beyond_what_is_kept_sums_stay_exact(added: list[tuple[int, int, int]], data: st.DataObject) -> None:
    did = numbered([Did(at, Kind.CART_ADDED, 0, f"i{item}", cents / 100) for at, item, cents in added])
    wanted = (len(did), sum(cents for *_, cents in added) / 100)
    assert contents(folded(data.draw(st.permutations(did)))) == pytest.approx(wanted)
    cut = data.draw(st.integers(0, len(did)))
    assert contents(joined(folded(did[:cut]), folded(did[cut:]))) == pytest.approx(wanted)


def test_the_group_takes_whole_words() -> None:
    fields = np.dtype(cart.FIELDS)
    assert fields.itemsize == np.dtype(cart.FIELDS, align=True).itemsize == 61 * 8


def added(second: int, item: str, value: float, thousandths: int = 1_000) -> Did:
    return Did(START + second * SECOND, Kind.CART_ADDED, second + 1, item, value, thousandths)


def removed(second: int, item: str, value: float = 0.0, thousandths: int = 1_000) -> Did:
    return Did(START + second * SECOND, Kind.CART_REMOVED, second + 1, item, value, thousandths)


A, B = CartLine("A", 1_000, 1_000), CartLine("B", 2_000, 4_000)


@pytest.mark.parametrize(
    ("did", "pieces", "value"),
    [
        ([added(0, "A", 100), removed(1, "B", 5)], 1, 100),
        ([added(0, "A", 10), added(1, "B", 20), removed(2, "A", 10, 5_000)], 1, 20),
        ([added(0, "A", 10), removed(1, "A", 10, 5_000), added(2, "A", 10)], 1, 10),
        ([removed(0, "A", 10), added(1, "A", 10)], 1, 10),
        ([added(0, "A", 100), added(1, "B", 20), removed(2, "A")], 1, 20),
        ([added(0, "A", 6, 300)], 1, 6),
        ([added(i, str(i), price) for i, price in enumerate((30.49, 10.0, 41.99, 17.52))], 4, 100),
        ([added(0, "A", 10), added(1, "B", 20), Did(START + 2_000, Kind.CART_VIEWED, 9, lines=(A,))], 1, 10),
        ([Did(START, Kind.CHECKOUT_STARTED, 9, lines=(A, B)), removed(1, "B")], 2, 30),
        ([added(0, "A", 10), Did(START + 1, Kind.CART_VIEWED, 9)], 1, 10),
        ([added(0, "A", 10), Did(START + 1_000, Kind.ORDER_COMPLETED, 9), added(2, "B", 5)], 1, 5),
    ],
)
def test_what_is_in_the_cart_whatever_comes_first(did: list[Did], pieces: int, value: float) -> None:
    for arrived in (did, did[::-1]):
        assert contents(folded(arrived)) == (pieces, value)


def test_an_order_told_again_later_takes_nothing_more() -> None:
    first = Did(START + 1_000, Kind.ORDER_COMPLETED, 8, order="o")
    again = first._replace(at=START + 5_000, id=9)
    did = [added(0, "A", 10), first, added(2, "B", 5), again]
    for arrived in (did, did[::-1], [again, first, did[0], did[2]]):
        assert contents(folded(arrived)) == (1, 5)


def idle(did: Sequence[Did], now: int = START + 900 * SECOND) -> float:
    out = np.zeros(len(cart.ENTRIES))
    cart.read_cart(folded(did)[0], now, out, INDEX)
    return float(out[INDEX.cart_idle_seconds])


def at(second: int, kind: Kind, **fields: Any) -> Did:
    return Did(START + second * SECOND, kind, second + 1, **fields)


FULL = added(0, "A", 10)


@pytest.mark.parametrize(
    ("since", "seconds"),
    [
        (at(60, Kind.PAGE_VIEWED), 900),
        (at(60, Kind.ITEM_VIEWED, item="B", value=5), 900),
        (at(60, Kind.ORDER_CANCELLED, order="o"), 900),
        (at(60, Kind.ORDER_REFUNDED, order="o"), 900),
        (at(-60, Kind.ORDER_COMPLETED), 900),  # comes late, as servers report it
        (added(60, "B", 5), 840),
        (removed(60, "B"), 840),  # it is not in there, but whoever takes it out is at the cart
        (at(60, Kind.CART_VIEWED), 840),
        (at(60, Kind.CART_VIEWED, lines=(A,)), 840),
        (at(60, Kind.CHECKOUT_STARTED), 840),
        (at(60, Kind.CHECKOUT_STEP), 840),
        (at(60, Kind.COUPON_APPLIED), 840),
    ],
)
def test_its_silence_ends_with_what_is_done_with_the_cart_alone(since: Did, seconds: float) -> None:
    assert idle([FULL, since]) == idle([since, FULL]) == seconds


@pytest.mark.parametrize(
    "did",
    [
        [],
        [at(60, Kind.CART_VIEWED)],
        [removed(60, "B")],
        [FULL, removed(60, "A")],
        [FULL, at(60, Kind.ORDER_COMPLETED)],
        [FULL, at(60, Kind.ORDER_COMPLETED, order="o"), at(61, Kind.ORDER_CANCELLED, order="o")],
        [FULL, at(60, Kind.ORDER_COMPLETED), at(90, Kind.CART_VIEWED), at(95, Kind.CHECKOUT_STEP)],
    ],
)
def test_an_empty_cart_is_not_left_alone(did: list[Did]) -> None:
    assert math.isnan(idle(did))
    assert math.isnan(idle(did[::-1]))


def test_what_is_put_in_behind_an_order_is_silent_since_then() -> None:
    did = [FULL, at(60, Kind.ORDER_COMPLETED), added(120, "B", 5)]
    assert idle(did) == idle(did[::-1]) == 780


def test_amounts_stay_within_what_a_row_holds() -> None:
    most = [Did(START + i, Kind.CART_ADDED, i + 1, "A", 1e12, 4_000_000) for i in range(200)]
    pieces, value = contents(folded(most))
    assert 0 < pieces <= 2**32
    assert 0 < value <= 2**60
