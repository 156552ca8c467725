"""Why an offer was not given: the first stage that held it back, in words with the customer's numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.decisions.request import Suppressed
from engine.events import Reason
from engine.rulebook.explain import explain
from engine.rulebook.model import Cap, Offer, Rulebook

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


def why_not(
    rulebook: Rulebook,
    channel: str,
    features: NDArray[np.float64],
    holds: NDArray[np.bool_],
    capped: Collection[int],
    given: Sequence[int],
) -> tuple[Suppressed, ...]:
    """A reason for every offer that is not among `given`, in the rulebook's order.

    ``features`` (float64[F]) and ``holds`` (bool[O]) are those of the decision, `capped` and `given`
    positions of offers.
    """
    return tuple(
        _reason(rulebook, i, offer, channel, features, bool(holds[i]), i in capped, len(given))
        for i, offer in enumerate(rulebook.offers)
        if i not in given
    )


def because(offer_id: str, reason: Reason, detail: str) -> Suppressed:
    """One reason of one offer (of the whole answer where `offer_id` is empty)."""
    stage, _, code = reason.value.partition(".")
    return Suppressed(offer_id, stage, code, detail)


def _reason(
    rulebook: Rulebook,
    position: int,
    offer: Offer,
    channel: str,
    features: NDArray[np.float64],
    holds: bool,
    capped: bool,
    given: int,
) -> Suppressed:
    if channel not in offer.channels:
        return because(offer.id, Reason.CHANNEL_MISMATCH, f"is for {', '.join(offer.channels)}")
    if not holds:
        needs = explain(rulebook, rulebook.offer_rule + position, features)
        return because(offer.id, Reason.NOT_APPLICABLE, "; ".join(needs))
    if capped:
        return because(offer.id, Reason.CAP_PERIOD, _cap_words(offer.cap))
    return because(offer.id, Reason.OUTRANKED, f"holds, but the {given} given rank higher")


def _cap_words(cap: Cap | None) -> str:
    """``at most 2 in 7 d, reached``."""
    if cap is None:
        return "reached"
    size, unit = next((s, u) for s, u in _UNITS if cap.period_ms % s == 0)
    return f"at most {cap.max} in {cap.period_ms // size} {unit}, reached"
