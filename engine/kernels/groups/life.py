"""A customer's whole life: its first and last event, and how often what was done."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.kernels.elapsed import since
from engine.kernels.entry import Entry
from engine.kernels.jit import kernel
from engine.kernels.row_limits import U4_MAX
from engine.kernels.units import DAY
from engine.kernels.wire import Kind


class Counted(NamedTuple):
    """A kind that is counted over the whole life, the feature's name, and what it means."""

    kind: Kind
    name: str
    meaning: str


#: In the order of the row's counters: never reorder.
COUNTED: tuple[Counted, ...] = (
    Counted(Kind.PAGE_VIEWED, "customer.pages", "page calls ever"),
    Counted(Kind.ITEM_VIEWED, "customer.items", "item views ever"),
    Counted(Kind.LIST_VIEWED, "customer.lists", "lists ever viewed"),
    Counted(Kind.SEARCHED, "customer.searches", "searches ever"),
    Counted(Kind.REVIEW_READ, "customer.reviews", "reviews ever read"),
    Counted(Kind.CART_ADDED, "customer.cart_adds", "times something was ever put into the cart"),
    Counted(Kind.CART_REMOVED, "customer.cart_removals", "times something was ever taken out of the cart"),
    Counted(Kind.CART_VIEWED, "customer.cart_views", "times the cart was ever viewed"),
    Counted(Kind.WISHLISTED, "customer.wishes", "times something was ever put on the wishlist"),
    Counted(Kind.CHECKOUT_STARTED, "customer.checkouts", "checkouts ever started"),
    Counted(Kind.COUPON_APPLIED, "customer.coupons", "coupons ever entered"),
    Counted(Kind.SHARED, "customer.shares", "times something was ever shared"),
    Counted(Kind.OTHER, "customer.others", "events ever that are of no known kind"),
)

FIELDS = [
    ("life_first_at", "i8"),
    ("life_last_at", "i8"),
    ("life_unsigned_at", "i8"),  # when the last event happened whose writer is not known (0: none)
    ("life_count", "u4", (len(COUNTED),)),
    ("life_anonymous", "u4"),  # events that named the customer by an anonymous id alone
]

ENTRIES = (
    Entry("customer.days_known", "d", "time since the first event", DAY),
    *(Entry(counted.name, "", counted.meaning) for counted in COUNTED),
)

_PLACES = np.full(max(Kind) + 1, -1)
_PLACES[[counted.kind for counted in COUNTED]] = range(len(COUNTED))


@kernel
def apply_life(row, event):
    """Add one `event` (`decode.COLUMNS`), wherever in time it lies."""
    _extend(row, event.at, event.at)
    count_kind(row, event.kind, 1)
    row.life_anonymous = _sum(row.life_anonymous, event.anonymous != 0)
    if event.signed == 0:
        row.life_unsigned_at = max(row.life_unsigned_at, event.at)


@kernel
def count_kind(row, kind, times):
    """Count `times` more events of `kind`, if it is one of `COUNTED`."""
    place = _PLACES[kind]
    if place >= 0:
        row.life_count[place] = _sum(row.life_count[place], times)


@kernel
def join_life(into, other):
    """Add the life of another row."""
    if other.life_last_at != 0:
        _extend(into, other.life_first_at, other.life_last_at)
    for place in range(len(COUNTED)):
        into.life_count[place] = _sum(into.life_count[place], other.life_count[place])
    into.life_anonymous = _sum(into.life_anonymous, other.life_anonymous)
    into.life_unsigned_at = max(into.life_unsigned_at, other.life_unsigned_at)


@kernel
def read_life(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    out[index.customer_days_known] = since(row.life_first_at, now, DAY)
    for place in range(len(COUNTED)):
        out[index.customer_pages + place] = row.life_count[place]


@kernel
def _extend(row, first, last):
    if row.life_first_at == 0 or first < row.life_first_at:
        row.life_first_at = first
    row.life_last_at = max(row.life_last_at, last)


@kernel
def _sum(one, other):
    return min(np.int64(one) + np.int64(other), U4_MAX)
