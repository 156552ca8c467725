"""The features, in the order of the vector: what a rule may name, its unit, and what it means to an operator.

A new feature is one entry here and one line of `engine.kernels.features`, which knows its place as
``INDEX.<name>``, with an underscore for the dot.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from engine.kernels.entry import CART, SESSION
from engine.kernels.entry import Entry as Entry
from engine.kernels.entry import spoken as spoken
from engine.kernels.row_limits import BURST_GAP_MS, SESSION_SET
from engine.kernels.units import DAY, HOUR, SECOND
from engine.kernels.windows import RINGS

_WINDOWS = tuple(
    Entry(f"events.count_{window.name}", "", f"events in the last {spoken(window.name)}")
    for ring in RINGS
    for window in ring.windows
)

_BURST_S = BURST_GAP_MS // SECOND

ENTRIES: tuple[Entry, ...] = (
    Entry("session.seconds", "s", "length of the current session so far", reach=SESSION),
    Entry("session.events", "", "events in the current session", reach=SESSION),
    Entry("session.pages", "", "pages, lists and items viewed in the session", reach=SESSION),
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
    Entry("session.longest_pause", "s", "longest pause between two events of the session", reach=SESSION),
    Entry("session.reviews", "", "reviews read in the session", reach=SESSION),
    Entry("session.searches", "", "searches in the session", reach=SESSION),
    Entry("session.searches_alone", "", "searches since the last item view of the session", reach=SESSION),
    Entry("session.cart_adds", "", "times something was put into the cart in the session", reach=SESSION),
    Entry("session.max_price", "currency", "highest price of an item viewed in the session", reach=SESSION),
    Entry("session.number", "", "sessions of this customer so far, the current one included"),
    Entry("idle.seconds", "s", "time since the customer's last event", SECOND, SESSION),
    *_WINDOWS,
    Entry("cart.items", "", "pieces in the cart", reach=CART),
    Entry("cart.value", "currency", "value of the cart", reach=CART),
    Entry("cart.idle_seconds", "s", "time since the cart last changed", SECOND, reach=CART),
    Entry("purchases.count", "", "completed orders"),
    Entry("purchases.value", "currency", "value of all completed orders"),
    Entry("purchases.mean_value", "currency", "mean value of an order"),
    Entry("purchases.days_since", "d", "time since the last order", DAY),
    Entry("purchases.gap_mean", "d", "mean time between orders (two or more)"),
    Entry("purchases.gap_spread", "d", "standard deviation of the time between orders (three or more)"),
    Entry("contact.count", "", "contacts with the contact centre"),
    Entry("contact.open", "", "1 while a contact is going on"),
    Entry("contact.hours_since", "h", "time since the last contact began or ended", HOUR),
    Entry("contact.hours_between", "h", "time between the starts of the last two contacts"),
    Entry("customer.events", "", "events ever seen"),
    Entry("customer.days_known", "d", "time since the first event", DAY),
    Entry("now.hour", "h", "hour of the day, UTC, 0..23", reach=SESSION),
    Entry("now.weekday", "", "day of the week, UTC, Monday is 0", reach=SESSION),
)

FEATURES = len(ENTRIES)

#: The place of each feature in the vector: constants to compiled code.
INDEX: Any = namedtuple("Index", [entry.name.replace(".", "_") for entry in ENTRIES])(*range(FEATURES))

FIRST_WINDOW = ENTRIES.index(_WINDOWS[0])
