"""The features, in the order of the vector: what a rule may name, its unit, and what it means to an operator.

A new feature is one entry here and one line of `engine.kernels.features`, which knows its place as
``INDEX.<name>``, with an underscore for the dot.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, NamedTuple

from engine.kernels.row import BURST_GAP_MS, SESSION_SET
from engine.kernels.units import DAY, HOUR, SECOND
from engine.kernels.windows import RINGS

#: How far back a feature looks: to the beginning of the present session (or it is about no customer at all); to
#: that of the cart, which may be older; over the whole life.
SESSION, CART, LIFE = "session", "cart", "life"


class Entry(NamedTuple):
    """One feature: public name, unit, meaning.

    ``grows_ms``: for a time since something, the milliseconds in which it grows by 1 while the customer
    is silent (0: it does not grow). Thresholds on such features become timers. ``reach``: `SESSION`, `CART` or
    `LIFE`; where the sender of an event is not known, a website is not shown what is from before the session.
    """

    name: str
    unit: str
    meaning: str
    grows_ms: int = 0
    reach: str = LIFE


def spoken(length: str) -> str:
    """A window's length in words: "5 minutes" for "5m", "hour" for "1h"."""
    number, unit = length[:-1], {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}[length[-1]]
    return unit if number == "1" else f"{number} {unit}s"


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
