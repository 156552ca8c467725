"""Customers for a benchmark: rows as a day of traffic leaves them, the same for the same seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.kernels.units import DAY, HOUR, MINUTE
from engine.kernels.windows import RINGS
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
    made["last_at"] = now - idle
    made["first_at"] = made["last_at"] - chance.integers(HOUR, 400 * DAY, count)
    made["events"] = chance.geometric(0.03, count)
    _session(made, chance)
    _windows(made, chance)
    cart = chance.random(count) < 0.33
    made["cart_items"] = np.where(cart, chance.integers(1, 6, count), 0)
    made["cart_value"] = np.where(cart, chance.lognormal(5, 1, count).round(2), 0)
    made["cart_changed"] = np.where(cart, made["last_at"], 0)
    _purchases(made, chance)
    called = chance.random(count) < 0.1
    made["contacts"] = np.where(called, chance.integers(1, 4, count), 0)
    made["contact_started"] = np.where(called, made["last_at"] - chance.integers(0, 3 * DAY, count), 0)
    made["contact_ended"] = np.where(called, made["contact_started"] + 5 * MINUTE, 0)
    return made


def _session(made: NDArray[np.void], chance: np.random.Generator) -> None:
    count = len(made)
    pages = chance.geometric(0.08, count)
    items = chance.binomial(pages, 0.6)
    made["session_last"] = made["last_at"]
    made["session_started"] = made["last_at"] - pages * chance.integers(5_000, 60_000, count)
    made["session_number"] = chance.geometric(0.2, count)
    made["session_events"], made["session_pages"], made["session_items"] = pages, pages, items
    made["session_pause_ms"] = chance.integers(1_000, 8 * MINUTE, count)
    made["session_bursts"] = chance.poisson(1.5, count)
    made["session_reviews"] = chance.poisson(0.5, count)
    made["session_searches"] = chance.poisson(1.0, count)
    made["session_searches_alone"] = chance.poisson(1.5, count)
    made["session_max_price"] = chance.lognormal(6, 1, count).round(2)
    made["session_item_count"] = np.minimum(items, 16)
    made["session_category_count"] = np.minimum(items, 3)
    made["session_category_views"][:, 0] = items


def _windows(made: NDArray[np.void], chance: np.random.Generator) -> None:
    for ring in RINGS:
        made[ring.newest] = made["last_at"] // ring.width_ms
        made[ring.field] = chance.poisson(0.8, made[ring.field].shape)


def _purchases(made: NDArray[np.void], chance: np.random.Generator) -> None:
    count = len(made)
    orders = np.where(chance.random(count) < 0.5, chance.geometric(0.3, count), 0)
    made["purchases"] = orders
    made["purchase_value"] = (orders * chance.lognormal(5, 0.7, count)).round(2)
    made["purchase_last"] = np.where(orders > 0, made["last_at"] - chance.integers(0, 30 * DAY, count), 0)
    made["purchase_first"] = np.where(orders > 0, made["purchase_last"] - orders * 30 * DAY, 0)
    made["purchase_gaps"] = np.maximum(orders - 1, 0)
    made["purchase_gap_mean"] = np.where(orders > 1, chance.lognormal(3, 0.5, count), 0)
