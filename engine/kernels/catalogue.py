"""The features, in the order of the vector: what a rule may name, its unit, and what it means to an operator.

Each group of the row (`engine.kernels.groups`) declares its own; `engine.kernels.features` reads them.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
from typing import Any

from engine.kernels.entry import SESSION
from engine.kernels.entry import Entry as Entry
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

#: Of the moment, not of the customer.
MOMENT = (
    Entry("now.hour", "h", "hour of the day, UTC, 0..23", reach=SESSION),
    Entry("now.weekday", "", "day of the week, UTC, Monday is 0", reach=SESSION),
)

ENTRIES: tuple[Entry, ...] = (
    *session.ENTRIES,
    *window.ENTRIES,
    *cart.ENTRIES,
    *order_features.ENTRIES,
    *contact_features.ENTRIES,
    *recent.ENTRIES,
    *life.ENTRIES,
    *item.ENTRIES,
    *category.ENTRIES,
    *trait.ENTRIES,
    *MOMENT,
)

FEATURES = len(ENTRIES)

FIRST_WINDOW = ENTRIES.index(window.ENTRIES[0])


def places_of(entries: Iterable[Entry]) -> Any:
    """The places of some entries in the vector, by name with an underscore for the dot: constants to compiled
    code."""
    places = {entry.name.replace(".", "_"): ENTRIES.index(entry) for entry in entries}
    return namedtuple("Index", places)(**places)


#: The place of each feature.
INDEX: Any = places_of(ENTRIES)
