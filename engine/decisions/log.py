"""The decision log: what is recorded of a decision or cue, and every candidate's reason recomputed from it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from engine.consent import split_name
from engine.customer_id import CustomerId
from engine.decisions.funnel.result import FunnelResult
from engine.decisions.funnel.run import match_offers
from engine.decisions.funnel.stages import applicability, availability, trigger
from engine.decisions.funnel.survivors import Survivors
from engine.decisions.reasons import why_not
from engine.decisions.record import RECORD_VERSION, DecisionRecord, Given
from engine.decisions.request import Suppressed
from engine.decisions.response import placement
from engine.rulebook.explain import explain
from engine.rulebook.model import Rulebook
from engine.state.catalogue import CATALOGUE


def record_of(
    result: FunnelResult,
    customer: CustomerId,
    given: Sequence[int],
    capped: Sequence[int],
    placements: Sequence[str] = (),
    unconsented: Sequence[int] = (),
) -> DecisionRecord:
    """The record of a decision that gives the offers `given` (positions), best first, where caps held
    `capped` back and consent `unconsented`."""
    ranking, rulebook = result.ranking, result.policy.rulebook
    offers = rulebook.offers
    return DecisionRecord(
        RECORD_VERSION,
        customer,
        ranking.channel,
        result.now,
        rulebook.revision,
        tuple([ranking.given[offer] for offer in given])
        if result.weights is None and not placements
        else _noted(result, given, placements),
        tuple([offers[offer].id for offer in capped]) if capped else (),
        result.packed,
        arm=ranking.arm.name,
        unconsented=tuple([offers[offer].id for offer in unconsented]) if unconsented else (),
    )


def _noted(result: FunnelResult, given: Sequence[int], placements: Sequence[str]) -> tuple[Given, ...]:
    offers = result.policy.rulebook.offers
    return tuple(
        Given(
            offers[offer].id,
            placement(placements, rank),
            result.priority(offer),
            result.propensity(offer),
            result.weight(offer),
        )
        for rank, offer in enumerate(given)
    )


class GivenOffer(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An offer as it was given."""

    offer_id: str
    placement: str
    rank: int
    priority: float
    propensity: float
    context_weight: float
    why: tuple[str, ...]


class Withheld(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An offer that was not sent as a cue, and one consent for want of which it was not; ``detail`` says so."""

    offer_id: str
    purpose: str
    channel: str
    detail: str


class LoggedDecision(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A decision from the log. ``features`` are the customer's numbers at the moment (null: no value).

    ``complete`` is false when the rulebook of that ``revision`` is no longer at hand: then the offers given
    are shown without their reasons and the others not at all. ``indicator``: the one that triggered it, for a cue.
    ``withheld``: of a cue that was not sent, why.
    """

    decision_id: str
    customer_id: str
    channel: str
    at: int
    revision: str
    indicator: str
    offers: tuple[GivenOffer, ...]
    suppressed: tuple[Suppressed, ...]
    features: dict[str, float | None]
    complete: bool
    withheld: tuple[Withheld, ...] = ()


def recall(decision_id: str, record: DecisionRecord, rulebook: Rulebook | None) -> LoggedDecision:
    """`record` with its reasons; `rulebook` is the one of its revision, None when it is gone."""
    values = record.vector(len(rulebook.traits) if rulebook else 0).tolist()
    return LoggedDecision(
        decision_id,
        record.customer,
        record.channel,
        record.at,
        record.revision,
        record.indicator,
        tuple(_given(record, rank, given, values, rulebook) for rank, given in enumerate(record.sent)),
        () if rulebook is None else why_not(rulebook, values, survivors_of(record, rulebook)),
        {feature.name: values[feature.index] for feature in CATALOGUE},
        rulebook is not None,
        withheld_in(record),
    )


def withheld_in(record: DecisionRecord) -> tuple[Withheld, ...]:
    """What was not sent, for each consent that was missing."""
    missing = [found for name in record.withheld if (found := split_name(name))]
    return tuple(
        Withheld(
            offer.offer_id, purpose, channel,
            f"was not sent: there is no consent to {purpose} on {channel}, or it was revoked",
        )
        for offer in record.given
        for purpose, channel in missing
    )  # fmt: skip


def survivors_of(record: DecisionRecord, rulebook: Rulebook) -> Survivors:
    """What the stages had left: the first three follow from the rulebook, the others are in the record."""
    position = _positions(rulebook)
    available = triggered = availability(rulebook.offers, record.channel)
    if record.indicator:
        names = set(record.activated or (record.indicator,))
        activated = [i for i, indicator in enumerate(rulebook.indicators) if indicator.name in names]
        triggered = trigger(available, rulebook, activated)
    holds = match_offers(rulebook, record.vector(len(rulebook.traits)).reshape(1, -1))[0]
    applicable = applicability(np.array(triggered, np.intp), holds)
    given = [position[given.offer_id] for given in record.sent]
    # of a cue they may have been kept back on one channel and given on another
    unconsented = {position[offer] for offer in record.unconsented}.difference(given)
    consented = [offer for offer in applicable if offer not in unconsented]
    capped = {position[offer] for offer in record.capped}
    if record.withheld:  # whatever else could have been sent was kept back by its cap
        capped |= {offer for offer in consented if rulebook.offers[offer].cap is not None}
    contactable = [offer for offer in consented if offer not in capped]
    return Survivors(available, triggered, applicable, consented, contactable, given)


def _given(
    record: DecisionRecord, rank: int, given: Given, values: list[float], rulebook: Rulebook | None
) -> GivenOffer:
    why: tuple[str, ...] = ()
    if rulebook is not None:
        why = tuple(explain(rulebook, rulebook.offer_rule + _positions(rulebook)[given.offer_id], values))
    return GivenOffer(
        given.offer_id, given.placement, rank + 1, given.priority, given.propensity, given.context_weight, why
    )


def _positions(rulebook: Rulebook) -> dict[str, int]:
    return {offer.id: i for i, offer in enumerate(rulebook.offers)}
