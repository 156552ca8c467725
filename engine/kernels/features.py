"""Features: the named numbers a rule can ask for, read from a row at a moment.

`read` fills one value per feature. The index constants are the order of the vector and the only
link to the catalogue (`engine.state.catalogue`), which gives each its public name, unit and meaning.
A feature that has no value (no purchase yet, say) is NaN, so every comparison with it is false.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel
from engine.kernels.row import (
    PANES_1D,
    PANES_1H,
    PANES_5M,
    PANES_30S,
    SESSION_GAP_MS,
)

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

SESSION_SECONDS = 0
SESSION_EVENTS = 1
SESSION_PAGES = 2
SESSION_ITEMS = 3
SESSION_DISTINCT_ITEMS = 4
SESSION_CATEGORIES = 5
SESSION_TOP_CATEGORY_VIEWS = 6
SESSION_BURSTS = 7
SESSION_LONGEST_PAUSE = 8
SESSION_REVIEWS = 9
SESSION_SEARCHES = 10
SESSION_SEARCHES_ALONE = 11
SESSION_CART_ADDS = 12
SESSION_MAX_PRICE = 13
SESSION_NUMBER = 14
IDLE_SECONDS = 15
COUNT_5M = 16
COUNT_1H = 17
COUNT_24H = 18
COUNT_7D = 19
COUNT_30D = 20
CART_ITEMS = 21
CART_VALUE = 22
CART_IDLE_SECONDS = 23
PURCHASES_COUNT = 24
PURCHASES_VALUE = 25
PURCHASES_MEAN_VALUE = 26
PURCHASES_DAYS_SINCE = 27
PURCHASES_GAP_MEAN = 28
PURCHASES_GAP_SPREAD = 29
CONTACT_COUNT = 30
CONTACT_OPEN = 31
CONTACT_HOURS_SINCE = 32
CONTACT_HOURS_BETWEEN = 33
CUSTOMER_EVENTS = 34
CUSTOMER_DAYS_KNOWN = 35
NOW_HOUR = 36
NOW_WEEKDAY = 37
FEATURES = 38


@kernel
def window(panes, newest, width_ms, length, now):
    """Sum of the last `length` panes as of `now`; panes past `newest` are empty, older ones have left."""
    size = panes.shape[0]
    current = now // width_ms
    oldest = max(current - length + 1, newest - size + 1)
    count = min(current, newest) - oldest + 1
    if count <= 0:
        return 0
    # two straight runs instead of a modulo per pane: 83 divisions an event were most of this kernel
    first = oldest % size
    total = 0
    for i in range(first, min(first + count, size)):
        total += panes[i]
    for i in range(first + count - size):
        total += panes[i]
    return total


@kernel
def since(at, now, unit):
    """Time from `at` to `now` in `unit` ms; NaN for never. Not below 0 (an event may lie ahead of now)."""
    if at == 0:
        return np.nan
    return max(now - at, 0) / unit


@kernel
def read(row, now, out):
    """Fill `out` (float64, `FEATURES` long) with the features of `row` at `now` (epoch ms)."""
    out[:] = 0.0
    if row.session_started != 0 and now - row.session_last <= SESSION_GAP_MS:
        _session(row, out)
    out[SESSION_NUMBER] = row.session_number
    out[IDLE_SECONDS] = since(row.last_at, now, SECOND)
    out[COUNT_5M] = window(row.pane_30s, row.pane_30s_newest, 30 * SECOND, PANES_30S, now)
    out[COUNT_1H] = window(row.pane_5m, row.pane_5m_newest, 5 * MINUTE, PANES_5M, now)
    out[COUNT_24H] = window(row.pane_1h, row.pane_1h_newest, HOUR, PANES_1H, now)
    out[COUNT_7D] = window(row.pane_1d, row.pane_1d_newest, DAY, 7, now)
    out[COUNT_30D] = window(row.pane_1d, row.pane_1d_newest, DAY, PANES_1D, now)
    out[CART_ITEMS] = row.cart_items
    out[CART_VALUE] = row.cart_value
    out[CART_IDLE_SECONDS] = since(row.cart_changed, now, SECOND)
    _purchases(row, now, out)
    out[CONTACT_COUNT] = row.contacts
    out[CONTACT_OPEN] = row.contact_open
    out[CONTACT_HOURS_SINCE] = since(max(row.contact_started, row.contact_ended), now, HOUR)
    out[CONTACT_HOURS_BETWEEN] = np.nan
    if row.contact_previous != 0:
        out[CONTACT_HOURS_BETWEEN] = (row.contact_started - row.contact_previous) / HOUR
    out[CUSTOMER_EVENTS] = row.events
    out[CUSTOMER_DAYS_KNOWN] = since(row.first_at, now, DAY)
    out[NOW_HOUR] = now // HOUR % 24
    out[NOW_WEEKDAY] = (now // DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0


@kernel
def _session(row, out):
    out[SESSION_SECONDS] = (row.session_last - row.session_started) / SECOND
    out[SESSION_EVENTS] = row.session_events
    out[SESSION_PAGES] = row.session_pages
    out[SESSION_ITEMS] = row.session_items
    out[SESSION_DISTINCT_ITEMS] = row.session_item_count
    out[SESSION_CATEGORIES] = row.session_category_count
    top = 0
    for i in range(row.session_category_count):
        top = max(top, row.session_category_views[i])
    out[SESSION_TOP_CATEGORY_VIEWS] = top
    out[SESSION_BURSTS] = row.session_bursts
    out[SESSION_LONGEST_PAUSE] = row.session_pause_ms / SECOND
    out[SESSION_REVIEWS] = row.session_reviews
    out[SESSION_SEARCHES] = row.session_searches
    out[SESSION_SEARCHES_ALONE] = row.session_searches_alone
    out[SESSION_CART_ADDS] = row.session_cart_adds
    out[SESSION_MAX_PRICE] = row.session_max_price


@kernel
def _purchases(row, now, out):
    out[PURCHASES_COUNT] = row.purchases
    out[PURCHASES_VALUE] = row.purchase_value
    out[PURCHASES_MEAN_VALUE] = row.purchase_value / row.purchases if row.purchases > 0 else np.nan
    out[PURCHASES_DAYS_SINCE] = since(row.purchase_last, now, DAY)
    out[PURCHASES_GAP_MEAN] = row.purchase_gap_mean if row.purchase_gaps > 0 else np.nan
    spread = np.nan  # sample standard deviation
    if row.purchase_gaps > 1:
        spread = np.sqrt(row.purchase_gap_m2 / (row.purchase_gaps - 1))
    out[PURCHASES_GAP_SPREAD] = spread


@kernel
def read_many(rows, now, out):
    """`read` for each of `rows` (N) at its own `now` (int64, N) into `out` (float64, N x FEATURES)."""
    for i in range(rows.shape[0]):
        read(rows[i], now[i], out[i])
