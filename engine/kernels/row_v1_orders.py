"""What becomes of the orders of a row of version 1: a count, a sum, the last, and their rhythm."""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.order_state import COMPLETED, ORDERS
from engine.kernels.groups.recent import RECENT
from engine.kernels.jit import kernel
from engine.kernels.money import hundredths
from engine.kernels.units import DAY, SECOND
from engine.kernels.wire import EARLIEST_S, Kind


@kernel
def upgrade_orders(old, row):
    """The last as it was; before it as many as give the same rhythm, and the others as of long ago."""
    count, value = np.int64(old.purchases), hundredths(old.purchase_value)
    if count == 0:
        return
    gaps = np.int64(min(old.purchase_gaps, ORDERS - 1))
    last = min(_last_value(old, value // count), value)
    each = (value - last) // (count - 1) if count > 1 else np.int64(0)
    row.order_before_count, row.order_before_value = count - 1 - gaps, value - last - each * gaps
    if count > gaps + 1:
        row.order_before_first = row.order_before_last = old.purchase_first
    spread, at = _spread(old, gaps), old.purchase_last
    for i in range(gaps, -1, -1):
        row.order_at[i] = row.order_until[i] = at
        row.order_value[i], row.order_flags[i] = last if i == gaps else each, COMPLETED
        apart = 0.0 if gaps % 2 == 1 and i == 1 else (spread if i % 2 == 0 else -spread)
        at -= np.int64((old.purchase_gap_mean + apart) * DAY)
    if old.purchase_order != 0 and not _came_late(old):
        row.order_id[gaps], row.order_until[gaps] = np.uint64(old.purchase_order) << np.uint64(32), 0


@kernel
def _spread(old, gaps):
    """How far `gaps` are to be from their mean, longer and shorter in turn, to have the spread they had."""
    spread = np.sqrt(old.purchase_gap_m2 / (old.purchase_gaps - 1)) if old.purchase_gaps > 1 else 0.0
    if gaps % 2 == 0 and gaps > 0:
        spread *= np.sqrt((gaps - 1) / gaps)
    return min(spread, 0.9 * old.purchase_gap_mean)


@kernel
def _last_value(old, otherwise):
    """What the newest order is worth, where its event is among the last 32."""
    newest, value = old.purchase_last // SECOND - EARLIEST_S, otherwise
    for i in range(RECENT):
        if old.ring_kind[i] == Kind.ORDER_COMPLETED and np.int64(old.ring_at[i]) == newest:
            value = hundredths(np.float64(old.ring_value[i]))
    return value


@kernel
def _came_late(old):
    """Whether the order whose id is known, which came in last, is not the newest, as far as the last 32 events
    show."""
    for back in range(1, RECENT + 1):
        place = (np.int64(old.ring_next) + RECENT - back) % RECENT
        if old.ring_kind[place] == Kind.ORDER_COMPLETED:
            return np.int64(old.ring_at[place]) < old.purchase_last // SECOND - EARLIEST_S
    return False
