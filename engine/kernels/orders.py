"""Completed orders: how many, their value, and the rhythm in which they come."""

from __future__ import annotations

from engine.kernels.cart import empty_cart
from engine.kernels.jit import kernel
from engine.kernels.row_limits import ORDER_LINES_MS
from engine.kernels.units import DAY


@kernel
def apply_order(row, event):
    """Count a completed order. The last one repeated counts nothing; orders without an id that come within
    `ORDER_LINES_MS` are lines of one."""
    at = event.at
    if event.order != 0 and event.order == row.purchase_order:
        return
    row.purchase_value += event.value
    empty_cart(row, at)
    line = event.order == 0 and row.purchase_order == 0
    row.purchase_order = event.order
    if line and row.purchases > 0 and abs(at - row.purchase_last) <= ORDER_LINES_MS:
        row.purchase_last = max(row.purchase_last, at)
        return
    if row.purchases > 0 and at > row.purchase_last:
        _add_gap(row, (at - row.purchase_last) / DAY)
    row.purchases += 1
    if row.purchase_first == 0 or at < row.purchase_first:
        row.purchase_first = at
    row.purchase_last = max(row.purchase_last, at)


@kernel
def _add_gap(row, days):
    """Mean and spread of the gaps between orders by Welford's method (Technometrics 4, 1962)."""
    row.purchase_gaps += 1
    delta = days - row.purchase_gap_mean
    row.purchase_gap_mean += delta / row.purchase_gaps
    row.purchase_gap_m2 += delta * (days - row.purchase_gap_mean)
