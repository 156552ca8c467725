"""One activity after another: how a session begins, goes on, and is rebuilt from the recent events."""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.activity import is_activity
from engine.kernels.groups.recent import at_of, kept, place_of, value_of
from engine.kernels.jit import kernel
from engine.kernels.row_limits import BURST_GAP_MS, BURST_VIEWS, SESSION_GAP_MS, SESSION_SET, U2_MAX, U4_MAX
from engine.kernels.wire import Kind

SAME_VIEW_MS = 1_000  # a page call and a product's event this close together are one view

SEARCHES_ALONE = 3  # from the third search in a row that leads to no item on, the customer struggles

PAIRED, PAGE, PRODUCT = 0, 1, 2  # the last view: both, or what has not met the other


@kernel
def go_on(row, at, kind, value, item, category):
    """Begin the next session, or go on with the present one, by an activity that follows all others."""
    if at - row.session_last > SESSION_GAP_MS:
        begin(row, at)
        row.session_number = min(np.int64(row.session_number) + 1, U4_MAX)
    row.session_pause_ms = max(np.int64(row.session_pause_ms), at - row.session_last)
    row.session_last = at
    row.session_events += 1
    if kind == Kind.PAGE_VIEWED or kind == Kind.ITEM_VIEWED or kind == Kind.LIST_VIEWED:
        _view(row, at, PAGE if kind == Kind.PAGE_VIEWED else PRODUCT)
    if kind == Kind.ITEM_VIEWED:
        row.session_items += 1
        row.session_searches_alone = 0
        row.session_max_price = max(row.session_max_price, value)
        add_category(row, category, 1)
        add_item(row, item)
    elif kind == Kind.SEARCHED:
        row.session_searches = min(row.session_searches + 1, U2_MAX)
        row.session_searches_alone = min(row.session_searches_alone + 1, U2_MAX)
        if row.session_searches_alone >= SEARCHES_ALONE:
            row.session_struggled_at = at
    elif kind == Kind.REVIEW_READ:
        row.session_reviews = min(row.session_reviews + 1, U2_MAX)
    elif kind == Kind.CART_ADDED:
        row.session_cart_adds = min(row.session_cart_adds + 1, U2_MAX)


@kernel
def begin(row, at):
    row.session_started = row.session_last = at
    row.session_view_at = row.session_struggled_at = row.session_max_price = 0
    row.session_events = row.session_pages = row.session_items = 0
    row.session_pause_ms = 0
    row.session_burst_run = row.session_bursts = 0
    row.session_reviews = row.session_searches = row.session_searches_alone = row.session_cart_adds = 0
    row.session_view = PAIRED
    for i in range(row.session_category_count):
        row.session_category[i] = 0
        row.session_category_views[i] = 0
    for i in range(row.session_item_count):
        row.session_item[i] = 0
    row.session_category_count = row.session_item_count = 0


@kernel
def _view(row, at, which):
    near = row.session_view_at != 0 and at - row.session_view_at <= BURST_GAP_MS
    if near and row.session_view == PAGE + PRODUCT - which and at - row.session_view_at <= SAME_VIEW_MS:
        row.session_view = PAIRED
        return
    row.session_pages += 1
    row.session_burst_run = min(row.session_burst_run + 1, U2_MAX) if near else 1
    if row.session_burst_run >= BURST_VIEWS:
        row.session_struggled_at = at
    if row.session_burst_run == BURST_VIEWS:
        row.session_bursts = min(row.session_bursts + 1, U2_MAX)
    row.session_view_at = at
    row.session_view = which


@kernel
def add_category(row, category, views):
    if category == 0:
        return
    known = row.session_category_count
    for i in range(known):
        if row.session_category[i] == category:
            row.session_category_views[i] = capped_sum(row.session_category_views[i], views, U2_MAX)
            return
    if known < SESSION_SET:
        row.session_category[known] = category
        row.session_category_views[known] = views
        row.session_category_count = known + 1


@kernel
def add_item(row, item):
    if item == 0:
        return
    known = row.session_item_count
    for i in range(known):
        if row.session_item[i] == item:
            return
    if known < SESSION_SET:
        row.session_item[known] = item
        row.session_item_count = known + 1


@kernel
def beginning(row):
    """The rank among the recent events at which the session of the newest activity began; -1: before them."""
    first, later = -1, np.int64(0)
    for rank in range(kept(row) - 1, -1, -1):
        place = place_of(row, rank)
        if not is_activity(row.recent_kind[place]):
            continue
        at = at_of(row, place)
        if first >= 0 and later - at > SESSION_GAP_MS:
            return first
        first, later = rank, at
    return first if later - row.recent_left_at > SESSION_GAP_MS else -1


@kernel
def rebuild(row, first):
    """The session from the recent events, of which number `first` began it."""
    begin(row, at_of(row, place_of(row, first)))
    for rank in range(first, kept(row)):
        place = place_of(row, rank)
        kind = np.int64(row.recent_kind[place])
        if is_activity(kind):
            value, item, category = value_of(row, place), row.recent_item[place], row.recent_category[place]
            go_on(row, at_of(row, place), kind, value, item, category)


@kernel
def capped_sum(one, other, most):
    return min(np.int64(one) + np.int64(other), most)
