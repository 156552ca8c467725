"""The feature catalogue as the rest of the engine reads it: every feature with its place in the vector, by name.

Declared in `engine.kernels.catalogue`, where compiled code finds the places too.
"""

from __future__ import annotations

import msgspec

from engine.kernels.catalogue import ENTRIES


class Feature(msgspec.Struct, frozen=True):
    """One feature: public name, position in the vector, unit, meaning.

    ``grows_ms``: for a time since something, the milliseconds in which it grows by 1 while the customer
    is silent (0: it does not grow). Thresholds on such features become timers. ``reach``: how far back it looks.
    """

    name: str
    index: int
    unit: str
    meaning: str
    grows_ms: int
    reach: str


CATALOGUE: tuple[Feature, ...] = tuple(
    Feature(entry.name, index, entry.unit, entry.meaning, entry.grows_ms, entry.reach)
    for index, entry in enumerate(ENTRIES)
)

BY_NAME: dict[str, Feature] = {feature.name: feature for feature in CATALOGUE}
