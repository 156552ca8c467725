"""Features of orders: how many count, their value, and the rhythm of the newest."""

from __future__ import annotations

import numpy as np

from engine.kernels.elapsed import since
from engine.kernels.entry import Entry
from engine.kernels.groups.order_state import ORDERS, counts, end_of, older, worth
from engine.kernels.jit import kernel
from engine.kernels.money import currency
from engine.kernels.units import DAY

ENTRIES = (
    Entry("purchases.count", "", "completed orders, without those cancelled or given back"),
    Entry("purchases.value", "currency", "value of all completed orders, less what was given back"),
    Entry("purchases.mean_value", "currency", "mean value of an order"),
    Entry("purchases.days_since", "d", "time since the last order", DAY),
    Entry("purchases.gap_mean", "d", f"mean time between the last {ORDERS} orders (two or more)"),
    Entry("purchases.gap_spread", "d", "standard deviation of the time between those (three or more)"),
    Entry(
        "purchases.regularity",
        "",
        "how regular the orders come: gap_mean / (gap_mean + gap_spread), 1 as a clock does, about 0.5 by chance",
    ),
)


@kernel
def read_order(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    count, value = older(row)
    last = row.order_before_last if count > 0 else np.int64(0)
    kept, first_kept, last_kept = 0, np.int64(0), np.int64(0)
    for i in range(ORDERS):
        if row.order_at[i] == 0:
            break
        if counts(row, i):
            if kept == 0:
                first_kept = row.order_at[i]
            kept, last_kept = kept + 1, row.order_at[i]
            count, value, last = count + 1, value + worth(row, i), max(last, end_of(row, i))
    out[index.purchases_count] = count
    out[index.purchases_value] = currency(value)
    out[index.purchases_mean_value] = currency(value) / count if count > 0 else np.nan
    out[index.purchases_days_since] = since(last, now, DAY)
    mean = (last_kept - first_kept) / (kept - 1) / DAY if kept > 1 else np.nan
    spread = _spread(row, mean, kept)
    out[index.purchases_gap_mean] = mean
    out[index.purchases_gap_spread] = spread
    out[index.purchases_regularity] = mean / (mean + spread)  # NaN for fewer than three, or all of one instant


@kernel
def _spread(row, mean, kept):
    """The sample standard deviation of the gaps between the `kept` orders that count, in days."""
    if kept < 3:
        return np.nan
    before, squares = np.int64(0), 0.0
    for i in range(ORDERS):
        if row.order_at[i] != 0 and counts(row, i):
            if before != 0:
                squares += ((row.order_at[i] - before) / DAY - mean) ** 2
            before = row.order_at[i]
    return np.sqrt(squares / (kept - 2))
