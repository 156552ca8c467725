"""Customers for a benchmark: rows as a day of traffic leaves them, the same for the same seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.kernels.groups.contact_entry import ENDED, HEARD, STARTED, WENT_ON
from engine.kernels.groups.order_state import COMPLETED, ORDERS
from engine.kernels.groups.window import RINGS, VALUE
from engine.kernels.units import DAY, HOUR, MINUTE
from engine.kernels.wire import EARLIEST_MS
from engine.state.row_codec import blank


def names(count: int) -> list[str]:
    """Keys of `count` customers."""
    return [f"customer-{i:07d}" for i in range(count)]


def rows(count: int, now: int, seed: int = 7) -> NDArray[np.void]:
    """Rows of `count` customers at `now` (epoch ms): most of them in a session or not long out of it, a third
    with a cart, half with purchases, a tenth who called. Busier than a shop's visitors, so that decisions have
    offers to rank."""
    chance = np.random.default_rng(seed)
    made = blank(count)
    active = chance.random(count) < 0.7
    idle = np.where(active, chance.integers(0, 40 * MINUTE, count), chance.integers(HOUR, 20 * DAY, count))
    made["life_last_at"] = now - idle
    made["life_first_at"] = made["life_last_at"] - chance.integers(HOUR, 400 * DAY, count)
    made["recent_total"] = chance.geometric(0.03, count)
    _session(made, chance)
    _windows(made, chance)
    cart = chance.random(count) < 0.33
    made["cart_pieces"] = np.where(cart, chance.integers(1, 6, count), 0)
    made["cart_value"] = np.where(cart, hundredths(chance.lognormal(5, 1, count)), 0)
    made["cart_changed"] = np.where(cart, made["life_last_at"], 0)
    _orders(made, chance)
    _contacts(made, chance)
    return made


def hundredths(amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Money as rows have it."""
    return np.rint(amounts * 100).astype(np.int64)


def _session(made: NDArray[np.void], chance: np.random.Generator) -> None:
    count = len(made)
    pages = chance.geometric(0.08, count)
    items = chance.binomial(pages, 0.6)
    made["session_last"] = made["life_last_at"]
    made["session_started"] = made["life_last_at"] - pages * chance.integers(5_000, 60_000, count)
    made["session_number"] = chance.geometric(0.2, count)
    made["session_events"], made["session_pages"], made["session_items"] = pages, pages, items
    made["session_pause_ms"] = chance.integers(1_000, 8 * MINUTE, count)
    made["session_bursts"] = chance.poisson(1.5, count)
    made["session_reviews"] = chance.poisson(0.5, count)
    made["session_searches"] = chance.poisson(1.0, count)
    made["session_searches_alone"] = chance.poisson(1.5, count)
    made["session_max_price"] = hundredths(chance.lognormal(6, 1, count))
    made["session_item_count"] = np.minimum(items, 16)
    made["session_category_count"] = np.minimum(items, 3)
    made["session_category_views"][:, 0] = items


def _windows(made: NDArray[np.void], chance: np.random.Generator) -> None:
    made["window_at"] = made["life_last_at"]
    for of in RINGS:
        if of.counted != (VALUE,):
            made[of.field] = chance.poisson(0.8, made[of.field].shape)


def _orders(made: NDArray[np.void], chance: np.random.Generator) -> None:
    """A month apart or so, the newest of them each for itself."""
    count = len(made)
    orders = np.where(chance.random(count) < 0.5, chance.geometric(0.3, count), 0)
    at = made["life_last_at"] - chance.integers(0, 30 * DAY, count)
    for back in range(ORDERS):
        place, some = np.maximum(np.minimum(orders, ORDERS) - 1 - back, 0), orders > back
        who = np.flatnonzero(some)
        made["order_id"][who, place[who]] = chance.integers(1, 2**62, len(who))
        made["order_at"][who, place[who]] = at[who]
        made["order_value"][who, place[who]] = hundredths(chance.lognormal(5, 0.7, len(who)))
        made["order_flags"][who, place[who]] = COMPLETED
        at -= (chance.lognormal(3, 0.5, count) * DAY).astype(np.int64)


def _contacts(made: NDArray[np.void], chance: np.random.Generator) -> None:
    """A tenth called, once or more often, and has hung up."""
    count = len(made)
    who = np.flatnonzero(chance.random(count) < 0.1)
    began = made["life_last_at"][who] - chance.integers(0, 3 * DAY, len(who))
    made["contact_id"][who, 0] = chance.integers(1, 2**62, len(who))
    for name, milestone in (("contact_first", STARTED), ("contact_latest", WENT_ON)):
        made[name][who, 0, milestone] = began
    for milestone in (ENDED, HEARD):
        made["contact_latest"][who, 0, milestone] = began + 5 * MINUTE
    made["contact_starts"][who, 0] = (began - EARLIEST_MS + 1) << 22 | 1
    made["contact_starts_before"][who] = chance.integers(0, 3, len(who))
