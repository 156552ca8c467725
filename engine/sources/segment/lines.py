"""The lines of a cart or an order: what `products` lists."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.errors import BadEvent
from engine.events import CartLine, LeftOut
from engine.kernels.wire import MAX_AMOUNT, MAX_LINES, MAX_THOUSANDTHS
from engine.sources.segment.values import (
    MAX_LEFT_OUT,
    PIECE,
    is_nothing,
    leave_out,
    money,
    side_money,
    side_text,
    side_thousandths,
    thousandths,
)

_IDS = ("product_id", "productId", "id", "sku")  # `id` is its name in v1
_READ = frozenset({*_IDS, "category", "price", "quantity"})  # of a line
_PRODUCTS = "properties.products"


class ProductLine(NamedTuple):
    """One line: the price of a piece, and how many thousandths of a piece there are."""

    item: str = ""
    category: str = ""
    price: float = 0.0
    thousandths: int = PIECE

    @property
    def worth(self) -> float:
        """What all of it costs."""
        return self.price * (self.thousandths / PIECE)


_UNSTATED = ProductLine()  # of a line that says nothing that is read: 10,000 such fit into an event


def category(value: object, field: str, left_out: list[LeftOut]) -> str:
    """A category, or the first of several."""
    if isinstance(value, list):
        value, field = (value[0], f"{field}[0]") if value else (None, field)
    return side_text(value, field, left_out)


def lines_of(products: object, left_out: list[LeftOut], needed: bool) -> list[ProductLine]:
    """The lines in `products`; `needed`: the order's amount is their sum, so price and quantity must be readable
    where they are stated. Raises `BadEvent` where they are not."""
    if not products:
        return []
    if isinstance(products, list):
        found = [_line(line, f"{_PRODUCTS}[{i}]", left_out, needed) for i, line in enumerate(products)]
        return [line for line in found if line is not None]
    fault = BadEvent("bad_field", "an array is needed", _PRODUCTS)
    if needed and not isinstance(products, dict):
        raise fault
    leave_out(fault, left_out)
    return lines_of(_of_object(products), left_out, needed) if isinstance(products, dict) else []


def joined(lines: Sequence[ProductLine]) -> ProductLine:
    """The first item of several, at their mean price, as many as all of them are."""
    if len(lines) < 2:
        return lines[0] if lines else ProductLine()
    amount = sum(line.thousandths for line in lines)
    mean = math.fsum(line.worth for line in lines) / ((amount or PIECE) / PIECE)
    return ProductLine(lines[0].item, lines[0].category, mean, min(amount, MAX_THOUSANDTHS))


def stated(products: object, left_out: list[LeftOut]) -> tuple[CartLine, ...]:
    """All lines of a cart, as an event has them. None where one does not say what it costs, or cannot be read:
    less than the whole cart would take from it what was not stated."""
    try:
        lines = lines_of(products, left_out, needed=True)
    except BadEvent as fault:
        leave_out(fault, left_out)
        return ()
    if field := unpriced(products):
        leave_out(BadEvent("missing_amount", "the cart is stated where each line has a price", field), left_out)
        return ()
    return together(lines)


def unpriced(products: object) -> str:
    """The path of the first price that a line does not state, empty for none."""
    for i, line in enumerate(_listed(products)):
        if isinstance(line, dict) and (is_nothing(line.get("price")) or line["price"] is False):
            return f"{_PRODUCTS}[{i}].price"
    return ""


def together(lines: Iterable[ProductLine]) -> tuple[CartLine, ...]:
    """`lines` by item, the dearest first; those without an item, and all that an event has no room for, are
    one."""
    amounts: dict[str, tuple[int, int]] = {}
    for line in lines:
        had, worth = amounts.get(line.item, (0, 0))
        amounts[line.item] = (had + line.thousandths, worth + math.floor(line.worth * 100 + 0.5))
    rest = amounts.pop("", (0, 0))
    known = sorted(amounts.items(), key=lambda one: one[1][1], reverse=True)
    for _, more in known[MAX_LINES - 1 :]:
        rest = (rest[0] + more[0], rest[1] + more[1])
    named = [*known[: MAX_LINES - 1], *([("", rest)] if rest[0] else [])]
    return tuple(
        CartLine(item, min(count, MAX_THOUSANDTHS), min(worth, MAX_AMOUNT)) for item, (count, worth) in named
    )


def _listed(products: object) -> Iterable[object]:
    if isinstance(products, dict):
        return _of_object(products)
    return products if isinstance(products, list) else ()


def _of_object(products: dict[str, object]) -> list[object]:
    """One line, or an array that PHP wrote as an object of numbered lines."""
    inner = list(products.values())
    return inner if all(isinstance(line, dict) for line in inner) else [products]


def _line(line: object, field: str, left_out: list[LeftOut], needed: bool) -> ProductLine | None:
    if not isinstance(line, dict):
        if len(left_out) == MAX_LEFT_OUT and not needed:
            return None
        fault = BadEvent("bad_field", "an object is needed", field)
        if needed:
            raise fault
        leave_out(fault, left_out)
        return None
    if line.keys().isdisjoint(_READ):
        return _UNSTATED
    item = next((name for name in _IDS if not is_nothing(line.get(name))), "sku")
    return ProductLine(
        side_text(line.get(item), f"{field}.{item}", left_out),
        category(line.get("category"), f"{field}.category", left_out),
        *_amounts(line.get("price"), line.get("quantity"), field, left_out, needed),
    )


def _amounts(
    price: object, quantity: object, field: str, left_out: list[LeftOut], needed: bool
) -> tuple[float, int]:
    """The price of a piece and the thousandths of pieces of a line."""
    if needed:
        return money(price, f"{field}.price") or 0.0, thousandths(quantity, f"{field}.quantity")
    return side_money(price, f"{field}.price", left_out), side_thousandths(quantity, f"{field}.quantity", left_out)
