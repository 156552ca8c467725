"""The decision policy: a rulebook and the learned counts, joined into one immutable value.

Priority without context is a number per offer and channel, so the order of a channel's offers is found here, and
a decision only strikes out what does not pass a stage.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.customer_id import CustomerId
from engine.decisions.experiments import ASSIGNMENT, Arm, ArmAssignment
from engine.decisions.funnel.stages import availability, trigger
from engine.decisions.record import Given
from engine.decisions.scoring import Scores
from engine.ports.store import Candidate
from engine.rulebook.explain import Clauses, clauses_of
from engine.rulebook.model import Offer, Rulebook
from models.propensity import Counts

#: Where a cue can be pushed to.
CUE_CHANNELS = ("web", "agent")


class ChannelRanking(msgspec.Struct, frozen=True, eq=False):
    """All O offers as one arm ranks them for one channel.

    ``available`` are the positions of the offers for the channel, best first (``order`` the same as an
    array, ``place[o]`` the position of offer o in it); ``propensity`` and ``priority`` (without context) are
    float64[O]. ``stateless`` are those of them that depend neither on the customer's state nor on a cap: what a
    fallback may give. ``triggers[i]`` are those that indicator i may trigger, best first; empty for a channel that
    takes no cues. ``given`` (O) is how a record notes each offer when its weight is 1 and it has no placement.
    """

    arm: Arm
    channel: str
    available: tuple[int, ...]
    order: NDArray[np.intp]
    place: dict[int, int]
    propensity: NDArray[np.float64]
    priority: NDArray[np.float64]
    stateless: tuple[int, ...]
    triggers: tuple[tuple[int, ...], ...]
    given: tuple[Given, ...]

    def triggered(self, indicators: Sequence[int]) -> tuple[int, ...]:
        """The offers that any of `indicators` (one or more) may trigger, best first."""
        if not self.triggers:
            return ()
        if len(indicators) == 1:
            return self.triggers[indicators[0]]
        joined = {offer for indicator in indicators for offer in self.triggers[indicator]}
        return tuple(sorted(joined, key=self.place.__getitem__))


class Policy(msgspec.Struct, frozen=True, eq=False):
    """A rulebook and the learned counts, ready for decisions; replaced whole when either changes.

    ``rankings`` are by arm and channel, ``elsewhere`` by arm for a channel that no offer names. ``clauses[o]`` are
    those of offer o's rule, ``candidates[o]`` is offer o as the store counts it.
    """

    rulebook: Rulebook
    assignment: ArmAssignment
    rankings: dict[tuple[str, str], ChannelRanking]
    elsewhere: dict[str, ChannelRanking]
    clauses: tuple[Clauses, ...]
    candidates: tuple[Candidate, ...]

    def ranking(self, customer: CustomerId, channel: str) -> ChannelRanking:
        """How the customer's arm ranks the offers for the channel."""
        arm = self.assignment.assign(customer)
        return self.rankings.get((arm.name, channel)) or self.elsewhere[arm.name]


def make_policy(rulebook: Rulebook, counts: Counts, assignment: ArmAssignment = ASSIGNMENT) -> Policy:
    """The policy of `rulebook` after `counts` of outcomes."""
    rankings, elsewhere = {}, {}
    for arm in assignment.arms:
        scores = arm.scoring.fit(rulebook.offers, counts)
        for column, channel in enumerate(scores.channels):
            rankings[arm.name, channel] = _ranking(rulebook, arm, channel, scores, column)
        elsewhere[arm.name] = _ranking(rulebook, arm, "", _nothing(rulebook.offers), 0)
    return Policy(
        rulebook,
        assignment,
        rankings,
        elsewhere,
        clauses_of(rulebook)[rulebook.offer_rule :],
        tuple(map(_candidate, rulebook.offers)),
    )


def _nothing(offers: Sequence[Offer]) -> Scores:
    return Scores(("",), np.zeros((len(offers), 1)), np.zeros((len(offers), 1)))


def _candidate(offer: Offer) -> Candidate:
    return Candidate(offer.id, offer.cap.max, offer.cap.period_ms) if offer.cap else Candidate(offer.id, 0, 0)


def _ranking(rulebook: Rulebook, arm: Arm, channel: str, scores: Scores, column: int) -> ChannelRanking:
    offers = rulebook.offers
    propensity, priority = scores.propensity[:, column], scores.priority[:, column]
    order = arm.arbitration.order(offers, availability(offers, channel), priority)
    available = tuple(order.tolist())
    return ChannelRanking(
        arm,
        channel,
        available,
        order,
        {offer: place for place, offer in enumerate(available)},
        propensity,
        priority,
        tuple(offer for offer in available if _needs_no_state(rulebook, offer)),
        _triggers(rulebook, available) if channel in CUE_CHANNELS else (),
        tuple(
            Given(offer.id, "", p, q, 1.0)
            for offer, p, q in zip(offers, priority.tolist(), propensity.tolist(), strict=True)
        ),
    )


def _triggers(rulebook: Rulebook, available: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    indicators = range(len(rulebook.indicators))
    return tuple(tuple(trigger(available, rulebook, (indicator,))) for indicator in indicators)


def _needs_no_state(rulebook: Rulebook, position: int) -> bool:
    """Whether an offer has no cap, no number of the customer's in its text, and a clause that asks for
    nothing in its rule."""
    offer, program, rule = rulebook.offers[position], rulebook.program, rulebook.offer_rule + position
    clauses = slice(program.first[rule], program.first[rule + 1])
    asked = program.required[clauses] | program.forbidden[clauses]
    return offer.cap is None and "{" not in offer.say and not asked.any(axis=1).all()
