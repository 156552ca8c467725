"""Which cues to send when indicators are activated: for each channel the best offer that names one of them.

All indicators that are activated at one moment of a customer are one question, so one event gives each channel one
cue at most. Nothing depends on a clock or on chance: a replayed batch gives the same cues under the same ids.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from itertools import combinations

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.consent import arguments_of
from engine.customer_id import CustomerId, customer_id
from engine.decisions.funnel.result import FunnelResult
from engine.decisions.funnel.run import funnel, match_offers
from engine.decisions.log import record_of
from engine.decisions.policy import CUE_CHANNELS, Policy
from engine.decisions.record import encode_record, pack_features
from engine.decisions.web_text import web_text
from engine.events import Cue
from engine.kernels.provenance import ANONYMOUS, SIGNED
from engine.ports.stream_store import CueCandidate, CueChoice
from engine.rulebook.explain import why
from engine.rulebook.language.say import render
from engine.state.vector import each_of, vectors_of_activations

#: The slot of the website.
WEB = CUE_CHANNELS.index("web")

#: How many candidates of a channel the store is given: where a cap holds back the best, the next is sent.
CANDIDATES = 3

_encode = msgspec.json.Encoder().encode

#: Columns of an activation.
_READ = ("slot", "event", "at", "received_at", "indicator", "provenance")


class TriggerMoment(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The indicators (positions) that one event, or inactivity up to a moment, activated for one customer.

    ``at`` is event time, ``received_at`` the wall time at which the event was received (epoch ms; 0: inactivity).
    ``event_id`` is the hash of the event's id, 0 for inactivity: with customer and ``at`` it names the moment.
    ``provenance`` are its flags (`engine.kernels.provenance`).
    """

    customer: bytes
    event_id: int
    at: int
    received_at: int
    indicators: tuple[int, ...]
    row: int
    provenance: int = 0


def moments(
    customers: Sequence[bytes], activations: NDArray[np.void], event_ids: NDArray[np.uint64]
) -> list[TriggerMoment]:
    """`activations` (`ACTIVATION`, N, as the kernels wrote them, each of ``customers[i]``) by moment.

    ``event_ids`` are those of the events that ``activations["event"]`` counts. ``row`` of a moment is the first of
    its activations: all of them carry the same features.
    """
    columns = [activations[name].tolist() for name in _READ]
    found: list[TriggerMoment] = []
    last, indicators = None, []
    for row, (slot, event, at, received_at, indicator, flags) in enumerate(zip(*columns, strict=True)):
        if (slot, event, at) == last:
            indicators.append(indicator)
            found[-1] = msgspec.structs.replace(found[-1], indicators=tuple(indicators))
            continue
        last, indicators = (slot, event, at), [indicator]
        event_id = int(event_ids[event]) if event >= 0 else 0
        found.append(TriggerMoment(customers[row], event_id, at, received_at, (indicator,), row, flags))
    return found


def choose(
    policy: Policy,
    customers: Sequence[bytes],
    activations: NDArray[np.void],
    event_ids: NDArray[np.uint64],
    currency: str,
    partition: int,
) -> list[CueChoice]:
    """The cues for `activations` (as `moments` takes them) of customers of one partition; none for a moment at
    which no offer for a cue's channel names an activated indicator and holds."""
    found = moments(customers, activations, event_ids)
    features = vectors_of_activations(activations, [moment.row for moment in found], policy.rulebook.columns)
    holds = match_offers(policy.rulebook, features).tolist()
    asked = zip(found, each_of(features), holds, pack_features(features), strict=True)
    choices = [_choice(policy, *one, currency, partition) for one in asked]
    return [choice for choice in choices if choice is not None]


def _choice(
    policy: Policy,
    moment: TriggerMoment,
    values: Sequence[float],
    holds: list[bool],
    packed: bytes,
    currency: str,
    partition: int,
) -> CueChoice | None:
    customer = customer_id(moment.customer.decode())
    results = []
    for channel in CUE_CHANNELS:
        ranking = policy.ranking(customer, channel)
        order = ranking.triggered(moment.indicators)
        results.append(funnel(policy, ranking, order, values, holds, None, 1, moment.at, packed))
    queues = [tuple(result.survivors.contactable[:CANDIDATES]) for result in results]
    if not any(queues):
        return None
    name = blake2b(moment.customer + moment.event_id.to_bytes(8, "little"), digest_size=8).hexdigest()
    asked = _Asked(
        policy, moment, customer, values, f"{partition}-{moment.at:x}-{name}", currency,
        tuple([policy.rulebook.indicators[i].name for i in moment.indicators]), results,
    )  # fmt: skip
    candidates: list[CueCandidate] = []
    for offer, ways in ways_to_fill(*queues):
        candidates += _candidates(asked, offer, ways)
    return CueChoice(moment.customer, moment.at, tuple(candidates))


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


class _Asked(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A moment, as all its candidates share it. ``name`` begins the ids of its cues, ``activated`` are the
    indicators by name, ``results`` those of `CUE_CHANNELS`."""

    policy: Policy
    moment: TriggerMoment
    customer: CustomerId
    values: Sequence[float]
    name: str
    currency: str
    activated: tuple[str, ...]
    results: list[FunnelResult]


def _candidates(asked: _Asked, position: int, ways: Sequence[Way]) -> Iterator[CueCandidate]:
    """The offer as a cue, once for each of the `ways` in which it may fill slots.

    Outcomes count for the most promising of its channels, which comes first, unless their reporter has others
    only. Two cues of one moment have no channel in common, so that channel makes their ids different. The record
    of a cue says that the offers before it were capped, else it would not be sent; the store notes which of them
    consent kept back.
    """
    policy, moment = asked.policy, asked.moment
    rulebook, counted = policy.rulebook, policy.candidates[position]
    offer = rulebook.offers[position]
    indicator = _named(asked, rulebook.mentions[position])
    say, reasons = (
        render(offer.say, asked.values, asked.currency),
        tuple(why(policy.clauses[position], asked.values)),
    )
    for_web = web_text(offer.say, asked.values, asked.currency, moment.provenance)
    anonymous, signed = moment.provenance & ANONYMOUS != 0, moment.provenance & SIGNED != 0
    ends = moment.at + offer.expires_ms
    for way in ways:
        slots = _most_promising_first(asked, way.slots, position)
        best = asked.results[slots[0]]
        decision_id = f"{asked.name}-{best.ranking.channel}"
        channels = tuple([CUE_CHANNELS[slot] for slot in slots])
        cue = Cue(
            asked.customer, indicator, offer.id, offer.kind, channels, say, reasons, moment.at, ends,
            moment.received_at, decision_id, rulebook.revision, for_web if WEB in slots else None, anonymous,
            signed,
        )  # fmt: skip
        capped = best.survivors.contactable[: way.places[slots[0]] - 1]
        record = record_of(
            best, asked.customer, (position,), capped, (), indicator, asked.activated, cue.anonymous,
            channels[1:],
        )  # fmt: skip
        yield CueCandidate(
            offer.id, counted.cap_max, counted.cap_period_ms, way.places, decision_id, _encode(cue),
            encode_record(record), ends if WEB in slots else 0, _needs(asked, slots, position),
        )  # fmt: skip


def _needs(asked: _Asked, slots: Sequence[int], position: int) -> str:
    return arguments_of(*[asked.results[slot].ranking.needs[position] for slot in slots])


def _most_promising_first(asked: _Asked, slots: tuple[int, ...], position: int) -> Sequence[int]:
    if len(slots) == 1:
        return slots
    return sorted(slots, key=lambda slot: -asked.results[slot].ranking.given[position].priority)


def _named(asked: _Asked, mentioned: Collection[int]) -> str:
    """The activated indicator that the offer names; the first in the rulebook of several."""
    if len(asked.activated) > 1:
        for position, name in zip(asked.moment.indicators, asked.activated, strict=True):
            if position in mentioned:
                return name
    return asked.activated[0]
