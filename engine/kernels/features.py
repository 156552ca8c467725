"""Features: the named numbers a rule can ask for, read from a row at a moment.

`read` fills one value for each entry of `engine.kernels.catalogue`, at its place there (`INDEX`).
A feature that has no value (no purchase yet, say) is NaN, so every comparison with it is false.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernels.catalogue import FEATURES, FIRST_WINDOW, MOMENT, places_of
from engine.kernels.entry import Entry
from engine.kernels.groups import (
    cart,
    category,
    contact_features,
    item,
    life,
    order_features,
    recent,
    session,
    trait,
    window,
)
from engine.kernels.jit import in_turn, kernel, scalar, specialised
from engine.kernels.units import DAY, HOUR


class Part(NamedTuple):
    """Features that are read together, and the kernel ``(row, now, out, index)`` that reads them."""

    entries: tuple[Entry, ...]
    read: Any


class Wanted(NamedTuple):
    """Which features are read: bits, the lowest for the first of `window.ENTRIES` and of `PARTS`; and the traits
    that are read behind them, by name (hashes) and type, as `trait.read_named` takes them."""

    windows: np.uint64
    parts: np.uint64
    names: NDArray[np.uint64]
    types: NDArray[np.uint8]


#: No traits.
NO_NAMES: NDArray[np.uint64] = np.zeros(0, np.uint64)
NO_TYPES: NDArray[np.uint8] = np.zeros(0, np.uint8)


@kernel
def _read_moment(row, now, out, index):
    out[index.now_hour] = now // HOUR % 24
    out[index.now_weekday] = (now // DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0


#: All but the windows, of which each is read by itself.
PARTS = (
    Part(session.ENTRIES, session.read_session),
    Part(cart.ENTRIES, cart.read_cart),
    Part(order_features.ENTRIES, order_features.read_order),
    Part(contact_features.ENTRIES, contact_features.read_contact),
    Part(recent.ENTRIES, recent.read_recent),
    Part(life.ENTRIES, life.read_life),
    Part(item.ENTRIES, item.read_item),
    Part(category.ENTRIES, category.read_category),
    Part(trait.ENTRIES, trait.read_trait),
    Part(MOMENT, _read_moment),
)


def _reading(bit: int, part: Part) -> Any:
    """A part ``(row, now, parts, out)`` that fills the places of `part` if it is wanted."""
    read_part, index, mask = part.read, places_of(part.entries), np.uint64(1 << bit)

    @specialised
    def read(row, now, parts, out):
        if parts & mask:
            read_part(row, now, out, index)

    return read


_read_parts = in_turn(*(_reading(bit, part) for bit, part in enumerate(PARTS)))

_ALL = np.uint64(2**64 - 1)


@kernel
def _read(row, now, windows, parts, out):
    _read_parts(row, now, parts, out)
    if windows:
        window.read_window(row, now, windows, out, FIRST_WINDOW)


@kernel
def read_wanted(row, now, wanted, out):
    """Fill `out` (float64, `catalogue.FEATURES` long, and a place for each trait) with the features of `row` at
    `now` (epoch ms) and the traits that are `wanted` (`Wanted`). Others mean nothing: to read them would take most
    of the time."""
    _read(row, now, wanted.windows, wanted.parts, out)
    trait.read_named(row, wanted.names, wanted.types, out, FEATURES)


@kernel
def read(row, now, out):
    """Fill `out` with all features, and no traits."""
    _read(row, now, _ALL, _ALL, out)


@scalar
def read_many(rows, now, out):
    """`read` for each of `rows` (N) at its own `now` (int64, N) into `out` (float64, N x FEATURES)."""
    for i in range(rows.shape[0]):
        read(rows[i], now[i], out[i])


def wanted_of(
    named: NDArray[np.bool_], names: NDArray[np.uint64] = NO_NAMES, types: NDArray[np.uint8] = NO_TYPES
) -> Wanted:
    """What to read for the features that are `named` (bool, `catalogue.FEATURES`), and for traits."""
    windows = sum(1 << bit for bit in range(len(window.ENTRIES)) if named[FIRST_WINDOW + bit])
    parts = sum(1 << bit for bit, part in enumerate(PARTS) if named[list(places_of(part.entries))].any())
    return Wanted(np.uint64(windows), np.uint64(parts), names, types)
