"""The items a customer had to do with last: 16 of them.

Of each: when last, on which days, how often viewed, the price stated last, and what else was done with it. A
function of the set of events while there are no more than 16 items; an item that had to go, and comes back, counts
from then on, so its numbers are at most the true ones. Which 16 are kept, and when each was seen last, is always
exact.

*Visits are days*, not sessions: whether two events are of one session depends on all that lies between them, which
no row knows of an item seen long ago. *The price* is one number with its time above it, so that the later one wins
by being the larger; within a second the higher price does. It reaches to 42,949,672.95 and stays there.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.entry import Entry
from engine.kernels.groups.days import DAYS, how_many, joined_days
from engine.kernels.groups.slots import place_of, room
from engine.kernels.jit import kernel
from engine.kernels.row_limits import U2_MAX, U4_MAX
from engine.kernels.units import SECOND
from engine.kernels.wire import EARLIEST_S, Kind

ITEMS = 16

IN_CART, TAKEN_OUT, ORDERED, GIVEN_BACK, WISHED, REVIEWED, SHARED = (1 << bit for bit in range(7))

FIELDS = [
    ("item_id", "u8", (ITEMS,)),  # 64-bit hashes, ascending
    ("item_price", "u8", (ITEMS,)),  # when it was stated (seconds), and below it hundredths
    ("item_at", "u4", (ITEMS,)),  # last time, seconds since EARLIEST_S
    ("item_days", "u4", (ITEMS,)),
    ("item_views", "u2", (ITEMS,)),
    ("item_flags", "u1", (ITEMS,)),
]

ENTRIES = (
    Entry("item.top_views", "", f"views of the item viewed most often, of the last {ITEMS} items"),
    Entry("item.top_days", "", f"days, of {DAYS}, of the item that came back on most of them"),
    Entry("item.top_price", "currency", "price of the item viewed most often, as stated last"),
    Entry("item.open_views", "", "views of the item viewed most often that was never ordered"),
    Entry("item.open_price", "currency", "price of that item, as stated last"),
    Entry("item.wished", "", f"items on the wishlist and not ordered, of the last {ITEMS}"),
)

_PRICE_BITS = np.uint64(32)
_PRICE = np.uint64(U4_MAX)


@kernel
def priced(at, value):
    """A price (in whole currency) stated at `at` (seconds since EARLIEST_S), for ``item_price``; 0 for none."""
    if value <= 0.0:
        return np.uint64(0)
    hundredths = np.uint64(min(np.floor(value * 100.0 + 0.5), np.float64(U4_MAX)))
    return np.uint64(at) << _PRICE_BITS | hundredths


@kernel
def price_of(stated):
    """The price (in whole currency) of an ``item_price``; NaN for none."""
    return np.float64(stated & _PRICE) / 100.0 if stated else np.nan


@kernel
def _flags_of(kind):
    flags = 0
    if kind == Kind.CART_ADDED:
        flags = IN_CART
    elif kind == Kind.CART_REMOVED:
        flags = TAKEN_OUT
    elif kind == Kind.ORDER_COMPLETED:
        flags = ORDERED
    elif kind == Kind.ORDER_REFUNDED or kind == Kind.ORDER_CANCELLED:
        flags = GIVEN_BACK
    elif kind == Kind.WISHLISTED:
        flags = WISHED
    elif kind == Kind.REVIEW_READ:
        flags = REVIEWED
    elif kind == Kind.SHARED:
        flags = SHARED
    return flags


@kernel
def _is_order(kind):
    return kind == Kind.ORDER_COMPLETED or kind == Kind.ORDER_REFUNDED or kind == Kind.ORDER_CANCELLED


@kernel
def apply_item(row, event):
    """Add one `event` (`decode.COLUMNS`), wherever in time it lies. An order's value is no price of a piece."""
    identity = event.item
    if identity == 0:
        return
    at = np.uint32(event.at // SECOND - EARLIEST_S)
    price = np.uint64(0) if _is_order(event.kind) else priced(at, event.value)
    place = place_of(row.item_id, identity)
    if place == ITEMS or row.item_id[place] != identity:
        place = _insert(row, identity, at, place)
        if place < 0:
            return
    _add(row, place, at, price, 1, 1 if event.kind == Kind.ITEM_VIEWED else 0, _flags_of(event.kind))


@kernel
def join_item(into, other):
    """Add the items of another row: first of those that both know, since what only one knows may push them out."""
    for i in range(ITEMS):
        place = place_of(into.item_id, other.item_id[i])
        if other.item_id[i] != 0 and place < ITEMS and into.item_id[place] == other.item_id[i]:
            _add_of(into, place, other, i)
    for i in range(ITEMS):
        identity = other.item_id[i]
        place = place_of(into.item_id, identity)
        if identity == 0 or (place < ITEMS and into.item_id[place] == identity):
            continue
        place = _insert(into, identity, other.item_at[i], place)
        if place >= 0:
            _add_of(into, place, other, i)


@kernel
def read_item(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    top = unordered = -1
    days = wished = 0
    for i in range(ITEMS):
        if row.item_id[i] == 0:
            break
        days = max(days, how_many(row.item_days[i]))
        if top < 0 or _more(row, i, top):
            top = i
        if row.item_flags[i] & ORDERED:
            continue
        if unordered < 0 or _more(row, i, unordered):
            unordered = i
        if row.item_flags[i] & WISHED:
            wished += 1
    out[index.item_top_views] = row.item_views[top] if top >= 0 else 0
    out[index.item_top_days] = days
    out[index.item_top_price] = price_of(row.item_price[top]) if top >= 0 else np.nan
    out[index.item_open_views] = row.item_views[unordered] if unordered >= 0 else 0
    out[index.item_open_price] = price_of(row.item_price[unordered]) if unordered >= 0 else np.nan
    out[index.item_wished] = wished


@kernel
def _more(row, i, than):
    """Whether item `i` was viewed more often than another, or as often and later."""
    views, others = row.item_views[i], row.item_views[than]
    return views > others or (views == others and row.item_at[i] > row.item_at[than])


@kernel
def _insert(row, identity, at, place):
    """Make a place for a new item, which belongs at `place`; -1: there are 16 newer ones."""
    free, place = room(row.item_id, row.item_at, identity, at, place)
    if free < 0:
        return -1
    step = 1 if free < place else -1
    while free != place:  # one loop for all fields: each by itself is mispredicted once
        _copy(row, free + step, free)
        free += step
    row.item_id[place] = identity
    row.item_price[place] = row.item_at[place] = row.item_days[place] = 0
    row.item_views[place] = row.item_flags[place] = 0
    return place


@kernel
def _copy(row, one, to):
    row.item_id[to] = row.item_id[one]
    row.item_price[to] = row.item_price[one]
    row.item_at[to] = row.item_at[one]
    row.item_days[to] = row.item_days[one]
    row.item_views[to] = row.item_views[one]
    row.item_flags[to] = row.item_flags[one]


@kernel
def _add_of(into, place, other, i):
    _add(
        into,
        place,
        other.item_at[i],
        other.item_price[i],
        other.item_days[i],
        np.int64(other.item_views[i]),
        np.int64(other.item_flags[i]),
    )


@kernel
def _add(row, place, at, price, days, views, flags):
    row.item_days[place] = joined_days(row.item_at[place], row.item_days[place], at, days)
    row.item_at[place] = max(row.item_at[place], at)
    row.item_price[place] = max(row.item_price[place], price)
    row.item_views[place] = min(np.int64(row.item_views[place]) + views, U2_MAX)
    row.item_flags[place] |= flags
