"""In which ways the offers of one moment fill the slots of cues, and what of their cues follows from that alone.

Nothing here depends on who the customer is: moments with the same arm, indicators and queues share it.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

import msgspec

from engine.consent import arguments_of
from engine.decisions.policy import CUE_CHANNELS, ChannelRanking, Policy
from engine.decisions.record import Given
from engine.rulebook.explain import Clauses
from engine.rulebook.model import Offer

#: The slot of the website.
WEB = CUE_CHANNELS.index("web")


class Way(msgspec.Struct, frozen=True, gc=False):
    """The slots that an offer fills, and its place in each slot's queue, from 1; 0 in those left to another."""

    slots: tuple[int, ...]
    places: tuple[int, ...]


@functools.lru_cache(maxsize=4096)  # customers differ, the queues of one rulebook hardly
def ways_to_fill(*queues: tuple[int, ...]) -> tuple[tuple[int, tuple[Way, ...]], ...]:
    """In which ways each offer can fill slots, when each slot is filled by the first of its queue (offers, best
    first) whose cap leaves room."""
    offers = dict.fromkeys(offer for queue in queues for offer in queue)
    return tuple((offer, tuple(_ways(offer, queues))) for offer in offers)


def _ways(offer: int, queues: Sequence[Sequence[int]]) -> Iterator[Way]:
    """It fills some slots and no other when all before it there are capped, and elsewhere one before it is not."""
    before = {slot: queue[: queue.index(offer)] for slot, queue in enumerate(queues) if offer in queue}
    for size in range(1, len(before) + 1):
        for slots in combinations(before, size):
            capped = {ahead for slot in slots for ahead in before[slot]}
            if all(set(ahead) - capped for slot, ahead in before.items() if slot not in slots):
                yield Way(slots, tuple(len(before[i]) + 1 if i in slots else 0 for i in range(len(queues))))


class PlannedWay(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A way as its cue and its record say it.

    ``channel`` is the most promising, for which outcomes count unless their reporter has ``others`` only;
    ``channels`` are all, it first. ``capped`` are the offers before it there, by id.
    """

    places: tuple[int, ...]
    channel: str
    channels: tuple[str, ...]
    others: tuple[str, ...]
    on_web: bool
    needs: str
    given: tuple[Given, ...]
    capped: tuple[str, ...]


class PlannedOffer(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An offer, the activated ``indicator`` that it names, its cap as the store counts it, and its ``ways``."""

    offer: Offer
    indicator: str
    clauses: Clauses
    cap_max: int
    cap_period_ms: int
    ways: tuple[PlannedWay, ...]


class Planned(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The offers of a moment, and the names of the indicators that it ``activated``."""

    activated: tuple[str, ...]
    offers: tuple[PlannedOffer, ...]


def plan(
    policy: Policy,
    rankings: Sequence[ChannelRanking],
    indicators: Sequence[int],
    queues: Sequence[tuple[int, ...]],
) -> Planned:
    """What `queues` (offers, best first, by slot) come to when `indicators` were activated; ``rankings`` are those
    of the slots."""
    activated = tuple([policy.rulebook.indicators[i].name for i in indicators])
    offers = []
    for position, ways in ways_to_fill(*queues):
        offer, counted = policy.rulebook.offers[position], policy.candidates[position]
        offers.append(
            PlannedOffer(
                offer,
                _named(activated, indicators, policy.rulebook.mentions[position]),
                policy.clauses[position],
                counted.cap_max,
                counted.cap_period_ms,
                tuple(_planned_way(policy, rankings, queues, position, way) for way in ways),
            )
        )
    return Planned(activated, tuple(offers))


def _planned_way(
    policy: Policy,
    rankings: Sequence[ChannelRanking],
    queues: Sequence[tuple[int, ...]],
    position: int,
    way: Way,
) -> PlannedWay:
    """Two cues of one moment have no channel in common, so that the first makes their ids different. The record of
    a cue says that the offers before it were capped, else it would not be sent; the store notes which of them
    consent kept back."""
    slots = sorted(way.slots, key=lambda slot: -rankings[slot].given[position].priority)
    best = slots[0]
    channels = tuple([CUE_CHANNELS[slot] for slot in slots])
    before = queues[best][: way.places[best] - 1]
    return PlannedWay(
        way.places,
        channels[0],
        channels,
        channels[1:],
        WEB in slots,
        arguments_of(*[rankings[slot].needs[position] for slot in slots]),
        (rankings[best].given[position],),
        tuple([policy.rulebook.offers[offer].id for offer in before]),
    )


def _named(activated: Sequence[str], indicators: Sequence[int], mentioned: Collection[int]) -> str:
    """The activated indicator that the offer names; the first in the rulebook of several."""
    if len(activated) > 1:
        for position, name in zip(indicators, activated, strict=True):
            if position in mentioned:
                return name
    return activated[0]
