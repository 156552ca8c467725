"""What can be settled before anybody asks: a rulebook and a propensity table, joined.

Priority without context is a number per offer and channel, so the order of a channel's offers is
computed once for each pair of rulebook and table, and a decision only strikes out what does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.decisions.record import Given
from engine.ports import Candidate
from engine.rulebook.explain import Clauses, clauses_of
from engine.rulebook.model import Offer, Rulebook
from models.propensity import Counts, PropensityTable, fit

#: Where a cue can be pushed to.
CUE_CHANNELS = ("web", "agent")


class ChannelRanking(msgspec.Struct, frozen=True, eq=False):
    """One channel's view of all O offers.

    ``order`` are the positions of the offers meant for the channel, best first; ``propensity`` and
    ``priority`` (propensity x value x lever) are float64[O], ``on`` bool[O]. ``always`` are those of
    `order` that depend neither on the customer's state nor on a cap: what a fallback may give. ``given`` (O) is
    how a record tells each offer when its weight is 1 and it has no placement.
    """

    channel: str
    on: NDArray[np.bool_]
    propensity: NDArray[np.float64]
    priority: NDArray[np.float64]
    order: NDArray[np.intp]
    always: tuple[int, ...]
    given: tuple[Given, ...]


class Trigger(msgspec.Struct, frozen=True, eq=False):
    """An offer as a cue: ``channels`` it may be pushed to, the most promising first, ``clauses`` of its rule,
    ``given`` as its record tells it, ``counted`` as the store counts it."""

    offer: Offer
    channels: tuple[str, ...]
    clauses: Clauses
    given: tuple[Given]
    counted: Candidate


class Policy(msgspec.Struct, frozen=True, eq=False):
    """A rulebook and what was learned, ready to decide with; immutable, and replaced whole when either changes.
    ``cues[i]`` are the offers that indicator i may trigger, best first. ``candidates[o]`` is offer o as the store
    counts it."""

    rulebook: Rulebook
    table: PropensityTable
    rankings: dict[str, ChannelRanking]
    nowhere: ChannelRanking
    cues: tuple[tuple[Trigger, ...], ...]
    candidates: tuple[Candidate, ...]

    def ranking(self, channel: str) -> ChannelRanking:
        """The channel's ranking; for a channel that no offer names, one without offers."""
        return self.rankings.get(channel, self.nowhere)


def _candidate(offer: Offer) -> Candidate:
    return Candidate(offer.id, offer.cap.max, offer.cap.period_ms) if offer.cap else Candidate(offer.id, 0, 0)


def make_policy(rulebook: Rulebook, counts: Counts) -> Policy:
    """The policy of `rulebook` after `counts` of outcomes."""
    table = fit(rulebook.offers, counts)
    offers = rulebook.offers
    always = {i for i in range(len(offers)) if _needs_no_state(rulebook, i)}
    worth = np.array([offer.value * offer.boost for offer in offers], np.float64)
    rankings = {
        channel: _ranking(channel, offers, table.mean[:, column], worth, always)
        for column, channel in enumerate(table.channels)
    }
    nothing = np.zeros(len(offers))
    return Policy(
        rulebook,
        table,
        rankings,
        _ranking("", offers, nothing, nothing, set()),
        _cues(rulebook, rankings),
        tuple(map(_candidate, offers)),
    )


def best_first(
    positions: Sequence[int], priority: NDArray[np.float64], offers: Sequence[Offer]
) -> NDArray[np.intp]:
    """`positions` by falling priority; equal ones by id, so that nothing depends on the order of files."""
    ranked = sorted(positions, key=lambda i: (-priority[i], offers[i].id))
    return np.array(ranked, np.intp)


def _ranking(
    channel: str,
    offers: Sequence[Offer],
    propensity: NDArray[np.float64],
    worth: NDArray[np.float64],
    always: set[int],
) -> ChannelRanking:
    on = np.array([channel in offer.channels for offer in offers], np.bool_)
    priority = propensity * worth
    order = best_first(np.flatnonzero(on).tolist(), priority, offers)
    given = tuple(
        Given(offer.id, "", p, q, 1.0)
        for offer, p, q in zip(offers, priority.tolist(), propensity.tolist(), strict=True)
    )
    return ChannelRanking(
        channel, on, propensity, priority, order, tuple(i for i in order.tolist() if i in always), given
    )


def _needs_no_state(rulebook: Rulebook, position: int) -> bool:
    """Whether an offer has no cap, no number of the customer's in its text, and a clause that asks for
    nothing in its rule."""
    offer, program, rule = rulebook.offers[position], rulebook.program, rulebook.offer_rule + position
    clauses = slice(program.first[rule], program.first[rule + 1])
    asked = program.required[clauses] | program.forbidden[clauses]
    return offer.cap is None and "{" not in offer.say and not asked.any(axis=1).all()


def _cues(rulebook: Rulebook, rankings: dict[str, ChannelRanking]) -> tuple[tuple[Trigger, ...], ...]:
    best = np.zeros(len(rulebook.offers))
    pushed = np.zeros(len(rulebook.offers), np.bool_)
    for channel in CUE_CHANNELS:
        if channel in rankings:
            best = np.where(rankings[channel].on, np.maximum(best, rankings[channel].priority), best)
            pushed |= rankings[channel].on
    triggered: list[list[int]] = [[] for _ in rulebook.indicators]
    for offer in np.flatnonzero(pushed).tolist():
        for indicator in rulebook.mentions[offer]:
            triggered[indicator].append(offer)
    pushes = {offer: _push(rulebook, offer, rankings) for offer in {offer for some in triggered for offer in some}}
    orders = [best_first(offers, best, rulebook.offers).tolist() for offers in triggered]
    return tuple(tuple(pushes[offer] for offer in order) for order in orders)


def _push(rulebook: Rulebook, position: int, rankings: dict[str, ChannelRanking]) -> Trigger:
    offer = rulebook.offers[position]
    named = [channel for channel in CUE_CHANNELS if channel in offer.channels]
    channels = tuple(sorted(named, key=lambda channel: -rankings[channel].priority[position]))
    clauses = clauses_of(rulebook)[rulebook.offer_rule + position]
    return Trigger(offer, channels, clauses, (rankings[channels[0]].given[position],), _candidate(offer))
