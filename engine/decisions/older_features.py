"""The features of decision records of version 1, in their order: records are kept for a day, beyond an upgrade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.kernels.catalogue import FEATURES
from engine.state.catalogue import BY_NAME

NAMES = (
    "session.seconds", "session.events", "session.pages", "session.items", "session.distinct_items",
    "session.categories", "session.top_category_views", "session.bursts", "session.longest_pause",
    "session.reviews", "session.searches", "session.searches_alone", "session.cart_adds", "session.max_price",
    "session.number", "idle.seconds", "events.count_5m", "events.count_1h", "events.count_24h",
    "events.count_7d", "events.count_30d", "cart.items", "cart.value", "cart.idle_seconds", "purchases.count",
    "purchases.value", "purchases.mean_value", "purchases.days_since", "purchases.gap_mean",
    "purchases.gap_spread", "contact.count", "contact.open", "contact.hours_since", "contact.hours_between",
    "customer.events", "customer.days_known", "now.hour", "now.weekday",
)  # fmt: skip

_PLACES = [BY_NAME[name].index for name in NAMES]


def in_todays_order(older: NDArray[np.float64]) -> NDArray[np.float64]:
    """A vector (F) whose first values are those of `NAMES`; NaN for what was no feature then."""
    features = np.full(FEATURES, np.nan)
    features[_PLACES] = older[: len(_PLACES)]
    return features
