"""A ranking put into words: the answer, the record for the log, and the answer when state is away."""

from __future__ import annotations

from collections.abc import Sequence

from engine.decisions.funnel import FunnelResult, slots
from engine.decisions.policy import Policy
from engine.decisions.reasons import because, why_not
from engine.decisions.record import RECORD_VERSION, DecisionRecord, Given, pack_features
from engine.decisions.request import Answer, DecisionRequest, OfferAnswer
from engine.events import Reason
from engine.rulebook.explain import explain
from engine.rulebook.language.say import render

#: The arm of a comparison that a customer is in; there is one so far.
ARM = "all"

_FALLBACKS = {
    Reason.DEADLINE: "no answer in time: only offers that need no state",
    Reason.STATE_UNAVAILABLE: "the customer's state cannot be read: only offers that need none",
    Reason.RULE_ERROR: "the decision failed: only offers that need no state",
}


def answer(
    ranked: FunnelResult, given: Sequence[int], decision_id: str, staleness_ms: int, currency: str
) -> Answer:
    """The answer that gives the offers `given`, best first."""
    request, rulebook = ranked.request, ranked.policy.rulebook
    others = (
        why_not(rulebook, request.channel, ranked.features, ranked.holds, ranked.capped, given)
        if request.explain
        else ()
    )
    return Answer(
        decision_id,
        request.customer,
        rulebook.revision,
        ranked.now,
        staleness_ms,
        ARM,
        tuple([_given(ranked, offer, rank, currency) for rank, offer in enumerate(given)]),
        others,
        False,
    )


def record_of(ranked: FunnelResult, given: Sequence[int]) -> DecisionRecord:
    """What the log keeps of a decision that gives the offers `given`."""
    request, offers = ranked.request, ranked.policy.rulebook.offers
    return DecisionRecord(
        RECORD_VERSION,
        request.customer,
        request.channel,
        ranked.now,
        ranked.policy.rulebook.revision,
        tuple([_logged(ranked, offer, rank) for rank, offer in enumerate(given)]),
        tuple([offers[offer].id for offer in ranked.capped]),
        pack_features(ranked.features),
    )


def fallback(policy: Policy, request: DecisionRequest, decision_id: str, now: int, reason: Reason) -> Answer:
    """The answer when state cannot be had in time: only offers that ask for none and have no cap.

    Without the row no rule can be judged and without the history no cap, and what suits a customer never
    seen may be wrong for one we know. Nothing of it is counted or logged.
    """
    offers = policy.ranking(request.channel).always[: slots(request)]
    return Answer(
        decision_id,
        request.customer,
        policy.rulebook.revision,
        now,
        0,
        ARM,
        tuple(_stateless(policy, request, offer, rank, now) for rank, offer in enumerate(offers)),
        (because("", reason, _FALLBACKS[reason]),),
        True,
    )


def _given(ranked: FunnelResult, offer: int, rank: int, currency: str) -> OfferAnswer:
    rulebook, values = ranked.policy.rulebook, ranked.values
    chosen = rulebook.offers[offer]
    return OfferAnswer(
        chosen.id,
        chosen.kind,
        _placement(ranked.request, rank),
        rank + 1,
        ranked.priority(offer),
        ranked.propensity(offer),
        chosen.value,
        ranked.weight(offer),
        chosen.boost,
        render(chosen.say, values, currency),
        tuple(explain(rulebook, rulebook.offer_rule + offer, values)),
        ranked.now + chosen.expires_ms,
    )


def _stateless(policy: Policy, request: DecisionRequest, offer: int, rank: int, now: int) -> OfferAnswer:
    chosen, ranking = policy.rulebook.offers[offer], policy.ranking(request.channel)
    return OfferAnswer(
        chosen.id,
        chosen.kind,
        _placement(request, rank),
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


def _logged(ranked: FunnelResult, offer: int, rank: int) -> Given:
    if ranked.weights is None and not ranked.request.placements:
        return ranked.ranking.given[offer]
    return Given(
        ranked.policy.rulebook.offers[offer].id,
        _placement(ranked.request, rank),
        ranked.priority(offer),
        ranked.propensity(offer),
        ranked.weight(offer),
    )


def _placement(request: DecisionRequest, rank: int) -> str:
    return request.placements[rank] if request.placements else ""
