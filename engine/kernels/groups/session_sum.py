"""Two sessions that cannot be rebuilt, as one: the one that goes on, or the sum of both."""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.session_steps import add_category, add_item, begin, capped_sum
from engine.kernels.jit import kernel
from engine.kernels.row_limits import SESSION_GAP_MS, U2_MAX, U4_MAX


@kernel
def is_over(row, other):
    """Whether the session of `row` was over when that of `other` began; one that never was is."""
    return row.session_last == 0 or (
        other.session_last != 0 and other.session_started - row.session_last > SESSION_GAP_MS
    )


@kernel
def take(into, other):
    """The session of `other` in place of one that is over."""
    begin(into, other.session_started)
    into.session_last = other.session_last
    _add_counts(into, other)
    into.session_searches_alone = other.session_searches_alone
    into.session_pause_ms = other.session_pause_ms
    _take_views(into, other)


@kernel
def add(into, other):
    """The sum of two sessions that touch, and began before the recent events."""
    pause = max(into.session_started - other.session_last, other.session_started - into.session_last)
    pause = max(pause, np.int64(into.session_pause_ms))
    into.session_pause_ms = max(pause, np.int64(other.session_pause_ms))
    earlier, later = np.int64(into.session_searches_alone), np.int64(other.session_searches_alone)
    other_items = other.session_items
    if other.session_last < into.session_last:
        earlier, later, other_items = later, earlier, into.session_items
    into.session_searches_alone = min(later + earlier if other_items == 0 else later, U2_MAX)
    _add_counts(into, other)
    if other.session_view_at > into.session_view_at:
        _take_views(into, other)
    into.session_started = min(into.session_started, other.session_started)
    into.session_last = max(into.session_last, other.session_last)


@kernel
def _add_counts(into, other):
    into.session_events = capped_sum(into.session_events, other.session_events, U4_MAX)
    into.session_pages = capped_sum(into.session_pages, other.session_pages, U4_MAX)
    into.session_items = capped_sum(into.session_items, other.session_items, U4_MAX)
    into.session_bursts = capped_sum(into.session_bursts, other.session_bursts, U2_MAX)
    into.session_reviews = capped_sum(into.session_reviews, other.session_reviews, U2_MAX)
    into.session_searches = capped_sum(into.session_searches, other.session_searches, U2_MAX)
    into.session_cart_adds = capped_sum(into.session_cart_adds, other.session_cart_adds, U2_MAX)
    into.session_max_price = max(into.session_max_price, other.session_max_price)
    into.session_struggled_at = max(into.session_struggled_at, other.session_struggled_at)
    for i in range(other.session_category_count):
        add_category(into, other.session_category[i], other.session_category_views[i])
    for i in range(other.session_item_count):
        add_item(into, other.session_item[i])


@kernel
def _take_views(into, other):
    into.session_view_at = other.session_view_at
    into.session_view = other.session_view
    into.session_burst_run = other.session_burst_run
