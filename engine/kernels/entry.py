"""What the catalogue says of one feature."""

from __future__ import annotations

from typing import NamedTuple

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
