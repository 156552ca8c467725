"""What an offer is worth on a channel: priority = propensity x context weight x value x lever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.rulebook.model import Offer
from models.propensity import Counts, fit


class Scores(msgspec.Struct, frozen=True, eq=False):
    """What is known of O offers before anybody asks. ``channels`` are the C channels that any offer names;
    ``propensity`` (0..1) and ``priority`` (without context) are float64[O, C]."""

    channels: tuple[str, ...]
    propensity: NDArray[np.float64]
    priority: NDArray[np.float64]


class ScoringModel(Protocol):
    """A way to score offers. Registered in an arm (`engine.decisions.experiments`)."""

    def fit(self, offers: Sequence[Offer], counts: Counts) -> Scores:
        """The scores of `offers` after `counts` of outcomes; once for each policy."""

    def in_context(self, priority: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """`priority` (float64[O], of one channel) under the context weights (float64[O]) of one request."""


class ExpectedValue:
    """The product of all four factors, as Pega's arbitration has it; the lever is the offer's boost."""

    def fit(self, offers: Sequence[Offer], counts: Counts) -> Scores:
        table = fit(offers, counts)
        worth = np.array([[offer.value * offer.boost] for offer in offers], np.float64).reshape(-1, 1)
        return Scores(table.channels, table.mean, table.mean * worth)

    def in_context(self, priority: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return priority * weights


def context_weights(context: Mapping[str, float], offers: Sequence[Offer]) -> NDArray[np.float64]:
    """The weight of each offer (float64[O]): that of its id, else of its kind, else 1."""
    return np.array([context.get(offer.id, context.get(offer.kind, 1.0)) for offer in offers], np.float64)
