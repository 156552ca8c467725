"""A customer's features in plain Python, from all events at once: what rows are held against.

Put together from the oracles of the groups. They forget nothing, so an answer is that of a row whose customer has
no more contacts, orders, items and categories than are kept each for itself.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from itertools import pairwise

from engine.events import Kind
from engine.kernels.groups import item
from engine.kernels.groups.life import COUNTED
from engine.kernels.groups.window import LENGTHS, RINGS, WIDTHS
from tests.kernels.builders import DAY, HOUR, SECOND, Happening
from tests.kernels.groups import contact_oracle, sessions, test_cart, test_category, test_item, test_order
from tests.kernels.groups.laws import Did

ABOUT_CARTS = (
    Kind.CART_ADDED, Kind.CART_REMOVED, Kind.CART_VIEWED, Kind.CHECKOUT_STARTED, Kind.CHECKOUT_STEP,
    Kind.COUPON_APPLIED,
)  # fmt: skip
KEPT_CONTACTS, KEPT_ORDERS, KEPT_ITEMS, KEPT_CATEGORIES = 4, 12, 16, 12


def hundredths(value: float) -> int:
    return math.floor(value * 100 + 0.5)


def recount(events: Sequence[Happening], now: int) -> dict[str, float]:
    """The features at `now`, by their definitions."""
    return {
        **of_session(events, now),
        **of_windows(events, now),
        **of_cart(events, now),
        **of_orders(events, now),
        **of_contacts(events, now),
        **of_life(events, now),
        **of_items(events),
        **of_categories(events),
        "customer.traits": 0,
        "now.hour": now // HOUR % 24,
        "now.weekday": (now // DAY + 3) % 7,
    }


def did(events: Iterable[Happening]) -> list[sessions.Did]:
    return [sessions.Did(e.at, e.kind, hundredths(e.value), e.item, e.category) for e in events]


def of_session(events: Sequence[Happening], now: int) -> dict[str, float]:
    state = sessions.state(did(events))
    active, last = sessions.activities(did(events)), state.get("session_last", 0)
    over = not active or now - last > sessions.GAP
    found = {
        "session.seconds": 0 if over else (last - state["session_started"]) / SECOND,
        "session.distinct_items": 0 if over else len(state["session_item"]),
        "session.categories": 0 if over else len(state["session_category"]),
        "session.top_category_views": 0 if over else max(state["session_category_views"], default=0),
        "session.longest_pause": 0 if over else state["session_pause_ms"] / SECOND,
        "session.max_price": 0 if over else state["session_max_price"] / 100,
        "session.number": state["session_number"],
        "idle.seconds": max(now - last, 0) / SECOND if active else math.nan,
    }
    for name in ("events", "pages", "items", "bursts", "reviews", "searches", "searches_alone", "cart_adds"):
        found[f"session.{name}"] = 0 if over else state[f"session_{name}"]
    return found


def of_windows(events: Sequence[Happening], now: int) -> dict[str, float]:
    found = {}
    for of in RINGS:
        width = WIDTHS[of.width].ms
        for length, (name, panes) in LENGTHS.items():
            for counted in of.counted if name == of.width else ():
                oldest = now // width - panes + 1
                inside = [e for e in events if e.kind in counted.kinds and oldest <= e.at // width <= now // width]
                money = sum(hundredths(e.value) for e in inside) / 100
                found[f"{counted.feature}_{length}"] = money if counted.is_money else len(inside)
    return found


def of_cart(events: Sequence[Happening], now: int) -> dict[str, float]:
    made = [
        test_cart.Did(e.at, e.kind, e.id, str(e.item or ""), e.value, e.quantity * 1_000, str(e.order or ""))
        for e in events
        if e.quantity or e.kind == Kind.ORDER_COMPLETED
    ]
    pieces, value = test_cart.in_order(made)
    used = max((e.at for e in events if e.kind in ABOUT_CARTS), default=0)
    idle = max(now - used, 0) / SECOND if pieces else math.nan
    return {"cart.items": pieces, "cart.value": value, "cart.idle_seconds": idle}


def orders(events: Iterable[Happening]) -> list[tuple[int, int, int]]:
    """(first time, last time, hundredths) of each order that counts, by time."""
    return test_order.counted([test_order.Told(e.at, e.kind, e.order, e.value) for e in events])


def of_orders(events: Sequence[Happening], now: int) -> dict[str, float]:
    found = orders(events)
    count, value = len(found), sum(worth for *_, worth in found) / 100
    gaps = [(b[0] - a[0]) / DAY for a, b in pairwise(found[-KEPT_ORDERS:])]
    mean = statistics.fmean(gaps) if gaps else math.nan
    spread = statistics.stdev(gaps) if len(gaps) > 1 else math.nan
    last = max((last for _, last, _ in found), default=0)
    return {
        "purchases.count": count,
        "purchases.value": value,
        "purchases.mean_value": value / count if count else math.nan,
        "purchases.days_since": max(now - last, 0) / DAY if count else math.nan,
        "purchases.gap_mean": mean,
        "purchases.gap_spread": spread,
        "purchases.regularity": mean / (mean + spread) if mean else math.nan,
    }


def told(events: Iterable[Happening]) -> list[contact_oracle.Told]:
    return [contact_oracle.Told(e.at, e.kind, e.id, e.contact, value=e.value) for e in events]


def of_contacts(events: Sequence[Happening], now: int) -> dict[str, float]:
    seen = [sessions.state(did(events)).get("session_struggled_at", 0)]
    for session in sessions.sessions(sessions.newest(did(events))):
        seen += sessions.struggles(session)
    found = contact_oracle.expected(told(events), now, seen)
    return {name.replace("_", ".", 1): value for name, value in found.items()}


def of_life(events: Sequence[Happening], now: int) -> dict[str, float]:
    return {
        "customer.events": len(events),
        "customer.days_known": max(now - min(e.at for e in events), 0) / DAY,
        **{counted.name: sum(e.kind == counted.kind for e in events) for counted in COUNTED},
    }


def of_items(events: Iterable[Happening]) -> dict[str, float]:
    known = list(test_item.recounted([Did(e.at, e.item, e.kind, e.value) for e in events if e.item]).values())
    by_views = sorted(known, key=lambda one: (-one.views, -one.at))
    unordered = [one for one in by_views if not one.flags & item.ORDERED]

    def price(of: list[test_item.Known]) -> float:
        return of[0].price[1] / 100 if of and of[0].price[0] else math.nan

    return {
        "item.top_views": by_views[0].views if by_views else 0,
        "item.top_days": max((len(one.days) for one in known), default=0),
        "item.top_price": price(by_views),
        "item.open_views": unordered[0].views if unordered else 0,
        "item.open_price": price(unordered),
        "item.wished": sum(bool(one.flags & item.WISHED) for one in unordered),
    }


def of_categories(events: Iterable[Happening]) -> dict[str, float]:
    known = test_category.recounted([Did(e.at, e.category, e.kind) for e in events if e.category]).values()
    return {
        "category.count": len(known),
        "category.top_views": max((one.views for one in known), default=0),
        "category.top_days": max((len(one.days) for one in known), default=0),
        "category.ordered": sum(one.orders > 0 for one in known),
        "category.top_orders": max((one.orders for one in known), default=0),
    }


def bounded(events: Sequence[Happening]) -> set[str]:
    """The features of which the row has forgotten something, or of which two things are alike in all that is told,
    by the first part of their names."""
    kept = {
        "contact.": (len(contact_oracle.contacts_of(told(events))), KEPT_CONTACTS),
        "purchases.gap": (len(orders(events)), KEPT_ORDERS),
        "item.": (len({e.item for e in events if e.item}), KEPT_ITEMS),
        "category.": (len({e.category for e in events if e.category}), KEPT_CATEGORIES),
    }
    return {name for name, (there, most) in kept.items() if there > most}
