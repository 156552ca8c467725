"""What follows from the state of each order that is kept: whether it counts, what it is worth, when it was."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel

ORDERS = 12  # that are kept each for itself

COMPLETED, UPDATED, UNDONE = 1, 2, 4  # flags: it was announced; its total changed; cancelled, or all given back


@kernel
def newest_order(row):
    """When the customer last ordered (epoch ms, 0 for never), whatever became of it."""
    newest = row.order_before_last
    for i in range(ORDERS):
        if row.order_flags[i] & COMPLETED:
            newest = max(newest, end_of(row, i))
    return newest


@kernel
def counts(row, i):
    """Whether the order in place `i` is one: announced, and neither cancelled nor given back."""
    flags, value = row.order_flags[i], row.order_value[i]
    if flags & COMPLETED == 0 or flags & UNDONE != 0:
        return False
    return value == 0 or row.order_returned[i] < value


@kernel
def worth(row, i):
    """In hundredths, less what was given back."""
    return max(row.order_value[i] - row.order_returned[i], 0)


@kernel
def end_of(row, i):
    """When it was ordered (epoch ms); without an id, its last line."""
    return row.order_at[i] if row.order_id[i] != 0 else row.order_until[i]


@kernel
def is_unmatched(row, i):
    """Whether place `i` has a correction whose order is not kept."""
    return row.order_flags[i] & COMPLETED == 0


@kernel
def less_correction(row, i, count, value):
    """(how many, hundredths) of older orders, without what the unmatched correction in place `i` takes from them.
    Of an order cancelled by its id alone nobody knows the worth any more: it is the mean of them."""
    if count == 0:
        return count, value
    taken = row.order_returned[i]
    if row.order_flags[i] & UNDONE:
        taken = max(taken, row.order_value[i] if row.order_value[i] > 0 else value // count)
        count -= 1
    return count, max(value - taken, 0) if count > 0 else np.int64(0)


@kernel
def older(row):
    """(how many, hundredths) of the orders before those kept, less what corrects some of them."""
    count, value = np.int64(row.order_before_count), row.order_before_value
    for i in range(ORDERS):
        if count > 0 and row.order_at[i] != 0 and is_unmatched(row, i):
            count, value = less_correction(row, i, count, value)
    return count, value
