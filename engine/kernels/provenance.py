"""Where a row's content comes from: who named the customer, who vouches for the session, how old the cart is.

Flags of one byte. 0 is the careful answer to each: a user's, nobody vouches, from before this session.
"""

from __future__ import annotations

from engine.kernels.groups.cart_contents import was_empty_since
from engine.kernels.groups.order_state import newest_order
from engine.kernels.jit import kernel
from engine.kernels.row_limits import SESSION_GAP_MS

ANONYMOUS = 1  # every event named the customer by an anonymous id; once one names a user, it is a user's for good
SIGNED = 2  # who wrote the events of the session, all of them, is known; of a moment: who wrote its event
NEW_CART = 4  # all that is in the cart was put there in the session


@kernel
def is_signed(row):
    """Whether it is known who wrote all that happened since the session began."""
    return row.life_unsigned_at < row.session_started


@kernel
def provenance_at(row, now, signed):
    """The flags of `row` at a moment, and whether its cause is signed. A session that is over is past."""
    flags = SIGNED if signed else 0
    if row.recent_total > 0 and row.life_anonymous == row.recent_total:
        flags |= ANONYMOUS
    if row.session_started != 0 and now - row.session_last <= SESSION_GAP_MS and _is_new_cart(row):
        flags |= NEW_CART
    return flags


@kernel
def _is_new_cart(row):
    """Whether the cart was changed in the session, and had nothing in it when that began, or since then. Of
    changes that are kept as items alone nobody knows when they were: they count as old, unless nothing can be."""
    began, ordered = row.session_started, newest_order(row)
    if max(row.cart_changed, ordered) < began:
        return False
    if max(row.cart_stated_at, ordered) >= began or row.life_first_at >= began:
        return True
    return was_empty_since(row, ordered, began)
