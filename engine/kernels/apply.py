"""What one event does to its customer's row. Times never run back: late events add, and reset nothing."""

from __future__ import annotations

import numpy as np

from engine.kernels.features import DAY, HOUR, MINUTE, SECOND
from engine.kernels.jit import kernel
from engine.kernels.row import (
    BURST_GAP_MS,
    BURST_VIEWS,
    ORDER_LINES_MS,
    RECENT_IDS,
    RING,
    RING_EPOCH_S,
    SESSION_GAP_MS,
    SESSION_SET,
    VERSION,
)
from engine.kernels.wire import Kind

U2 = 0xFFFF
U4 = 0xFFFFFFFF


@kernel
def seen(row, identity):
    """Whether `identity` is among the last `RECENT_IDS` applied ids; remembers it when it is not."""
    for i in range(RECENT_IDS):
        if row.recent_id[i] == identity:
            return True
    row.recent_id[row.id_next] = identity
    row.id_next = (row.id_next + 1) % RECENT_IDS
    return False


@kernel
def count(panes, newest, width_ms, at):
    """Count one event at `at` in a ring of panes; returns the newest pane's number."""
    size = panes.shape[0]
    pane = at // width_ms
    if pane > newest:
        if pane - newest >= size:
            panes[:] = 0
        else:
            for empty in range(newest + 1, pane + 1):
                panes[empty % size] = 0
        newest = pane
    if pane > newest - size and panes[pane % size] < U2:
        panes[pane % size] += 1
    return newest


@kernel
def apply(row, event):
    """Change `row` (one `ROW`) by `event` (one `decode.COLUMNS` record)."""
    at = event.at
    row.version = VERSION
    if row.first_at == 0 or at < row.first_at:
        row.first_at = at
    row.last_at = max(row.last_at, at)
    row.events += 1
    row.pane_30s_newest = count(row.pane_30s, row.pane_30s_newest, 30 * SECOND, at)
    row.pane_5m_newest = count(row.pane_5m, row.pane_5m_newest, 5 * MINUTE, at)
    row.pane_1h_newest = count(row.pane_1h, row.pane_1h_newest, HOUR, at)
    row.pane_1d_newest = count(row.pane_1d, row.pane_1d_newest, DAY, at)
    _session(row, event)
    if event.kind == Kind.CART_ADDED or event.kind == Kind.CART_REMOVED:
        _cart(row, event)
    elif event.kind == Kind.ORDER_COMPLETED:
        _order(row, event)
    elif event.kind >= Kind.CONTACT_STARTED:
        _contact(row, event.kind, at)
    _remember(row, event)


@kernel
def _session(row, event):
    at = event.at
    if row.session_started != 0 and at < row.session_started:
        row.late += 1
        return
    if row.session_started == 0 or at - row.session_last > SESSION_GAP_MS:
        _begin_session(row, at)
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
        row.session_searches = min(row.session_searches + 1, U2)
        row.session_searches_alone = min(row.session_searches_alone + 1, U2)
    elif kind == Kind.REVIEW_READ:
        row.session_reviews = min(row.session_reviews + 1, U2)
    elif kind == Kind.CART_ADDED:
        row.session_cart_adds = min(row.session_cart_adds + 1, U2)


@kernel
def _begin_session(row, at):
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
    row.session_burst_run = min(row.session_burst_run + 1, U2) if near else 1
    if near and row.session_burst_run == BURST_VIEWS:
        row.session_bursts = min(row.session_bursts + 1, U2)
    row.session_last_view = max(row.session_last_view, at)


@kernel
def _category(row, category):
    if category == 0:
        return
    known = row.session_category_count
    for i in range(known):
        if row.session_category[i] == category:
            row.session_category_views[i] = min(row.session_category_views[i] + 1, U2)
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


@kernel
def _cart(row, event):
    if event.at < row.purchase_last:
        return  # it was ordered since, or thrown away
    # int64: numba makes unsigned 64-bit and signed operands a float
    pieces, held = np.int64(event.quantity), np.int64(row.cart_items)
    if event.kind == Kind.CART_ADDED:
        row.cart_items = min(held + pieces, U4)
        row.cart_value += event.value * pieces
    elif pieces >= held:
        row.cart_items = 0
        row.cart_value = 0.0
    else:
        row.cart_items = held - pieces
        row.cart_value = max(row.cart_value - event.value * pieces, 0.0)
    row.cart_changed = max(row.cart_changed, event.at)


@kernel
def _order(row, event):
    """Count an order; gaps between orders by Welford's method (Technometrics 4, 1962)."""
    at = event.at
    if event.order != 0 and event.order == row.purchase_order:
        return  # told again
    row.purchase_value += event.value
    if at >= row.cart_changed:  # what was added later is not in this order
        row.cart_items = 0
        row.cart_value = 0.0
        row.cart_changed = at
    line = event.order == 0 and row.purchase_order == 0
    row.purchase_order = event.order
    if line and row.purchases > 0 and abs(at - row.purchase_last) <= ORDER_LINES_MS:
        row.purchase_last = max(row.purchase_last, at)
        return
    if row.purchases > 0 and at > row.purchase_last:
        gap = (at - row.purchase_last) / DAY
        row.purchase_gaps += 1
        delta = gap - row.purchase_gap_mean
        row.purchase_gap_mean += delta / row.purchase_gaps
        row.purchase_gap_m2 += delta * (gap - row.purchase_gap_mean)
    row.purchases += 1
    if row.purchase_first == 0 or at < row.purchase_first:
        row.purchase_first = at
    row.purchase_last = max(row.purchase_last, at)


@kernel
def _contact(row, kind, at):
    if kind == Kind.CONTACT_STARTED:
        row.contacts += 1
        if at > row.contact_started:
            row.contact_previous = row.contact_started
            row.contact_started = at
            row.contact_open = 1 if at >= row.contact_ended else 0
    elif kind == Kind.CONTACT_ENDED:
        row.contact_ended = max(row.contact_ended, at)
        if at >= row.contact_started:
            row.contact_open = 0


@kernel
def _remember(row, event):
    place = row.ring_next
    row.ring_at[place] = event.at // SECOND - RING_EPOCH_S
    row.ring_item[place] = event.item
    row.ring_category[place] = event.category
    row.ring_value[place] = event.value
    row.ring_kind[place] = event.kind
    row.ring_next = (place + 1) % RING
