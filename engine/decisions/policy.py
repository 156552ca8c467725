"""The decision policy: a rulebook and the learned counts, joined into one immutable value.

Priority without context is a number per offer and channel, so the order of a channel's offers is found here, and
a decision only strikes out what does not pass a stage.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.consent import NO_LEVELS, ConsentNeed, Levels, need_of
from engine.customer_id import CustomerId
from engine.decisions.experiments import ASSIGNMENT, Arm, ArmAssignment
from engine.decisions.funnel.stages import availability
from engine.decisions.record import Given
from engine.decisions.scoring import Scores
from engine.ports.decision_store import Candidate
from engine.rulebook.explain import Clauses, clauses_in_steps
from engine.rulebook.model import Offer, Rulebook
from engine.steps import Steps, finish
from models.propensity import Counts

#: Where a cue can be pushed to.
CUE_CHANNELS = ("web", "agent")


class ChannelRanking(msgspec.Struct, frozen=True, eq=False):
    """All O offers as one arm ranks them for one channel.

    ``available`` are the positions of the offers for the channel, best first (``order`` the same as an
    array, ``place[o]`` the position of offer o in it); ``propensity`` and ``priority`` (without context) are
    float64[O]. ``stateless`` are those of them that depend neither on the customer's state nor on a cap or
    consent: what a fallback may give. ``triggers[i]`` are those that indicator i may trigger, best first; empty
    for a channel that takes no cues. ``given`` (O) is how a record notes each offer when its weight is 1 and it
    has no placement.
    ``needs`` (O) are the consents that the offers need there, ``consents`` the level of each by name, and
    ``candidates`` (O) the offers as the store counts them there.
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
    needs: tuple[ConsentNeed | None, ...]
    consents: Levels
    candidates: tuple[Candidate, ...]

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
    those of offer o's rule, ``candidates[o]`` is offer o as the store counts it, ``stateless`` are the offers that
    need nothing of the customer's.
    """

    rulebook: Rulebook
    assignment: ArmAssignment
    rankings: dict[tuple[str, str], ChannelRanking]
    elsewhere: dict[str, ChannelRanking]
    clauses: tuple[Clauses, ...]
    candidates: tuple[Candidate, ...]
    stateless: frozenset[int]

    def ranking(self, customer: CustomerId, channel: str) -> ChannelRanking:
        """How the customer's arm ranks the offers for the channel."""
        arm = self.assignment.assign(customer)
        return self._ranking_of(arm.name, channel)

    def cue_rankings(self, arm: str) -> list[ChannelRanking]:
        """How the arm of that name ranks the offers for each of `CUE_CHANNELS`."""
        return [self._ranking_of(arm, channel) for channel in CUE_CHANNELS]

    def _ranking_of(self, arm: str, channel: str) -> ChannelRanking:
        return self.rankings.get((arm, channel)) or self.elsewhere[arm]


def make_policy(
    rulebook: Rulebook, counts: Counts, assignment: ArmAssignment = ASSIGNMENT, levels: Levels = NO_LEVELS
) -> Policy:
    """The policy of `rulebook` after `counts` of outcomes; `levels` of consent are what channels need."""
    return finish(policy_in_steps(rulebook, counts, assignment, levels=levels))


def policy_in_steps(
    rulebook: Rulebook,
    counts: Counts,
    assignment: ArmAssignment = ASSIGNMENT,
    before: Policy | None = None,
    levels: Levels = NO_LEVELS,
) -> Steps[Policy]:
    """As `make_policy`, in steps of a few milliseconds for thousands of offers. What does not depend on the
    counts is taken from `before` when that is of the same rulebook."""
    if before is None or before.rulebook is not rulebook:
        clauses = (yield from clauses_in_steps(rulebook))[rulebook.offer_rule :]
        yield
        candidates, stateless = tuple(map(_candidate, rulebook.offers)), _stateless(rulebook)
        yield
    else:
        clauses, candidates, stateless = before.clauses, before.candidates, before.stateless
    rankings, elsewhere = {}, {}
    for arm in assignment.arms:
        scores = arm.scoring.fit(rulebook.offers, counts)
        yield
        for column, channel in enumerate(scores.channels):
            rankings[arm.name, channel] = yield from _ranking(
                rulebook, candidates, stateless, arm, channel, scores, column, levels
            )
        elsewhere[arm.name] = yield from _ranking(
            rulebook, candidates, stateless, arm, "", _nothing(rulebook.offers), 0, levels
        )
    return Policy(rulebook, assignment, rankings, elsewhere, clauses, candidates, stateless)


def _nothing(offers: Sequence[Offer]) -> Scores:
    return Scores(("",), np.zeros((len(offers), 1)), np.zeros((len(offers), 1)))


def _candidate(offer: Offer) -> Candidate:
    return Candidate(offer.id, offer.cap.max, offer.cap.period_ms) if offer.cap else Candidate(offer.id, 0, 0)


def _ranking(
    rulebook: Rulebook,
    candidates: Sequence[Candidate],
    stateless: frozenset[int],
    arm: Arm,
    channel: str,
    scores: Scores,
    column: int,
    levels: Levels,
) -> Steps[ChannelRanking]:
    offers = rulebook.offers
    propensity, priority = scores.propensity[:, column], scores.priority[:, column]
    order = arm.arbitration.order(offers, availability(offers, channel), priority)
    yield
    available = tuple(order.tolist())
    triggers = _triggers(rulebook, available) if channel in CUE_CHANNELS else ()
    yield
    given = tuple(
        Given(offer.id, "", p, q, 1.0)
        for offer, p, q in zip(offers, priority.tolist(), propensity.tolist(), strict=True)
    )
    yield
    needs = tuple(need_of(offer.purpose, channel, levels) for offer in offers)
    yield
    asked = tuple(
        candidate if need is None else msgspec.structs.replace(candidate, needs=need.argument)
        for candidate, need in zip(candidates, needs, strict=True)
    )
    yield
    return ChannelRanking(
        arm,
        channel,
        available,
        order,
        {offer: place for place, offer in enumerate(available)},
        propensity,
        priority,
        tuple(offer for offer in available if offer in stateless and needs[offer] is None),
        triggers,
        given,
        needs,
        {need.name: need.level for need in needs if need is not None},
        asked,
    )


def _triggers(rulebook: Rulebook, available: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Of each indicator the offers among `available` whose rule names it, in the same order."""
    named: list[list[int]] = [[] for _ in rulebook.indicators]
    for offer in available:
        for indicator in rulebook.mentions[offer]:
            named[indicator].append(offer)
    return tuple(map(tuple, named))


def _stateless(rulebook: Rulebook) -> frozenset[int]:
    """The offers that have no cap, no number of the customer's in their text, and a clause that asks for
    nothing in their rule."""
    program, first = rulebook.program, rulebook.program.first[rulebook.offer_rule :]
    nothing = ~(program.required | program.forbidden).any(axis=1)
    below = np.concatenate([[0], np.cumsum(nothing)])
    always = (below[first[1:]] > below[first[:-1]]).tolist()
    return frozenset(
        position
        for position, offer in enumerate(rulebook.offers)
        if always[position] and offer.cap is None and "{" not in offer.say
    )
