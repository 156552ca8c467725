"""The session: what a customer does on a client without a pause of more than `SESSION_GAP_MS`.

An event that follows all activity before it adds to the fields. Every other one is the join of a row of one event,
and a join rebuilds the session from the newest 32 events (`groups.recent`, whose fields these kernels change too),
where it began among them: then it is a function of the set of events. A session that began before them is

- as it was, where one row's session was over before the other's began; else
- the sum of both: events, items, searches, reviews and cart additions are exact, the longest pause is no shorter
  than the true one, pages and bursts miss or count twice what lies across the seams.

`session_number` is exact as long as no activity comes in that is older than one that is no longer kept
(``recent_left_at``). Of two rows that both reach further back it is no less than the true number; it is never more
than the sum.

A page call beside a product's event (an item or a list) is one view: of two neighbouring views within
`SAME_VIEW_MS`, one a page's and one a product's, and neither in such a pair already.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.elapsed import since
from engine.kernels.entry import SESSION, Entry
from engine.kernels.groups.activity import is_activity
from engine.kernels.groups.recent import insert, is_newest, join_recent
from engine.kernels.groups.session_number import joined_number
from engine.kernels.groups.session_steps import SAME_VIEW_MS, beginning, go_on, rebuild
from engine.kernels.groups.session_sum import add, is_over, take
from engine.kernels.jit import kernel
from engine.kernels.money import currency, hundredths
from engine.kernels.row_limits import BURST_GAP_MS, SESSION_GAP_MS, SESSION_SET, U4_MAX
from engine.kernels.units import SECOND

FIELDS = [
    ("session_category", "u8", (SESSION_SET,)),  # 64-bit hashes by first view
    ("session_item", "u8", (SESSION_SET,)),
    ("session_started", "i8"),
    ("session_last", "i8"),
    ("session_view_at", "i8"),  # of the last view, a pair's first (epoch ms; 0: none yet)
    ("session_struggled_at", "i8"),  # last activity of a burst, or of three searches alone (0: none)
    ("session_max_price", "i8"),  # hundredths
    ("session_number", "u4"),
    ("session_events", "u4"),
    ("session_pages", "u4"),
    ("session_items", "u4"),
    ("session_pause_ms", "u4"),
    ("session_category_views", "u2", (SESSION_SET,)),
    ("session_burst_run", "u2"),
    ("session_bursts", "u2"),
    ("session_reviews", "u2"),
    ("session_searches", "u2"),
    ("session_searches_alone", "u2"),  # since the last item view
    ("session_cart_adds", "u2"),
    ("session_category_count", "u1"),
    ("session_item_count", "u1"),
    ("session_view", "u1"),  # the last view: `session_steps.PAIRED`, `PAGE` or `PRODUCT`
    ("session_spare", "u1", (5,)),
]

_BURST_S = BURST_GAP_MS // SECOND

ENTRIES = (
    Entry("session.seconds", "s", "length of the current session so far", reach=SESSION),
    Entry("session.events", "", "activities in the current session", reach=SESSION),
    Entry(
        "session.pages",
        "",
        f"views of pages, lists and items; a page within {SAME_VIEW_MS // SECOND} s of a list or item is no view",
        reach=SESSION,
    ),
    Entry("session.items", "", "item views in the session", reach=SESSION),
    Entry("session.distinct_items", "", f"different items viewed (exact up to {SESSION_SET})", reach=SESSION),
    Entry("session.categories", "", f"different categories viewed (exact up to {SESSION_SET})", reach=SESSION),
    Entry("session.top_category_views", "", "item views in the session's most viewed category", reach=SESSION),
    Entry(
        "session.bursts",
        "",
        f"bursts: three or more views, each within {_BURST_S} s of the one before",
        reach=SESSION,
    ),
    Entry("session.longest_pause", "s", "longest pause between two activities of the session", reach=SESSION),
    Entry("session.reviews", "", "reviews read in the session", reach=SESSION),
    Entry("session.searches", "", "searches in the session", reach=SESSION),
    Entry("session.searches_alone", "", "searches since the last item view of the session", reach=SESSION),
    Entry("session.cart_adds", "", "times something was put into the cart in the session", reach=SESSION),
    Entry("session.max_price", "currency", "highest price of an item viewed in the session", reach=SESSION),
    Entry("session.number", "", "sessions of this customer so far, the current one included"),
    Entry("idle.seconds", "s", "time since the customer's last activity on a client", SECOND, SESSION),
)


@kernel
def apply_session(row, event, other):
    """Add one `event` (`decode.COLUMNS`) to the session and to the recent events, wherever in time it lies;
    `other` is a row to work with, whatever it holds."""
    at, kind, value = event.at, np.int64(event.kind), hundredths(event.value)
    item, category = event.item, event.category
    active = is_activity(kind)
    late = active and at <= row.session_last
    if late and not is_newest(row, at, kind, value, item, category):
        other.recent_total = other.recent_left_at = 0
        other.session_number = other.session_last = 0
        insert(other, at, kind, value, item, category)
        go_on(other, at, kind, value, item, category)
        join_session(row, other)
        return
    insert(row, at, kind, value, item, category)
    if active:
        go_on(row, at, kind, value, item, category)


@kernel
def join_session(into, other):
    """Add the session and the recent events of another row."""
    number = joined_number(into, other)
    join_recent(into, other)
    if is_over(other, into):
        pass  # it goes on as it was
    elif is_over(into, other):
        take(into, other)
    else:
        first = beginning(into)
        if first >= 0:
            rebuild(into, first)
        else:
            add(into, other)
    into.session_number = min(number, U4_MAX)


@kernel
def read_session(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    out[index.session_number] = row.session_number
    out[index.idle_seconds] = since(row.session_last, now, SECOND)
    if row.session_last == 0 or now - row.session_last > SESSION_GAP_MS:
        _read_none(out, index)
        return
    out[index.session_seconds] = (row.session_last - row.session_started) / SECOND
    out[index.session_events] = row.session_events
    out[index.session_pages] = row.session_pages
    out[index.session_items] = row.session_items
    out[index.session_distinct_items] = row.session_item_count
    out[index.session_categories] = row.session_category_count
    top = np.int64(0)
    for i in range(row.session_category_count):
        top = max(top, np.int64(row.session_category_views[i]))
    out[index.session_top_category_views] = top
    out[index.session_bursts] = row.session_bursts
    out[index.session_longest_pause] = row.session_pause_ms / SECOND
    out[index.session_reviews] = row.session_reviews
    out[index.session_searches] = row.session_searches
    out[index.session_searches_alone] = row.session_searches_alone
    out[index.session_cart_adds] = row.session_cart_adds
    out[index.session_max_price] = currency(row.session_max_price)


@kernel
def _read_none(out, index):
    out[index.session_seconds] = out[index.session_events] = out[index.session_pages] = 0.0
    out[index.session_items] = out[index.session_distinct_items] = out[index.session_categories] = 0.0
    out[index.session_top_category_views] = out[index.session_bursts] = out[index.session_longest_pause] = 0.0
    out[index.session_reviews] = out[index.session_searches] = out[index.session_searches_alone] = 0.0
    out[index.session_cart_adds] = out[index.session_max_price] = 0.0
