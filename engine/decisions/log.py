"""A logged decision told again: every candidate and every reason, from its record and its rulebook."""

from __future__ import annotations

import msgspec

from engine.decisions.funnel import match_offers
from engine.decisions.reasons import why_not
from engine.decisions.record import DecisionRecord, Given
from engine.decisions.request import Suppressed
from engine.rulebook.explain import explain
from engine.rulebook.model import Rulebook
from engine.state.catalogue import CATALOGUE


class GivenOffer(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An offer as it was given."""

    offer_id: str
    placement: str
    rank: int
    priority: float
    propensity: float
    context_weight: float
    why: tuple[str, ...]


class LoggedDecision(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A decision from the log. ``features`` are the customer's numbers at the moment (null: no value).

    ``complete`` is false when the rulebook of that ``revision`` is no longer at hand: then the offers given
    are told without their reasons and the others not at all. ``indicator``: the one that rose, for a cue.
    """

    decision_id: str
    customer_id: str
    channel: str
    at: int
    revision: str
    indicator: str
    offers: tuple[GivenOffer, ...]
    suppressed: tuple[Suppressed, ...]
    features: dict[str, float]
    complete: bool


def recall(decision_id: str, record: DecisionRecord, rulebook: Rulebook | None) -> LoggedDecision:
    """Tell `record` again; `rulebook` is the one of its revision, None when it is gone."""
    vector = record.vector()
    return LoggedDecision(
        decision_id,
        record.customer,
        record.channel,
        record.at,
        record.revision,
        record.indicator,
        tuple(_given(record, rank, given, rulebook) for rank, given in enumerate(record.given)),
        () if rulebook is None else _others(record, rulebook),
        {feature.name: float(vector[feature.index]) for feature in CATALOGUE},
        rulebook is not None,
    )


def _given(record: DecisionRecord, rank: int, given: Given, rulebook: Rulebook | None) -> GivenOffer:
    why: tuple[str, ...] = ()
    if rulebook is not None:
        rule = rulebook.offer_rule + _positions(rulebook)[given.offer_id]
        why = tuple(explain(rulebook, rule, record.vector()))
    return GivenOffer(
        given.offer_id, given.placement, rank + 1, given.priority, given.propensity, given.context_weight, why
    )


def _others(record: DecisionRecord, rulebook: Rulebook) -> tuple[Suppressed, ...]:
    at, vector = _positions(rulebook), record.vector()
    holds = match_offers(rulebook, vector.reshape(1, -1))[0]
    given = [at[offer.offer_id] for offer in record.given]
    return why_not(rulebook, record.channel, vector, holds, {at[name] for name in record.capped}, given)


def _positions(rulebook: Rulebook) -> dict[str, int]:
    return {offer.id: i for i, offer in enumerate(rulebook.offers)}
