"""The session: what a customer does without a pause of more than `SESSION_GAP_MS`.

A late event adds to the session it falls into and resets nothing; one from before it counts as late only.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel
from engine.kernels.row_limits import BURST_GAP_MS, BURST_VIEWS, SESSION_GAP_MS, SESSION_SET, U2_MAX
from engine.kernels.wire import Kind


@kernel
def apply_to_session(row, event):
    """Begin the next session of `row`, or go on with the present one, by an event of any kind."""
    at = event.at
    if row.session_started != 0 and at < row.session_started:
        row.late += 1
        return
    if row.session_started == 0 or at - row.session_last > SESSION_GAP_MS:
        _begin(row, at)
    elif at > row.session_last:
        row.session_pause_ms = max(np.int64(row.session_pause_ms), at - row.session_last)
    row.session_last = max(row.session_last, at)
    row.session_events += 1
    kind = event.kind
    if kind == Kind.PAGE_VIEWED or kind == Kind.ITEM_VIEWED or kind == Kind.LIST_VIEWED:
        row.session_pages += 1
        _burst(row, at)
    if kind == Kind.ITEM_VIEWED:
        row.session_items += 1
        if at == row.session_last:
            row.session_searches_alone = 0
        row.session_max_price = max(row.session_max_price, event.value)
        _category(row, event.category)
        _item(row, event.item)
    elif kind == Kind.SEARCHED:
        row.session_searches = min(row.session_searches + 1, U2_MAX)
        row.session_searches_alone = min(row.session_searches_alone + 1, U2_MAX)
    elif kind == Kind.REVIEW_READ:
        row.session_reviews = min(row.session_reviews + 1, U2_MAX)
    elif kind == Kind.CART_ADDED:
        row.session_cart_adds = min(row.session_cart_adds + 1, U2_MAX)


@kernel
def _begin(row, at):
    row.session_number += 1
    row.session_started = at
    row.session_last = at
    row.session_last_view = 0
    row.session_events = 0
    row.session_pages = 0
    row.session_items = 0
    row.session_pause_ms = 0
    row.session_burst_run = 0
    row.session_bursts = 0
    row.session_reviews = 0
    row.session_searches = 0
    row.session_searches_alone = 0
    row.session_cart_adds = 0
    row.session_max_price = 0.0
    row.session_category_count = 0
    row.session_item_count = 0
    row.session_category[:] = 0
    row.session_category_views[:] = 0
    row.session_item[:] = 0


@kernel
def _burst(row, at):
    if at < row.session_last_view - BURST_GAP_MS:
        return
    near = row.session_last_view != 0 and abs(at - row.session_last_view) <= BURST_GAP_MS
    row.session_burst_run = min(row.session_burst_run + 1, U2_MAX) if near else 1
    if near and row.session_burst_run == BURST_VIEWS:
        row.session_bursts = min(row.session_bursts + 1, U2_MAX)
    row.session_last_view = max(row.session_last_view, at)


@kernel
def _category(row, category):
    if category == 0:
        return
    known = row.session_category_count
    for i in range(known):
        if row.session_category[i] == category:
            row.session_category_views[i] = min(row.session_category_views[i] + 1, U2_MAX)
            return
    if known < SESSION_SET:
        row.session_category[known] = category
        row.session_category_views[known] = 1
        row.session_category_count = known + 1


@kernel
def _item(row, item):
    if item == 0:
        return
    known = row.session_item_count
    for i in range(known):
        if row.session_item[i] == item:
            return
    if known < SESSION_SET:
        row.session_item[known] = item
        row.session_item_count = known + 1
