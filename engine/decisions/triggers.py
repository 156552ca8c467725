"""Which cues to send when indicators are activated: for each channel the best offer that names one of them.

All indicators that are activated at one moment of a customer are one question, so one event gives each channel one
cue at most. Nothing depends on a clock or on chance: a replayed batch gives the same cues under the same ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.customer_id import CustomerId, customer_id
from engine.decisions.cue_plan import Planned, PlannedOffer, plan
from engine.decisions.funnel.run import match_offers, through_stages
from engine.decisions.policy import ChannelRanking, Policy
from engine.decisions.record import RECORD_VERSION, DecisionRecord, encode_record, pack_features
from engine.decisions.web_text import web_text
from engine.events import Cue
from engine.kernels.provenance import ANONYMOUS, SIGNED
from engine.ports.stream_store import CueCandidate, CueChoice
from engine.rulebook.explain import why
from engine.rulebook.language.say import render
from engine.state.vector import each_of, vectors_of_activations

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
    chooser = _Chooser(policy, currency, partition)
    choices = [chooser.choice(*one) for one in asked]
    return [choice for choice in choices if choice is not None]


class _Chooser:
    """Chooses the cues of many moments. What follows from the arm, the indicators and the offers alone is found
    once for all moments that have these in common: most have."""

    def __init__(self, policy: Policy, currency: str, partition: int) -> None:
        self._policy = policy
        self._currency = currency
        self._partition = partition
        self._rankings: dict[str, list[ChannelRanking]] = {}
        self._planned: dict[tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]], Planned] = {}

    def choice(
        self, moment: TriggerMoment, values: Sequence[float], holds: list[bool], packed: bytes
    ) -> CueChoice | None:
        """The cues of a `moment` with these features (`values`, F; ``packed`` as stored), where the offers' rules
        hold (O)."""
        policy, customer = self._policy, customer_id(moment.customer.decode())
        arm, indicators, queues = policy.assignment.assign(customer).name, moment.indicators, []
        rankings = self._rankings.get(arm) or self._rankings.setdefault(arm, policy.cue_rankings(arm))
        for ranking in rankings:
            order = ranking.triggered(indicators)
            *_, left = through_stages(policy, ranking, order, holds, None, moment.at)
            queues.append(tuple(left[:CANDIDATES]))
        if not any(queues):
            return None
        key = arm, indicators, tuple(queues)
        planned = self._planned.get(key)
        if planned is None:
            planned = self._planned[key] = plan(policy, rankings, indicators, queues)
        name = blake2b(moment.customer + moment.event_id.to_bytes(8, "little"), digest_size=8).hexdigest()
        asked = _Asked(
            policy.rulebook.revision, moment, customer, values, packed, f"{self._partition}-{moment.at:x}-{name}",
            self._currency, arm, planned.activated,
        )  # fmt: skip
        candidates: list[CueCandidate] = []
        for offer in planned.offers:
            _add_candidates(asked, offer, candidates)
        return CueChoice(moment.customer, moment.at, tuple(candidates))


class _Asked(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A moment, as all its candidates share it. ``name`` begins the ids of its cues, ``activated`` are the
    indicators by name."""

    revision: str
    moment: TriggerMoment
    customer: CustomerId
    values: Sequence[float]
    packed: bytes
    name: str
    currency: str
    arm: str
    activated: tuple[str, ...]


def _add_candidates(asked: _Asked, planned: PlannedOffer, candidates: list[CueCandidate]) -> None:
    """Add the offer as a cue, once for each of the ways in which it may fill slots."""
    moment, offer, indicator = asked.moment, planned.offer, planned.indicator
    say, reasons = (
        render(offer.say, asked.values, asked.currency),
        tuple(why(planned.clauses, asked.values)),
    )
    for_web = web_text(offer.say, asked.values, asked.currency, moment.provenance)
    anonymous, signed = moment.provenance & ANONYMOUS != 0, moment.provenance & SIGNED != 0
    ends = moment.at + offer.expires_ms
    for way in planned.ways:
        decision_id = f"{asked.name}-{way.channel}"
        cue = Cue(
            asked.customer, indicator, offer.id, offer.kind, way.channels, say, reasons, moment.at, ends,
            moment.received_at, decision_id, asked.revision, for_web if way.on_web else None, anonymous, signed,
        )  # fmt: skip
        record = DecisionRecord(
            RECORD_VERSION, asked.customer, way.channel, moment.at, asked.revision, way.given, way.capped,
            asked.packed, indicator, asked.activated, asked.arm, anonymous, way.others,
        )  # fmt: skip
        candidate = CueCandidate(
            offer.id, planned.cap_max, planned.cap_period_ms, way.places, decision_id, _encode(cue),
            encode_record(record), ends if way.on_web else 0, way.needs,
        )  # fmt: skip
        candidates.append(candidate)
