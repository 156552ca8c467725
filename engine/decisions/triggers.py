"""Which cue to send when an indicator rises: the best offers that name it and hold at that moment."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.customer_id import CustomerId, customer_id
from engine.decisions.policy import Policy, Trigger
from engine.decisions.record import RECORD_VERSION, DecisionRecord, encode_record, pack_features
from engine.events import Cue
from engine.ports import Candidate, CueChoice
from engine.rulebook.explain import why
from engine.rulebook.language.say import render

#: How many candidates the store is given: where caps hold back the best, the next is sent.
CANDIDATES = 3

_encode = msgspec.json.Encoder().encode


def choose(
    policy: Policy,
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
    pushes = policy.cues[indicator]
    if not pushes:
        return None
    values, found = features.tolist(), []
    # An indicator triggers a handful of offers: reading their clauses, which gives the reasons too, costs less
    # than a call of the kernel on all rules.
    for push in pushes:
        if reasons := why(push.clauses, values):
            found.append((push, reasons))
            if len(found) == CANDIDATES:
                break
    if not found:
        return None
    activated = policy.rulebook.indicators[indicator]
    decision_id = f"{partition}-{at:x}-{activated.code:08x}-{blake2b(customer, digest_size=8).hexdigest()}"
    moment = _Moment(
        customer_id(customer.decode()), activated.name, values, pack_features(features), at, received_at, currency,
        decision_id, policy.rulebook.revision,
    )  # fmt: skip
    return CueChoice(customer, at, tuple([_candidate(moment, *one) for one in found]), decision_id)


class _Moment(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The rise, as all candidates of one choice share it. ``decision_id`` is the same for the same rise,
    different for every other of the partition."""

    customer: CustomerId
    indicator: str
    values: list[float]
    packed: bytes
    at: int
    received_at: int
    currency: str
    decision_id: str
    revision: str


def _candidate(moment: _Moment, push: Trigger, reasons: list[str]) -> Candidate:
    offer = push.offer
    cue = Cue(
        moment.customer,
        moment.indicator,
        offer.id,
        offer.kind,
        push.channels,
        render(offer.say, moment.values, moment.currency),
        tuple(reasons),
        moment.at,
        moment.at + offer.expires_ms,
        moment.received_at,
        moment.decision_id,
        moment.revision,
    )
    record = DecisionRecord(
        RECORD_VERSION,
        moment.customer,
        push.channels[0],
        moment.at,
        moment.revision,
        push.given,
        (),
        moment.packed,
        moment.indicator,
    )
    counted = push.counted
    return Candidate(counted.offer_id, counted.cap_max, counted.cap_period_ms, _encode(cue), encode_record(record))
