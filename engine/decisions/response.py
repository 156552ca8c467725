"""The answer from the funnel's result, and the fallback without state."""

from __future__ import annotations

from collections.abc import Sequence

from engine.decisions.funnel.result import FunnelResult
from engine.decisions.policy import Policy
from engine.decisions.reasons import because, why_not
from engine.decisions.request import Answer, DecisionRequest, OfferAnswer
from engine.events import Reason
from engine.rulebook.explain import why
from engine.rulebook.language.say import render

_FALLBACKS = {
    Reason.DEADLINE: "no answer in time: only offers that need no state",
    Reason.STATE_UNAVAILABLE: "the customer's state cannot be read: only offers that need none",
    Reason.RULE_ERROR: "the decision failed: only offers that need no state",
}


def answer(
    request: DecisionRequest, result: FunnelResult, decision_id: str, staleness_ms: int, currency: str
) -> Answer:
    """The answer to `request` that gives what `result` gives."""
    rulebook = result.policy.rulebook
    return Answer(
        decision_id,
        request.customer,
        rulebook.revision,
        result.now,
        staleness_ms,
        result.ranking.arm.name,
        tuple([_given(request, result, offer, rank, currency) for rank, offer in enumerate(result.given)]),
        why_not(rulebook, result.values, result.survivors) if request.explain else (),
        False,
    )


def fallback(policy: Policy, request: DecisionRequest, decision_id: str, now: int, reason: Reason) -> Answer:
    """The answer when state cannot be had in time: only offers that ask for none and have no cap.

    Without the row no rule can be evaluated and without the history no cap, and what suits a customer never
    seen may be wrong for one we know. Nothing of it is counted or logged.
    """
    ranking = policy.ranking(request.customer, request.channel)
    offers = ranking.stateless[: request.slots]
    return Answer(
        decision_id,
        request.customer,
        policy.rulebook.revision,
        now,
        0,
        ranking.arm.name,
        tuple(_stateless(policy, request, offer, rank, now) for rank, offer in enumerate(offers)),
        (because("", reason, _FALLBACKS[reason]),),
        True,
    )


def placement(placements: Sequence[str], rank: int) -> str:
    """The placement of the offer of that rank (from 0); empty where none was asked for."""
    return placements[rank] if placements else ""


def _given(request: DecisionRequest, result: FunnelResult, offer: int, rank: int, currency: str) -> OfferAnswer:
    policy, values = result.policy, result.values
    chosen = policy.rulebook.offers[offer]
    return OfferAnswer(
        chosen.id,
        chosen.kind,
        placement(request.placements, rank),
        rank + 1,
        result.priority(offer),
        result.propensity(offer),
        chosen.value,
        result.weight(offer),
        chosen.boost,
        render(chosen.say, values, currency),
        tuple(why(policy.clauses[offer], values)),
        result.now + chosen.expires_ms,
    )


def _stateless(policy: Policy, request: DecisionRequest, offer: int, rank: int, now: int) -> OfferAnswer:
    chosen, ranking = policy.rulebook.offers[offer], policy.ranking(request.customer, request.channel)
    return OfferAnswer(
        chosen.id,
        chosen.kind,
        placement(request.placements, rank),
        rank + 1,
        float(ranking.priority[offer]),
        float(ranking.propensity[offer]),
        chosen.value,
        1.0,
        chosen.boost,
        chosen.say,
        (),
        now + chosen.expires_ms,
    )
