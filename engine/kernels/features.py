"""Features: the named numbers a rule can ask for, read from a row at a moment.

`read` fills one value for each entry of `engine.kernels.catalogue`, at its place there (`INDEX`).
A feature that has no value (no purchase yet, say) is NaN, so every comparison with it is false.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.catalogue import FIRST_WINDOW, INDEX
from engine.kernels.elapsed import since
from engine.kernels.jit import kernel
from engine.kernels.row_limits import SESSION_GAP_MS
from engine.kernels.units import DAY, HOUR, SECOND
from engine.kernels.windows import RINGS, reading, reading_wanted

read_windows = reading(RINGS, FIRST_WINDOW)
read_wanted_windows = reading_wanted(RINGS, FIRST_WINDOW)


@kernel
def read(row, now, out):
    """Fill `out` (float64, `catalogue.FEATURES` long) with the features of `row` at `now` (epoch ms)."""
    _all_but_windows(row, now, out)
    read_windows(row, now, out)


@kernel
def read_wanted(row, now, wanted, out):
    """`read`, but a window that `wanted` (bool, as long as `out`) has not is 0: to sum those is most of `read`."""
    _all_but_windows(row, now, out)
    read_wanted_windows(row, now, wanted, out)


@kernel
def _all_but_windows(row, now, out):
    out[:] = 0.0
    if row.session_started != 0 and now - row.session_last <= SESSION_GAP_MS:
        _session(row, out)
    out[INDEX.session_number] = row.session_number
    out[INDEX.idle_seconds] = since(row.last_at, now, SECOND)
    out[INDEX.cart_items] = row.cart_items
    out[INDEX.cart_value] = row.cart_value
    out[INDEX.cart_idle_seconds] = since(row.cart_changed, now, SECOND)
    _purchases(row, now, out)
    out[INDEX.contact_count] = row.contacts
    out[INDEX.contact_open] = row.contact_open
    out[INDEX.contact_hours_since] = since(max(row.contact_started, row.contact_ended), now, HOUR)
    out[INDEX.contact_hours_between] = np.nan
    if row.contact_previous != 0:
        out[INDEX.contact_hours_between] = (row.contact_started - row.contact_previous) / HOUR
    out[INDEX.customer_events] = row.events
    out[INDEX.customer_days_known] = since(row.first_at, now, DAY)
    out[INDEX.now_hour] = now // HOUR % 24
    out[INDEX.now_weekday] = (now // DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0


@kernel
def _session(row, out):
    out[INDEX.session_seconds] = (row.session_last - row.session_started) / SECOND
    out[INDEX.session_events] = row.session_events
    out[INDEX.session_pages] = row.session_pages
    out[INDEX.session_items] = row.session_items
    out[INDEX.session_distinct_items] = row.session_item_count
    out[INDEX.session_categories] = row.session_category_count
    top = 0
    for i in range(row.session_category_count):
        top = max(top, row.session_category_views[i])
    out[INDEX.session_top_category_views] = top
    out[INDEX.session_bursts] = row.session_bursts
    out[INDEX.session_longest_pause] = row.session_pause_ms / SECOND
    out[INDEX.session_reviews] = row.session_reviews
    out[INDEX.session_searches] = row.session_searches
    out[INDEX.session_searches_alone] = row.session_searches_alone
    out[INDEX.session_cart_adds] = row.session_cart_adds
    out[INDEX.session_max_price] = row.session_max_price


@kernel
def _purchases(row, now, out):
    out[INDEX.purchases_count] = row.purchases
    out[INDEX.purchases_value] = row.purchase_value
    out[INDEX.purchases_mean_value] = row.purchase_value / row.purchases if row.purchases > 0 else np.nan
    out[INDEX.purchases_days_since] = since(row.purchase_last, now, DAY)
    out[INDEX.purchases_gap_mean] = row.purchase_gap_mean if row.purchase_gaps > 0 else np.nan
    spread = np.nan  # sample standard deviation
    if row.purchase_gaps > 1:
        spread = np.sqrt(row.purchase_gap_m2 / (row.purchase_gaps - 1))
    out[INDEX.purchases_gap_spread] = spread


@kernel
def read_many(rows, now, out):
    """`read` for each of `rows` (N) at its own `now` (int64, N) into `out` (float64, N x FEATURES)."""
    for i in range(rows.shape[0]):
        read(rows[i], now[i], out[i])
