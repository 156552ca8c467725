"""Orders by their ids: how many, their value and rhythm, corrected by what cancels, refunds or updates them.

The newest 12 are kept each for itself, by time and then by id; older ones as a sum. What corrects an order may
come before it: until then it waits in a place of its own. So the group is a function of the set of events as long
as no more than 12 orders are kept; beyond that it is exact for orders that nothing corrects or repeats. What
corrects an order that is not among the 12 is taken from the older ones.

An order repeated is one, with its earliest time. It counts unless it was cancelled, or as much was given back as
it is worth. Its worth is the newest update's, else that of its first announcement. Orders without an id that come
within `ORDER_LINES_MS` of one another are lines of one; nothing corrects them. Whether an order counts, and for
how much, is in `order_state`; what is read of all in `order_features`.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.order_id import is_one_id
from engine.kernels.groups.order_state import (
    COMPLETED,
    ORDERS,
    UNDONE,
    UPDATED,
    counts,
    end_of,
    is_unmatched,
    less_correction,
    worth,
)
from engine.kernels.jit import kernel
from engine.kernels.money import hundredths
from engine.kernels.row_limits import ORDER_LINES_MS
from engine.kernels.wire import Kind

MOST = 1 << 61  # hundredths: sums stay there

FIELDS = [
    ("order_id", "u8", (ORDERS,)),  # one that a row of version 1 knew has its upper half alone
    ("order_at", "i8", (ORDERS,)),  # ascending, 0 behind the last; of one only corrected, the first correction
    ("order_value", "i8", (ORDERS,)),
    ("order_returned", "i8", (ORDERS,)),
    ("order_until", "i8", (ORDERS,)),  # with an id the time of the newest update, without one the last line's
    ("order_before_value", "i8"),
    ("order_before_first", "i8"),
    ("order_before_last", "i8"),
    ("order_before_count", "u4"),
    ("order_flags", "u1", (ORDERS,)),
]


@kernel
def apply_order(row, event):
    """Add one `event` (`decode.COLUMNS`, of any kind), wherever in time it lies."""
    at, amount = event.at, hundredths(event.value)
    order = event.order
    if event.kind == Kind.ORDER_COMPLETED:
        _add(row, order, at, amount, 0, 0 if order != 0 else at, COMPLETED)
    elif order == 0:
        return
    elif event.kind == Kind.ORDER_UPDATED:
        _add(row, order, at, amount, 0, at, UPDATED)
    elif event.kind == Kind.ORDER_CANCELLED:
        _add(row, order, at, amount, 0, 0, UNDONE)
    elif event.kind == Kind.ORDER_REFUNDED:
        _add(row, order, at, 0, amount, 0, UNDONE if event.value == 0.0 else 0)


@kernel
def join_order(into, other):
    """Add the orders of another row."""
    for i in range(ORDERS):
        if other.order_at[i] != 0:
            _add(
                into,
                other.order_id[i],
                other.order_at[i],
                other.order_value[i],
                other.order_returned[i],
                other.order_until[i],
                other.order_flags[i],
            )
    if other.order_before_first != 0:
        _extend_before(into, other.order_before_first, other.order_before_last)
        into.order_before_count += other.order_before_count
        into.order_before_value = min(into.order_before_value + other.order_before_value, MOST)


@kernel
def _add(row, order, at, value, returned, until, flags):
    """Join one order, or what is known of it, with those of `row`."""
    i = _same(row, order, at, until)
    while i >= 0:
        order = max(order, row.order_id[i])
        value = _joined_value(row, i, order, at, value, until, flags)
        at = _joined_at(row, i, at, flags)
        returned = min(returned + row.order_returned[i], MOST)
        until, flags = max(until, row.order_until[i]), flags | row.order_flags[i]
        _take_out(row, i)
        i = _same(row, order, at, until) if order == 0 else -1  # it may have joined two
    _insert(row, order, at, value, returned, until, flags)


@kernel
def _same(row, order, at, until):
    """The place of the same order, -1 for none. Of those without an id: that of lines close to it."""
    for i in range(ORDERS):
        if row.order_at[i] == 0:
            return -1
        if is_one_id(row.order_id[i], order):
            near = row.order_at[i] <= until + ORDER_LINES_MS and at <= row.order_until[i] + ORDER_LINES_MS
            if order != 0 or near:
                return i
    return -1


@kernel
def _joined_value(row, i, order, at, value, until, flags):
    mine, others = flags & (COMPLETED | UPDATED), row.order_flags[i] & (COMPLETED | UPDATED)
    if order == 0:
        return min(value + row.order_value[i], MOST)
    if mine & UPDATED or others & UPDATED:
        if mine & UPDATED and others & UPDATED and until == row.order_until[i]:
            return max(value, row.order_value[i])
        newer = mine & UPDATED and (others & UPDATED == 0 or until > row.order_until[i])
        return value if newer else row.order_value[i]
    if mine == others:
        if mine == 0 or at == row.order_at[i]:
            return max(value, row.order_value[i])
        return value if at < row.order_at[i] else row.order_value[i]
    return value if mine else row.order_value[i]


@kernel
def _joined_at(row, i, at, flags):
    """When it was ordered, the first time; else when it was first corrected."""
    mine, others = flags & COMPLETED, row.order_flags[i] & COMPLETED
    if mine == others:
        return min(at, row.order_at[i])
    return at if mine else row.order_at[i]


@kernel
def _insert(row, order, at, value, returned, until, flags):
    if row.order_at[ORDERS - 1] != 0:
        if at < row.order_at[0] or (at == row.order_at[0] and order < row.order_id[0]):
            swap = row.order_at[0], row.order_id[0], row.order_value[0], row.order_returned[0], row.order_until[0]
            kept = row.order_flags[0]
            _write(row, 0, order, at, value, returned, until, flags)
            at, order, value, returned, until = swap
            flags = kept
        _retire(row)
        _take_out(row, 0)
    place = 0
    while row.order_at[place] != 0 and (
        row.order_at[place] < at or (row.order_at[place] == at and row.order_id[place] < order)
    ):
        place += 1
    for i in range(ORDERS - 1, place, -1):
        _copy(row, i - 1, i)
    _write(row, place, order, at, value, returned, until, flags)


@kernel
def _retire(row):
    """Add the oldest order to those before."""
    if counts(row, 0):
        row.order_before_count += 1
        row.order_before_value = min(row.order_before_value + worth(row, 0), MOST)
        _extend_before(row, row.order_at[0], end_of(row, 0))
    elif is_unmatched(row, 0):  # of those that are all undone the times stay: the cart they made void stays so
        before = np.int64(row.order_before_count), row.order_before_value
        row.order_before_count, row.order_before_value = less_correction(row, 0, before[0], before[1])


@kernel
def _extend_before(row, first, last):
    if row.order_before_first == 0 or first < row.order_before_first:
        row.order_before_first = first
    row.order_before_last = max(row.order_before_last, last)


@kernel
def _take_out(row, place):
    for i in range(place, ORDERS - 1):
        _copy(row, i + 1, i)
    _write(row, ORDERS - 1, np.uint64(0), 0, 0, 0, 0, 0)


@kernel
def _copy(row, one, to):
    _write(
        row,
        to,
        row.order_id[one],
        row.order_at[one],
        row.order_value[one],
        row.order_returned[one],
        row.order_until[one],
        row.order_flags[one],
    )


@kernel
def _write(row, place, order, at, value, returned, until, flags):
    row.order_id[place] = order
    row.order_at[place] = at
    row.order_value[place] = value
    row.order_returned[place] = returned
    row.order_until[place] = until
    row.order_flags[place] = flags
