"""Where a row's content comes from: who named the customer, who vouches for the session, how old the cart is.

Flags of one byte. 0 is the careful answer to each (a user's, nobody vouches, from before this session), so rows
and events of before it existed need no other.
"""

from __future__ import annotations

from engine.kernels.jit import kernel
from engine.kernels.row_limits import SESSION_GAP_MS

ANONYMOUS = 1  # every event named the customer by an anonymous id; once one names a user, it is a user's for good
SIGNED = 2  # who wrote the events of the session, all of them, is known; of a moment: who wrote its event
NEW_CART = 4  # all that is in the cart was put there in the session

_ALL = 0xFF


@kernel
def apply_provenance(row, event):
    """Note who wrote `event` (one `decode.COLUMNS` record), which `row` and its session have counted."""
    begun = row.session_events == 1 and event.at == row.session_started
    if event.anonymous == 0:
        row.provenance &= _ALL - ANONYMOUS
    elif row.events == 1:
        row.provenance |= ANONYMOUS
    if event.signed == 0:
        row.provenance &= _ALL - SIGNED
    elif begun:
        row.provenance |= SIGNED
    if begun:
        row.provenance &= _ALL - NEW_CART


@kernel
def date_cart(row, at, was_empty):
    """Something was put into the cart, or taken out, at `at`."""
    if at < row.session_started:
        row.provenance &= _ALL - NEW_CART
    elif was_empty:
        row.provenance |= NEW_CART


@kernel
def provenance_at(row, now, signed):
    """The flags of a moment: those of `row`, and whether its cause is signed. A session that is over is past."""
    flags = row.provenance & (ANONYMOUS | NEW_CART)
    if now - row.session_last > SESSION_GAP_MS:
        flags &= ANONYMOUS
    return flags | SIGNED if signed else flags
