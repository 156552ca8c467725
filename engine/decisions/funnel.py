"""Which offers a customer may get, best first: rules, caps and priority for many customers at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.decisions.policy import ChannelRanking, Policy, best_first
from engine.decisions.request import DecisionRequest
from engine.kernels.catalogue import FEATURES
from engine.kernels.features import read_many
from engine.kernels.predicates import match_many
from engine.rulebook.model import Cap, Offer, Rulebook

#: Offer id -> when it was given to this customer (epoch ms, ascending).
History = Mapping[str, Sequence[int]]


class FunnelResult(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What was found for one request at ``now`` (epoch ms).

    ``features`` (float64[F], ``values`` the same as a list) and ``holds`` (bool[O], the offers' rules) are what
    it was decided on. Of the
    offers that are meant for the channel and hold, ``allowed`` are those not capped and ``capped`` the
    others, both best first. The first `slots` of `allowed` are to be given.
    """

    policy: Policy
    ranking: ChannelRanking
    request: DecisionRequest
    features: NDArray[np.float64]
    values: list[float]
    holds: NDArray[np.bool_]
    allowed: tuple[int, ...]
    capped: tuple[int, ...]
    weights: NDArray[np.float64] | None
    now: int

    def without(self, refused: Collection[int]) -> FunnelResult:
        """The same, had the caps of `refused` been reached."""
        allowed = tuple(i for i in self.allowed if i not in refused)
        return msgspec.structs.replace(self, allowed=allowed, capped=(*self.capped, *refused))

    def weight(self, offer: int) -> float:
        """The context weight of an offer."""
        return 1.0 if self.weights is None else float(self.weights[offer])

    def propensity(self, offer: int) -> float:
        """The propensity of an offer on this channel."""
        return float(self.ranking.propensity[offer])

    def priority(self, offer: int) -> float:
        """Propensity x context weight x value x lever."""
        return float(self.ranking.priority[offer]) * self.weight(offer)


def slots(request: DecisionRequest) -> int:
    """How many offers may be given: the limit, or the placements where fewer."""
    return min(request.limit, len(request.placements)) if request.placements else request.limit


def decide_many(
    policy: Policy,
    requests: Sequence[DecisionRequest],
    rows: NDArray[np.void],
    histories: Sequence[History],
    now: int,
) -> list[FunnelResult]:
    """Decide for N `requests` on their `rows` (N of `ROW`) and `histories` (N) at `now` (epoch ms).

    Features are read once for all and the rules run once for all.
    """
    features = np.empty((len(requests), FEATURES))
    read_many(rows, np.full(len(requests), now), features)
    holds = match_offers(policy.rulebook, features)
    found = zip(requests, histories, features, features.tolist(), holds, strict=True)
    return [_ranked(policy, *one, now) for one in found]


def match_offers(rulebook: Rulebook, features: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which offers' rules hold (bool, N x O) for `features` (float64, N x F)."""
    program = rulebook.program
    truth = np.empty(program.required.shape[1], np.uint64)
    holds = np.empty((len(features), len(program.first) - 1), np.bool_)
    match_many(features, program, truth, holds)
    return holds[:, rulebook.offer_rule :]


def capped(cap: Cap | None, given: Sequence[int], now: int) -> bool:
    """Whether `given` (epoch ms, ascending) has reached `cap` within the period that ends at `now`."""
    if cap is None or cap.period_ms <= 0 or len(given) < cap.max:
        return False
    return cap.max == 0 or now - given[-cap.max] < cap.period_ms


def _ranked(
    chosen: Policy,
    request: DecisionRequest,
    history: History,
    features: NDArray[np.float64],
    values: list[float],
    holds: NDArray[np.bool_],
    now: int,
) -> FunnelResult:
    ranking, offers = chosen.ranking(request.channel), chosen.rulebook.offers
    order, weights = ranking.order, None
    if request.context:
        weights = _weights(request.context, offers)
        order = best_first(order.tolist(), ranking.priority * weights, offers)
    allowed, full = order[holds[order]].tolist(), []
    if history:
        full = [i for i in allowed if capped(offers[i].cap, history.get(offers[i].id, ()), now)]
        allowed = [i for i in allowed if i not in full] if full else allowed
    return FunnelResult(
        chosen, ranking, request, features, values, holds, tuple(allowed), tuple(full), weights, now
    )


def _weights(context: Mapping[str, float], offers: Sequence[Offer]) -> NDArray[np.float64]:
    return np.array([context.get(offer.id, context.get(offer.kind, 1.0)) for offer in offers], np.float64)
