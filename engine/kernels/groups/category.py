"""The categories a customer had to do with last: 12 of them. What of `engine.kernels.groups.item` is said of items
holds for them: exact while there are no more, and which 12 are kept, and when each was seen last, always."""

from __future__ import annotations

import numpy as np

from engine.kernels.entry import Entry
from engine.kernels.groups.days import DAYS, how_many, joined_days
from engine.kernels.groups.slots import place_of, room
from engine.kernels.jit import kernel
from engine.kernels.row_limits import U2_MAX
from engine.kernels.units import SECOND
from engine.kernels.wire import EARLIEST_S, Kind

CATEGORIES = 12

FIELDS = [
    ("category_id", "u8", (CATEGORIES,)),  # 64-bit hashes, ascending
    ("category_at", "u4", (CATEGORIES,)),  # last time, seconds since EARLIEST_S
    ("category_days", "u4", (CATEGORIES,)),
    ("category_views", "u2", (CATEGORIES,)),  # of its items and of its list
    ("category_orders", "u2", (CATEGORIES,)),  # completed order events that name it
]

ENTRIES = (
    Entry("category.count", "", f"different categories, of the last {CATEGORIES}"),
    Entry("category.top_views", "", f"item and list views of the category viewed most, of the last {CATEGORIES}"),
    Entry("category.top_days", "", f"days, of {DAYS}, of the category that came back on most of them"),
    Entry("category.ordered", "", f"categories that something was ordered of, of the last {CATEGORIES}"),
    Entry("category.top_orders", "", "orders of the category most often ordered of"),
)


@kernel
def apply_category(row, event):
    """Add one `event` (`decode.COLUMNS`), wherever in time it lies."""
    identity = event.category
    if identity == 0:
        return
    at = np.uint32(event.at // SECOND - EARLIEST_S)
    place = place_of(row.category_id, identity)
    if place == CATEGORIES or row.category_id[place] != identity:
        place = _insert(row, identity, at, place)
        if place < 0:
            return
    viewed = event.kind == Kind.ITEM_VIEWED or event.kind == Kind.LIST_VIEWED
    _add(row, place, at, 1, 1 if viewed else 0, 1 if event.kind == Kind.ORDER_COMPLETED else 0)


@kernel
def join_category(into, other):
    """Add the categories of another row: first of those that both know, since what only one knows may push them
    out."""
    for i in range(CATEGORIES):
        place = place_of(into.category_id, other.category_id[i])
        if other.category_id[i] != 0 and place < CATEGORIES and into.category_id[place] == other.category_id[i]:
            _add_of(into, place, other, i)
    for i in range(CATEGORIES):
        identity = other.category_id[i]
        place = place_of(into.category_id, identity)
        if identity == 0 or (place < CATEGORIES and into.category_id[place] == identity):
            continue
        place = _insert(into, identity, other.category_at[i], place)
        if place >= 0:
            _add_of(into, place, other, i)


@kernel
def read_category(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    count = ordered = 0
    views = days = orders = np.int64(0)
    for i in range(CATEGORIES):
        if row.category_id[i] == 0:
            break
        count += 1
        views = max(views, np.int64(row.category_views[i]))
        days = max(days, how_many(row.category_days[i]))
        ordered += row.category_orders[i] > 0
        orders = max(orders, np.int64(row.category_orders[i]))
    out[index.category_count] = count
    out[index.category_top_views] = views
    out[index.category_top_days] = days
    out[index.category_ordered] = ordered
    out[index.category_top_orders] = orders


@kernel
def _insert(row, identity, at, place):
    """Make a place for a new category, which belongs at `place`; -1: there are 12 newer ones."""
    free, place = room(row.category_id, row.category_at, identity, at, place)
    if free < 0:
        return -1
    step = 1 if free < place else -1
    while free != place:  # one loop for all fields: each by itself is mispredicted once
        _copy(row, free + step, free)
        free += step
    row.category_id[place] = identity
    row.category_at[place] = row.category_days[place] = 0
    row.category_views[place] = row.category_orders[place] = 0
    return place


@kernel
def _copy(row, one, to):
    row.category_id[to] = row.category_id[one]
    row.category_at[to] = row.category_at[one]
    row.category_days[to] = row.category_days[one]
    row.category_views[to] = row.category_views[one]
    row.category_orders[to] = row.category_orders[one]


@kernel
def _add_of(into, place, other, i):
    _add(
        into,
        place,
        other.category_at[i],
        other.category_days[i],
        np.int64(other.category_views[i]),
        np.int64(other.category_orders[i]),
    )


@kernel
def _add(row, place, at, days, views, orders):
    row.category_days[place] = joined_days(row.category_at[place], row.category_days[place], at, days)
    row.category_at[place] = max(row.category_at[place], at)
    row.category_views[place] = min(np.int64(row.category_views[place]) + views, U2_MAX)
    row.category_orders[place] = min(np.int64(row.category_orders[place]) + orders, U2_MAX)
