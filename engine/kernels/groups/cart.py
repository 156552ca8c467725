"""The cart: what is in it by item, whatever order its events came in.

The newest 8 changes (something put in or taken out) are kept as such, older ones as what they made of the cart:
the 8 items changed last, and a sum of the others. What is in it now follows from both (`cart_contents`), so a
change that comes late counts at its place: the group is a function of the set of events as long as no more than 8
changes are newer than the newest order or statement, or none comes in that is older than 8 others. Beyond that
sums stay exact, but for removals of more than there was, and for an order or a statement that comes in behind 8
changes that are newer: it no longer takes out all that was there before it.

A statement of the whole cart (viewed, or a checkout started, with lines) makes all before it void, and so does an
order, whatever became of it: what was put in by then was ordered. Of one moment changes come first, then the
statement, then the order. Removing what is not there removes nothing, and removing more than there is removes what
there is; of items that are in the sum alone nobody knows, so a removal of what is not known is taken from the sum.
What is removed, or added, without a price has that of its kind in the cart.

Its silence is its own: it ends when something is done with the cart, be it a removal of what is not in it; orders,
which servers report at any time, end none, and an empty cart has none.

Besides its own fields it reads the row's orders (`newest_order`): apply and join the group `order` first.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.elapsed import since
from engine.kernels.entry import CART, Entry
from engine.kernels.groups.cart_contents import add_up, is_live
from engine.kernels.groups.cart_items import clear, fold, include, settle
from engine.kernels.groups.order_state import newest_order
from engine.kernels.jit import kernel
from engine.kernels.money import currency, hundredths
from engine.kernels.nested import line
from engine.kernels.row_limits import U4_MAX
from engine.kernels.units import SECOND
from engine.kernels.wire import EARLIEST_S, MAX_AMOUNT, Kind

ITEMS = 8
CHANGES = 8

FIELDS = [
    ("cart_item", "u8", (ITEMS,)),  # ascending, 0 behind the last
    ("cart_item_amount", "i8", (ITEMS,)),  # hundredths, of all pieces
    ("cart_change_item", "u8", (CHANGES,)),
    ("cart_change_at", "i8", (CHANGES,)),  # ascending, 0 behind the last
    ("cart_change_amount", "i8", (CHANGES,)),  # hundredths, 0 without a price
    ("cart_stated_at", "i8"),  # the newest statement of the whole cart
    ("cart_stated_id", "u8"),
    ("cart_folded_at", "i8"),  # the newest change since then that is kept as items alone, or was ordered
    ("cart_rest_pieces", "i8"),  # thousandths
    ("cart_rest_amount", "i8"),
    ("cart_changed", "i8"),  # when something was last done with it, whether that changed it or not
    ("cart_pieces", "i8"),  # what all of it comes to: whole pieces, and hundredths
    ("cart_value", "i8"),
    ("cart_item_pieces", "u4", (ITEMS,)),  # thousandths
    ("cart_item_s", "u4", (ITEMS,)),  # when it changed, in seconds
    ("cart_change_pieces", "u4", (CHANGES,)),
    ("cart_change_kind", "u1", (CHANGES,)),
]

ENTRIES = (
    Entry("cart.items", "", "pieces in the cart, part of a piece counts as one", reach=CART),
    Entry("cart.value", "currency", "value of the cart", reach=CART),
    Entry(
        "cart.idle_seconds",
        "s",
        "time since something was last done with the cart (put in, taken out, viewed, its checkout, a coupon); "
        "none while it is empty",
        SECOND,
        reach=CART,
    ),
)


@kernel
def apply_cart(row, event, data):
    """Add one `event` (`decode.COLUMNS`, of any kind), wherever in time it lies; its lines lie in `data`
    (uint8)."""
    kind = event.kind
    if kind == Kind.CART_ADDED or kind == Kind.CART_REMOVED:
        _changes(row, event, data)
    elif kind == Kind.CART_VIEWED or kind == Kind.CHECKOUT_STARTED:
        _state(row, event, data)
    elif kind == Kind.ORDER_COMPLETED:
        _finish(row, newest_order(row))
        return
    elif kind != Kind.CHECKOUT_STEP and kind != Kind.COUPON_APPLIED:
        return
    row.cart_changed = max(row.cart_changed, event.at)
    _finish(row, newest_order(row))


@kernel
def join_cart(into, other):
    """Add the cart of another row, whose orders `into` has already."""
    ordered = newest_order(into)
    newer = _is_newer(into, other.cart_stated_at, other.cart_stated_id)
    same = into.cart_stated_at == other.cart_stated_at and into.cart_stated_id == other.cart_stated_id
    if newer:
        _begin(into, other.cart_stated_at, other.cart_stated_id, into.cart_folded_at <= other.cart_stated_at)
    if newer or (same and into.cart_stated_at == 0) or other.cart_folded_at > into.cart_stated_at:
        _join_items(into, other, ordered)
    for i in range(CHANGES):
        if other.cart_change_at[i] != 0:
            _change(
                into,
                other.cart_change_kind[i],
                other.cart_change_item[i],
                other.cart_change_at[i],
                np.int64(other.cart_change_pieces[i]),
                other.cart_change_amount[i],
                ordered,
            )
    into.cart_changed = max(into.cart_changed, other.cart_changed)
    _finish(into, ordered)


@kernel
def read_cart(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    out[index.cart_items] = row.cart_pieces
    out[index.cart_value] = currency(row.cart_value)
    out[index.cart_idle_seconds] = since(row.cart_changed, now, SECOND) if row.cart_pieces > 0 else np.nan


@kernel
def _finish(row, ordered):
    settle(row, ordered)
    add_up(row, ordered)


@kernel
def _changes(row, event, data):
    ordered = newest_order(row)
    if event.lines == 0:
        pieces = np.int64(event.thousandths) if event.thousandths != 0 else np.int64(event.quantity) * 1_000
        amount = hundredths(min(event.value * event.quantity, MAX_AMOUNT / 100))
        _change(row, event.kind, np.uint64(event.item), event.at, min(pieces, U4_MAX), amount, ordered)
        return
    at = np.int64(event.lines_start)
    for _ in range(event.lines):
        item, pieces, amount, at = line(data, at, data.shape[0])
        _change(row, event.kind, item, event.at, pieces, amount, ordered)


@kernel
def _state(row, event, data):
    """All that is in the cart, where it is stated; the lines before the ninth stand each for itself."""
    if event.lines == 0 or not _is_newer(row, event.at, event.id):
        return
    _begin(row, event.at, event.id, True)
    at, second = np.int64(event.lines_start), event.at // SECOND
    for i in range(event.lines):
        item, pieces, amount, at = line(data, at, data.shape[0])
        include(row, item if i < ITEMS else np.uint64(0), pieces, amount, second)


@kernel
def _is_newer(row, at, identity):
    return at > row.cart_stated_at or (at == row.cart_stated_at and identity > row.cart_stated_id)


@kernel
def _begin(row, at, identity, anew):
    """A statement of `at`: what changed by then is void, and `anew` also what is kept as items."""
    row.cart_stated_at, row.cart_stated_id = at, identity
    if row.cart_folded_at <= at:
        row.cart_folded_at = 0
    if anew:
        clear(row)
    kept = 0
    for i in range(CHANGES):
        if row.cart_change_at[i] > at:
            _move(row, i, kept)
            kept += 1
    for i in range(kept, CHANGES):
        _write(row, i, 0, np.uint64(0), 0, 0, 0)


@kernel
def _join_items(into, other, ordered):
    """Add what the other row keeps as items, unless an order made that void and not what is here."""
    was_live = is_live(into, ordered)
    into.cart_folded_at = max(into.cart_folded_at, other.cart_folded_at)
    if is_live(other, ordered):
        if not was_live:
            clear(into)
    elif was_live:
        return
    for i in range(ITEMS):
        if other.cart_item[i] != 0:
            pieces = np.int64(other.cart_item_pieces[i])
            include(
                into,
                other.cart_item[i],
                pieces,
                other.cart_item_amount[i],
                np.int64(other.cart_item_s[i]) + EARLIEST_S,
            )
    into.cart_rest_pieces += other.cart_rest_pieces
    into.cart_rest_amount += other.cart_rest_amount


@kernel
def _change(row, kind, item, at, pieces, amount, ordered):
    if pieces == 0 or at <= row.cart_stated_at:
        return
    if row.cart_change_at[CHANGES - 1] != 0:  # the oldest becomes what it made of the cart
        if _is_before(row, 0, kind, item, at, pieces, amount):
            first = row.cart_change_kind[0], row.cart_change_item[0], row.cart_change_at[0]
            amounts = np.int64(row.cart_change_pieces[0]), row.cart_change_amount[0]
            for i in range(1, CHANGES):
                _move(row, i, i - 1)
            _write(row, CHANGES - 1, 0, np.uint64(0), 0, 0, 0)
            fold(row, first[0], first[1], first[2], amounts[0], amounts[1], ordered)
        else:
            fold(row, kind, item, at, pieces, amount, ordered)
            return
    place = 0
    while row.cart_change_at[place] != 0 and _is_before(row, place, kind, item, at, pieces, amount):
        place += 1
    for i in range(CHANGES - 1, place, -1):
        _move(row, i - 1, i)
    _write(row, place, kind, item, at, pieces, amount)


@kernel
def _is_before(row, i, kind, item, at, pieces, amount):
    """Whether the change at `i` comes before another: by time, then what is put in before what is taken out."""
    if row.cart_change_at[i] != at:
        return row.cart_change_at[i] < at
    if row.cart_change_kind[i] != kind:
        return row.cart_change_kind[i] < kind
    if row.cart_change_item[i] != item:
        return row.cart_change_item[i] < item
    if row.cart_change_pieces[i] != pieces:
        return row.cart_change_pieces[i] < pieces
    return row.cart_change_amount[i] <= amount


@kernel
def _move(row, one, to):
    _write(
        row,
        to,
        row.cart_change_kind[one],
        row.cart_change_item[one],
        row.cart_change_at[one],
        row.cart_change_pieces[one],
        row.cart_change_amount[one],
    )


@kernel
def _write(row, place, kind, item, at, pieces, amount):
    row.cart_change_kind[place] = kind
    row.cart_change_item[place] = item
    row.cart_change_at[place] = at
    row.cart_change_pieces[place] = pieces
    row.cart_change_amount[place] = amount
