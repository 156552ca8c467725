"""The stages: each takes offers (positions in the rulebook) and returns those that pass, in the same order.

A new stage is a function here, a field of `Survivors` with its reason, and its text in
`engine.decisions.reasons`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.consent import ConsentNeed, Levels, allows
from engine.rulebook.model import Cap, Offer, Rulebook

#: Offers, best first, and which offers' rules hold: as arrays, or as a tuple and a list.
Positions = NDArray[np.intp] | tuple[int, ...]
Holds = NDArray[np.bool_] | list[bool]

#: Offer id -> when it was given to this customer (epoch ms, ascending); and the consents, by their names.
History = Mapping[str, Sequence[int]]


def availability(offers: Sequence[Offer], channel: str) -> list[int]:
    """Offers for the channel."""
    return [position for position, offer in enumerate(offers) if channel in offer.channels]


def trigger(positions: Sequence[int], rulebook: Rulebook, indicators: Collection[int]) -> list[int]:
    """Offers whose rule names one of the activated `indicators`. Only for cues: a request is its own trigger."""
    return [position for position in positions if not rulebook.mentions[position].isdisjoint(indicators)]


def applicability(positions: Positions, holds: Holds) -> list[int]:
    """Offers whose rule holds; ``holds`` is bool[O]. (Arrays suit a decision's many, lists a cue's few.)"""
    if isinstance(positions, tuple):
        return [offer for offer in positions if holds[offer]]
    passed: list[int] = positions[np.asarray(holds)[positions]].tolist()
    return passed


def consent(
    positions: list[int], needs: Sequence[ConsentNeed | None], asked: Levels, history: History
) -> list[int]:
    """Offers whose needs (one an offer) the consents in `history` allow; `asked` are all needs that there are. The
    store asks again when it takes the cap."""
    refused = [name for name, level in asked.items() if not allows(history.get(name, ()), level)]
    if not refused:
        return positions
    return [i for i in positions if (need := needs[i]) is None or need.name not in refused]


def contact(positions: list[int], offers: Sequence[Offer], history: History, now: int) -> list[int]:
    """Offers whose cap leaves room at `now` (epoch ms). The store asks again when it takes the cap."""
    if not history:
        return positions
    passed = [i for i in positions if not capped(offers[i].cap, history.get(offers[i].id, ()), now)]
    return positions if len(passed) == len(positions) else passed


def capped(cap: Cap | None, given: Sequence[int], now: int) -> bool:
    """Whether `given` (epoch ms, ascending) has reached `cap` within the period that ends at `now`."""
    if cap is None or cap.period_ms <= 0 or len(given) < cap.max:
        return False
    return cap.max == 0 or now - given[-cap.max] < cap.period_ms
