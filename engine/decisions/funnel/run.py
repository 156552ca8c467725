"""The funnel: which offers a customer gets on a channel. Decisions and cues both come `through_stages`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.decisions.funnel.result import FunnelResult
from engine.decisions.funnel.stages import History, Holds, Positions, applicability, consent, contact
from engine.decisions.funnel.survivors import Survivors
from engine.decisions.policy import ChannelRanking, Policy
from engine.decisions.record import pack_features
from engine.decisions.request import DecisionRequest
from engine.decisions.scoring import context_weights
from engine.kernels.predicates import match_many
from engine.rulebook.model import Rulebook
from engine.state.vector import each_of, vectors_of


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
    moments = np.empty(len(requests), np.int64)
    moments.fill(now)  # `np.full` takes four times as long
    features = vectors_of(rows, moments, policy.rulebook.columns)
    holds = match_offers(policy.rulebook, features)
    asked = zip(requests, histories, each_of(features), holds, pack_features(features), strict=True)
    return [
        _decide(policy, request, history, values, held, packed, now)
        for request, history, values, held, packed in asked
    ]


def match_offers(rulebook: Rulebook, features: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which offers' rules hold (bool, N x O) for `features` (float64, N x F, and the rulebook's traits)."""
    if features.shape[1] != rulebook.columns.width:  # compiled code does not look
        raise ValueError(f"{rulebook.columns.width} values are needed, not {features.shape[1]}")
    program = rulebook.program
    truth = np.empty(program.required.shape[1], np.uint64)
    holds = np.empty((len(features), len(program.first) - 1), np.bool_)
    match_many(features, truth, holds, *program)
    return holds[:, rulebook.offer_rule :]


def funnel(
    policy: Policy,
    ranking: ChannelRanking,
    order: Positions,
    values: Sequence[float],
    holds: Holds,
    history: History | None,
    slots: int,
    now: int,
    packed: bytes,
    weights: NDArray[np.float64] | None = None,
    priorities: NDArray[np.float64] | None = None,
) -> FunnelResult:
    """Send the candidates in `order` (best first; those of `ranking.available` that were triggered) through the
    stages, at `now` (epoch ms).

    ``values`` (the features, F; ``packed`` as stored) and ``holds`` (bool[O], the offers' rules) are the
    customer's, `history` is None where only the store knows it.
    """
    triggered = order if isinstance(order, tuple) else ranking.available
    applicable, consented, contactable = through_stages(policy, ranking, order, holds, history, now)
    given = ranking.arm.arbitration.select(contactable, slots)
    survivors = Survivors(ranking.available, triggered, applicable, consented, contactable, given)
    return FunnelResult(policy, ranking, values, survivors, slots, now, packed, weights, priorities)


def through_stages(
    policy: Policy, ranking: ChannelRanking, order: Positions, holds: Holds, history: History | None, now: int
) -> tuple[list[int], list[int], list[int]]:
    """Those of `order` that are applicable, those of them to which there is consent, and those of these that may
    be given, as for `funnel`."""
    applicable = applicability(order, holds)
    if history is None:
        return applicable, applicable, applicable
    consented = consent(applicable, ranking.needs, ranking.consents, history)
    return applicable, consented, contact(consented, policy.rulebook.offers, history, now)


def _decide(
    policy: Policy,
    request: DecisionRequest,
    history: History,
    values: Sequence[float],
    holds: NDArray[np.bool_],
    packed: bytes,
    now: int,
) -> FunnelResult:
    ranking = policy.ranking(request.customer, request.channel)
    if not request.context:
        return funnel(policy, ranking, ranking.order, values, holds, history, request.slots, now, packed)
    offers, arm = policy.rulebook.offers, ranking.arm
    weights = context_weights(request.context, offers)
    priorities = arm.scoring.in_context(ranking.priority, weights)
    order = arm.arbitration.order(offers, ranking.available, priorities)
    return funnel(policy, ranking, order, values, holds, history, request.slots, now, packed, weights, priorities)
