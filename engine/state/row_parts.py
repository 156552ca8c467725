"""A row in two: what whoever uses a device does, and what is a person's own (orders and traits).

Joined again they are the row: what is counted lies in one of the two, and is 0 in the other. Orders are a person's
own wherever they are counted by themselves: in the group of that name, in windows, and of items and categories;
and so is what they made void of the cart. Among the newest events, and where all are counted alike, they go with
the others: the session follows from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.kernels.groups import cart, order, order_state, trait, window
from engine.kernels.groups.item import GIVEN_BACK, ORDERED
from engine.kernels.row import ROW
from engine.state.row_codec import blank

#: Fields that are a person's own as they are.
OWN = tuple(name for group in (order, trait) for name, *_ in group.FIELDS)
#: Of rings of windows those that count orders alone.
OWN_RINGS = tuple(
    (rings.field, [counted in (window.ORDERS, window.VALUE) for counted in rings.counted])
    for rings in window.RINGS
    if window.ORDERS in rings.counted or window.VALUE in rings.counted
)
_OF_CART = [str(name) for name, *_ in cart.FIELDS]
_CHANGES = tuple(name for name in _OF_CART if name.startswith("cart_change_"))
_KEPT_OF_CART = (
    *(name for name in _OF_CART if name.startswith(("cart_item", "cart_rest_", "cart_stated_"))),
    "cart_folded_at",
)
_OF_ITEMS = ORDERED | GIVEN_BACK  # flags


def own_part(row: NDArray[np.void]) -> NDArray[np.void]:
    """Orders and traits of `row` (`ROW`, 1), apart."""
    part = blank(1)
    for name in OWN:
        part[name] = row[name]
    for name, own in OWN_RINGS:
        part[name][:, own] = row[name][:, own]
    if any(part[name].any() for name, _ in OWN_RINGS):
        part["window_at"] = row["window_at"]
    _keep(part, row, "item", (row["item_flags"] & _OF_ITEMS) > 0, ["item_flags"])
    part["item_flags"] &= _OF_ITEMS
    _keep(part, row, "category", row["category_orders"] > 0, ["category_orders"])
    _keep_changes(part, row, _is_void(row))
    if not _is_live(row):
        for name in _KEPT_OF_CART:
            part[name] = row[name]
    return part


def used_part(row: NDArray[np.void]) -> NDArray[np.void]:
    """All else of it."""
    part = row.copy()
    for name in OWN:
        part[name] = np.zeros((), ROW[name])
    for name, own in OWN_RINGS:
        part[name][:, own] = 0
    part["item_flags"] &= ~np.uint8(_OF_ITEMS)
    part["category_orders"] = 0
    _keep_changes(part, row, (row["cart_change_at"] > 0) & ~_is_void(row))
    if not _is_live(row):
        for name in _KEPT_OF_CART:
            part[name] = np.zeros((), ROW[name])
    return part


def _newest_order(row: NDArray[np.void]) -> int:
    """As the kernel of that name has it, which nothing else calls from here: it would be compiled for that."""
    completed = (row["order_flags"] & order_state.COMPLETED) > 0
    ends = np.where(row["order_id"] != 0, row["order_at"], row["order_until"])
    return int(np.max(ends[completed], initial=int(row["order_before_last"][0])))


def _is_void(row: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which changes of the cart were ordered."""
    found: NDArray[np.bool_] = (row["cart_change_at"] > 0) & (row["cart_change_at"] <= _newest_order(row))
    return found


def _is_live(row: NDArray[np.void]) -> bool:
    """Whether what the cart keeps as items came after the newest order."""
    return bool(max(row["cart_stated_at"][0], row["cart_folded_at"][0]) > _newest_order(row))


def _keep_changes(part: NDArray[np.void], row: NDArray[np.void], kept: NDArray[np.bool_]) -> None:
    """Let `part` have those changes of the cart that are `kept`, in order."""
    count = int(kept.sum())
    for name in _CHANGES:
        part[name] = 0
        part[name][0, :count] = row[name][kept]


def _keep(
    part: NDArray[np.void], row: NDArray[np.void], of: str, kept: NDArray[np.bool_], fields: Sequence[str]
) -> None:
    """Put those of the row's items or categories into `part` that are `kept`: which they are, when they were last
    heard of, and `fields`. They are in order of their ids, behind which nothing follows."""
    count = int(kept.sum())
    for name in (f"{of}_id", f"{of}_at", *fields):
        part[name][0, :count] = row[name][kept]
