"""The feature catalogue: what a rule may name, its unit, and what it means to an operator."""

from __future__ import annotations

import msgspec

from engine.kernels import features as f


class Feature(msgspec.Struct, frozen=True):
    """One feature: public name, position in the vector, unit, meaning.

    ``grows_ms``: for a time since something, the milliseconds in which it grows by 1 while the customer
    is silent (0: it does not grow). Thresholds on such features become timers.
    """

    name: str
    index: int
    unit: str
    meaning: str
    grows_ms: int = 0


CATALOGUE: tuple[Feature, ...] = (
    Feature("session.seconds", f.SESSION_SECONDS, "s", "length of the current session so far"),
    Feature("session.events", f.SESSION_EVENTS, "", "events in the current session"),
    Feature("session.pages", f.SESSION_PAGES, "", "pages, lists and items viewed in the session"),
    Feature("session.items", f.SESSION_ITEMS, "", "item views in the session"),
    Feature("session.distinct_items", f.SESSION_DISTINCT_ITEMS, "", "different items viewed (exact up to 16)"),
    Feature("session.categories", f.SESSION_CATEGORIES, "", "different categories viewed (exact up to 16)"),
    Feature(
        "session.top_category_views",
        f.SESSION_TOP_CATEGORY_VIEWS,
        "",
        "item views in the session's most viewed category",
    ),
    Feature(
        "session.bursts", f.SESSION_BURSTS, "", "bursts: three or more views, each within 10 s of the one before"
    ),
    Feature(
        "session.longest_pause", f.SESSION_LONGEST_PAUSE, "s", "longest pause between two events of the session"
    ),
    Feature("session.reviews", f.SESSION_REVIEWS, "", "reviews read in the session"),
    Feature("session.searches", f.SESSION_SEARCHES, "", "searches in the session"),
    Feature(
        "session.searches_alone", f.SESSION_SEARCHES_ALONE, "", "searches since the last item view of the session"
    ),
    Feature("session.cart_adds", f.SESSION_CART_ADDS, "", "times something was put into the cart in the session"),
    Feature(
        "session.max_price", f.SESSION_MAX_PRICE, "currency", "highest price of an item viewed in the session"
    ),
    Feature("session.number", f.SESSION_NUMBER, "", "sessions of this customer so far, the current one included"),
    Feature("idle.seconds", f.IDLE_SECONDS, "s", "time since the customer's last event", f.SECOND),
    Feature("events.count_5m", f.COUNT_5M, "", "events in the last 5 minutes"),
    Feature("events.count_1h", f.COUNT_1H, "", "events in the last hour"),
    Feature("events.count_24h", f.COUNT_24H, "", "events in the last 24 hours"),
    Feature("events.count_7d", f.COUNT_7D, "", "events in the last 7 days"),
    Feature("events.count_30d", f.COUNT_30D, "", "events in the last 30 days"),
    Feature("cart.items", f.CART_ITEMS, "", "pieces in the cart"),
    Feature("cart.value", f.CART_VALUE, "currency", "value of the cart"),
    Feature("cart.idle_seconds", f.CART_IDLE_SECONDS, "s", "time since the cart last changed", f.SECOND),
    Feature("purchases.count", f.PURCHASES_COUNT, "", "completed orders"),
    Feature("purchases.value", f.PURCHASES_VALUE, "currency", "value of all completed orders"),
    Feature("purchases.mean_value", f.PURCHASES_MEAN_VALUE, "currency", "mean value of an order"),
    Feature("purchases.days_since", f.PURCHASES_DAYS_SINCE, "d", "time since the last order", f.DAY),
    Feature("purchases.gap_mean", f.PURCHASES_GAP_MEAN, "d", "mean time between orders (two or more)"),
    Feature(
        "purchases.gap_spread",
        f.PURCHASES_GAP_SPREAD,
        "d",
        "standard deviation of the time between orders (three or more)",
    ),
    Feature("contact.count", f.CONTACT_COUNT, "", "contacts with the contact centre"),
    Feature("contact.open", f.CONTACT_OPEN, "", "1 while a contact is going on"),
    Feature(
        "contact.hours_since", f.CONTACT_HOURS_SINCE, "h", "time since the last contact began or ended", f.HOUR
    ),
    Feature(
        "contact.hours_between", f.CONTACT_HOURS_BETWEEN, "h", "time between the starts of the last two contacts"
    ),
    Feature("customer.events", f.CUSTOMER_EVENTS, "", "events ever seen"),
    Feature("customer.days_known", f.CUSTOMER_DAYS_KNOWN, "d", "time since the first event", f.DAY),
    Feature("now.hour", f.NOW_HOUR, "h", "hour of the day, UTC, 0..23"),
    Feature("now.weekday", f.NOW_WEEKDAY, "", "day of the week, UTC, Monday is 0"),
)

BY_NAME: dict[str, Feature] = {feature.name: feature for feature in CATALOGUE}
