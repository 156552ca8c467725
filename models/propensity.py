"""How likely a customer is to take an offer on a channel: a Beta-Bernoulli for each pair.

The prior is Beta(alpha, beta) with ``alpha = propensity * evidence`` and ``beta = (1 - propensity) *
evidence``; the outcomes of the pair add to it (conjugate update, e.g. Gelman et al., Bayesian Data
Analysis, 3rd ed., section 2.4). What is used is the posterior's mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

#: (offer, channel) -> (successes, failures), of which some may weigh less than 1
Counts = Mapping[tuple[str, str], tuple[float, float]]


class Prior(Protocol):
    """What the model wants to know of an offer: where it may appear, what is believed, how firmly."""

    @property
    def id(self) -> str: ...
    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def propensity(self) -> float: ...
    @property
    def evidence(self) -> float: ...


class PropensityTable(msgspec.Struct, frozen=True, eq=False):
    """Posterior means, ``mean[offer, channel]``, float64 in 0..1; replaced whole, never changed.

    ``channels`` are all channels that any offer names, sorted.
    """

    offers: tuple[Prior, ...]
    channels: tuple[str, ...]
    mean: NDArray[np.float64]
    counts: Counts


def posterior_mean(
    propensity: NDArray[np.float64],
    evidence: NDArray[np.float64],
    successes: NDArray[np.float64],
    failures: NDArray[np.float64],
) -> NDArray[np.float64]:
    """``(alpha + s) / (alpha + beta + s + f)``; where nothing is known at all (no evidence, no outcome)
    the prior's mean itself."""
    weight = evidence + successes + failures
    learned = propensity * evidence + successes
    return np.divide(learned, weight, out=np.broadcast_to(propensity, weight.shape).copy(), where=weight > 0)


def fit(offers: Sequence[Prior], counts: Counts) -> PropensityTable:
    """The table for `offers` (a rulebook's) after `counts`. Counts of offers not among them are left out."""
    channels = tuple(sorted({channel for offer in offers for channel in offer.channels}))
    seen = np.zeros((2, len(offers), len(channels)))
    of_offer = {offer.id: i for i, offer in enumerate(offers)}
    of_channel = {channel: j for j, channel in enumerate(channels)}
    known = [
        (of_offer[offer_id], of_channel[channel], *learned)
        for (offer_id, channel), learned in counts.items()
        if offer_id in of_offer and channel in of_channel
    ]
    if known:
        places = np.array([one[:2] for one in known]).T
        seen[:, *places] = np.array([one[2:] for one in known]).T
    mean = posterior_mean(
        np.array([[offer.propensity] for offer in offers]).reshape(-1, 1),
        np.array([[offer.evidence] for offer in offers]).reshape(-1, 1),
        *seen,
    )
    mean.flags.writeable = False
    return PropensityTable(tuple(offers), channels, mean, dict(counts))
