"""What follows from the state of each order that is kept: whether it counts, what it is worth, when it was."""

from __future__ import annotations

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
def undoes(row, i):
    """How many orders a correction without its order takes from the older ones."""
    return 1 if row.order_flags[i] & UNDONE else 0


@kernel
def withdraws(row, i):
    """What such a correction takes from their value."""
    cancelled = row.order_value[i] if row.order_flags[i] & UPDATED == 0 else 0
    return max(cancelled, row.order_returned[i])
