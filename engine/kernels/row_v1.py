"""Rows of version 1, which releases before identity wrote: their layout, and what their fields become.

`docs/upgrade.md` has the table for operators. Of the hashes of items, categories and orders these rows have the
upper halves. Those of items and categories stay in the timeline, whose words are known by them, and in the
session's sets, and nowhere else; that of the last order is known again (`groups.order_id`).
"""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.cart_contents import add_up
from engine.kernels.groups.contact_entry import ENDED, HEARD, STARTED, UNKNOWN, WENT_ON
from engine.kernels.groups.contact_starts import add_start
from engine.kernels.groups.order_state import newest_order
from engine.kernels.groups.recent import RECENT, insert
from engine.kernels.jit import kernel
from engine.kernels.money import hundredths
from engine.kernels.row_v1_counts import count_recent, count_windows
from engine.kernels.row_v1_orders import upgrade_orders
from engine.kernels.units import SECOND
from engine.kernels.wire import EARLIEST_S, Kind

OLD_VERSION = 1

#: (name, type, places): as it lay in memory, without padding.
OLD_ROW = np.dtype(
    [
        *((name, "u1") for name in ("version", "ring_next", "id_next", "session_category_count")),
        *((name, "u1") for name in ("session_item_count", "active_count", "contact_open", "provenance")),
        *((name, "i8") for name in ("first_at", "last_at", "silence_due")),
        *((f"pane_{name}_newest", "i8") for name in ("30s", "5m", "1h", "1d")),
        *((name, "i8") for name in ("session_started", "session_last", "session_last_view")),
        ("session_max_price", "f8"),
        ("cart_changed", "i8"),
        ("cart_value", "f8"),
        ("purchase_value", "f8"),
        ("purchase_first", "i8"),
        ("purchase_last", "i8"),
        ("purchase_gap_mean", "f8"),
        ("purchase_gap_m2", "f8"),
        *((name, "i8") for name in ("contact_started", "contact_previous", "contact_ended")),
        ("recent_id", "u8", (32,)),
        *((name, "u4") for name in ("events", "late", "session_number", "session_events", "session_pages")),
        *((name, "u4") for name in ("session_items", "session_pause_ms", "cart_items", "purchases")),
        *((name, "u4") for name in ("purchase_gaps", "contacts", "purchase_order", "silence_ms")),
        ("session_category", "u4", (16,)),
        ("session_item", "u4", (16,)),
        ("active", "u4", (24,)),
        ("ring_at", "u4", (32,)),
        ("ring_item", "u4", (32,)),
        ("ring_category", "u4", (32,)),
        ("ring_value", "f4", (32,)),
        ("pane_30s", "u2", (10,)),
        ("pane_5m", "u2", (12,)),
        ("pane_1h", "u2", (24,)),
        ("pane_1d", "u2", (30,)),
        *((name, "u2") for name in ("session_burst_run", "session_bursts", "session_reviews")),
        *((name, "u2") for name in ("session_searches", "session_searches_alone", "session_cart_adds")),
        ("session_category_views", "u2", (16,)),
        ("ring_kind", "u1", (32,)),
    ]
)

_ANONYMOUS, _SIGNED = 1, 2


@kernel
def upgrade(old, row):
    """Fill `row` (a blank `engine.kernels.row.ROW`) with what `old` (`OLD_ROW`) says."""
    row.active_count = old.active_count
    row.silence_due, row.silence_ms = old.silence_due, np.int64(old.silence_ms)
    for i in range(old.active_count):
        row.active[i] = old.active[i]
    full = old.recent_id[31] != 0
    row.message_total = np.int64(old.id_next) + (32 if full else 0)
    for i in range(32):
        row.message_id[i] = old.recent_id[i]
    _life(old, row)
    _recent(old, row)
    _session(old, row)
    count_recent(old, row)
    count_windows(old, row)
    upgrade_orders(old, row)
    _cart(old, row)
    _contacts(old, row)


@kernel
def _life(old, row):
    row.life_first_at, row.life_last_at = old.first_at, old.last_at
    if old.provenance & _ANONYMOUS:
        row.life_anonymous = old.events
    signed = old.provenance & _SIGNED and old.session_started != 0
    row.life_unsigned_at = old.session_started - 1 if signed else old.last_at


@kernel
def _recent(old, row):
    """Its 32 events in order of time, to the second. Of others before them nobody knows when the last was: not
    after the first of these."""
    first = np.int64(0)
    for i in range(RECENT):
        if old.ring_at[i] == 0:
            continue
        at = (np.int64(old.ring_at[i]) + EARLIEST_S) * SECOND
        first = at if first == 0 else min(first, at)
        value = hundredths(np.float64(old.ring_value[i]))
        item, category = np.uint64(old.ring_item[i]), np.uint64(old.ring_category[i])
        insert(row, at, np.int64(old.ring_kind[i]), value, item, category)
    others = np.int64(old.events) - row.recent_total
    if others > 0:
        row.recent_left_at = first
        _turn_by(row, others)


@kernel
def _turn_by(row, others):
    """Give each of 32 events a number more by `others`: event n lies at place n % 32."""
    row.recent_total += others
    for _ in range(others & (RECENT - 1)):
        _turn(row.recent_s)
        _turn(row.recent_kind)
        _turn(row.recent_value)
        _turn(row.recent_value_high)
        _turn(row.recent_item)
        _turn(row.recent_category)


@kernel
def _turn(values):
    last = values[RECENT - 1]
    for place in range(RECENT - 1, 0, -1):
        values[place] = values[place - 1]
    values[0] = last


@kernel
def _session(old, row):
    row.session_started, row.session_last = old.session_started, old.session_last
    row.session_view_at = old.session_last_view
    row.session_max_price = hundredths(old.session_max_price)
    row.session_number, row.session_events = old.session_number, old.session_events
    row.session_pages, row.session_items = old.session_pages, old.session_items
    row.session_pause_ms, row.session_burst_run = old.session_pause_ms, old.session_burst_run
    row.session_bursts, row.session_reviews = old.session_bursts, old.session_reviews
    row.session_searches, row.session_searches_alone = old.session_searches, old.session_searches_alone
    row.session_cart_adds = old.session_cart_adds
    row.session_category_count, row.session_item_count = old.session_category_count, old.session_item_count
    for i in range(16):
        row.session_category[i], row.session_item[i] = old.session_category[i], old.session_item[i]
        row.session_category_views[i] = old.session_category_views[i]


@kernel
def _cart(old, row):
    """What is in it is known as a sum."""
    row.cart_changed = old.cart_changed
    if old.cart_items > 0:
        row.cart_rest_pieces = np.int64(old.cart_items) * 1_000
        row.cart_rest_amount = hundredths(old.cart_value)
        row.cart_folded_at = old.cart_changed
    add_up(row, newest_order(row))


@kernel
def _contacts(old, row):
    """The newest as one whose id is not known: when it began stands for that."""
    known = 0
    for at in (old.contact_previous, old.contact_started):
        if at != 0:
            known += 1
            add_start(row, np.uint64(at) << np.uint64(44), np.int64(Kind.CONTACT_STARTED), at)
    row.contact_starts_before = max(np.int64(old.contacts) - known, 0)
    if old.contact_started != 0:
        row.contact_id[0] = np.uint64(old.contact_started)
        row.contact_nameless[0] = UNKNOWN
        row.contact_first[0, STARTED] = row.contact_latest[0, WENT_ON] = old.contact_started
        row.contact_latest[0, HEARD] = max(old.contact_started, old.contact_ended)
        if not old.contact_open:
            row.contact_latest[0, ENDED] = max(old.contact_started, old.contact_ended)


@kernel
def upgrade_many(old, rows):
    """`upgrade` each of `old` (N) to its place in `rows` (N)."""
    for i in range(old.shape[0]):
        upgrade(old[i], rows[i])
