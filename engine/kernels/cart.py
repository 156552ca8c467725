"""The cart: pieces and value."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel
from engine.kernels.provenance import date_cart
from engine.kernels.row_limits import U4_MAX
from engine.kernels.wire import Kind


@kernel
def apply_to_cart(row, event):
    """Put something in or take it out."""
    if event.at < row.purchase_last:
        return  # it was ordered since, or thrown away
    # int64: numba makes unsigned 64-bit and signed operands a float
    pieces, held = np.int64(event.quantity), np.int64(row.cart_items)
    date_cart(row, event.at, held == 0 and event.kind == Kind.CART_ADDED)
    if event.kind == Kind.CART_ADDED:
        row.cart_items = min(held + pieces, U4_MAX)
        row.cart_value += event.value * pieces
    elif pieces >= held:
        row.cart_items = 0
        row.cart_value = 0.0
    else:
        row.cart_items = held - pieces
        row.cart_value = max(row.cart_value - event.value * pieces, 0.0)
    row.cart_changed = max(row.cart_changed, event.at)


@kernel
def empty_cart(row, at):
    """Empty the cart for an order at `at`, which what was added later is not in."""
    if at >= row.cart_changed:
        row.cart_items = 0
        row.cart_value = 0.0
        row.cart_changed = at
