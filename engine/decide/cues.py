"""Which cue to send when an indicator rises: the best offers that name it and hold at that moment."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.decide.plan import Plan, candidate, plan
from engine.decide.rank import match_offers
from engine.decide.record import RECORD_VERSION, Given, Record, encode_record, pack_features
from engine.events import Cue
from engine.ports import Candidate, CueChoice
from engine.rulebook.explain import explain
from engine.rulebook.model import Offer, Rulebook
from engine.rulebook.say import render
from models.propensity import PropensityTable

#: How many candidates the store is given: where caps hold back the best, the next is sent.
CANDIDATES = 3

_encode = msgspec.json.Encoder().encode


def choose(
    rulebook: Rulebook,
    table: PropensityTable,
    customer: bytes,
    indicator: int,
    features: NDArray[np.float64],
    at: int,
    received_at: int,
    currency: str,
    partition: int,
) -> CueChoice | None:
    """The cue for `indicator` (its position) that rose for `customer` (the key) at `at` (event time, epoch ms).

    ``features`` (float64[F]) are those at the rise; `received_at` is the wall time the cause came in (0: a
    silence); `partition` is the customer's. None when no offer for the web or the agent names the
    indicator and holds. Nothing depends on a clock or on chance, so a replayed batch gives the same cue.
    """
    chosen = plan(rulebook, table)
    order = chosen.cues[indicator]
    if not len(order):
        return None
    holds = match_offers(rulebook, features.reshape(1, -1))[0]
    best = order[holds[order]][:CANDIDATES].tolist()
    if not best:
        return None
    packed = pack_features(features)
    moment = _Moment(chosen, customer.decode(), indicator, features, packed, at, received_at, currency, partition)
    name = moment.decision_id
    return CueChoice(customer, at, tuple([_candidate(moment, name, offer) for offer in best]), name)


class _Moment(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The rise, as all candidates of one choice share it."""

    plan: Plan
    customer: str
    indicator: int
    features: NDArray[np.float64]
    packed: bytes
    at: int
    received_at: int
    currency: str
    partition: int

    @property
    def decision_id(self) -> str:
        """The same for the same rise, different for every other of the partition."""
        code = self.plan.rulebook.indicators[self.indicator].code
        owner = blake2b(self.customer.encode(), digest_size=8).hexdigest()
        return f"{self.partition}-{self.at:x}-{code:08x}-{owner}"


def _candidate(moment: _Moment, decision_id: str, position: int) -> Candidate:
    offer = moment.plan.rulebook.offers[position]
    record = encode_record(_record(moment, offer, position))
    return candidate(offer, _encode(_cue(moment, decision_id, offer, position)), record)


def _cue(moment: _Moment, decision_id: str, offer: Offer, position: int) -> Cue:
    rulebook = moment.plan.rulebook
    return Cue(
        moment.customer,
        rulebook.indicators[moment.indicator].name,
        offer.id,
        offer.kind,
        moment.plan.cue_channels[position],
        render(offer.say, moment.features, moment.currency),
        tuple(explain(rulebook, rulebook.offer_rule + position, moment.features)),
        moment.at,
        moment.at + offer.expires_ms,
        moment.received_at,
        decision_id,
        rulebook.revision,
    )


def _record(moment: _Moment, offer: Offer, position: int) -> Record:
    plan = moment.plan
    lane = plan.lane(plan.cue_channels[position][0])
    given = Given(offer.id, "", float(lane.priority[position]), float(lane.propensity[position]), 1.0)
    return Record(
        RECORD_VERSION,
        moment.customer,
        lane.channel,
        moment.at,
        plan.rulebook.revision,
        (given,),
        (),
        moment.packed,
        plan.rulebook.indicators[moment.indicator].name,
    )
