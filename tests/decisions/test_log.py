"""The log tells what the answer said: every number and every reason, however the decision was asked for."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from engine.customer_id import customer_id
from engine.decisions.log import recall, record_of
from engine.decisions.record import encode_record, read_record
from engine.decisions.request import DecisionRequest
from engine.decisions.reservation import PendingDecision
from engine.decisions.response import answer, fallback
from engine.events import Reason
from engine.ports.decision_store import Taking
from tests.decisions.builders import NOW
from tests.decisions.test_response import BOOK, FULL, POLICY, ranked

ADA = customer_id("ada")
REQUESTS = [
    DecisionRequest("web", ADA, limit=1, explain=True),
    DecisionRequest("web", ADA, limit=2, placements=("hero", "side"), explain=True),
    DecisionRequest("web", ADA, limit=2, context={"ask": 0.05, "newsletter": 3.0}, explain=True),
    DecisionRequest("web", ADA, limit=2, placements=("hero",), context={"guide": 2.0}, explain=True),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_logged_decision_has_the_numbers_and_reasons_of_its_answer(request_: DecisionRequest) -> None:
    """With a cap that is reached and an offer whose rule does not hold."""
    found = ranked(request_, FULL, cart_pieces=0)
    live = answer(request_, found, "3-id", 0, "€")
    record = record_of(found, ADA, found.given, found.survivors.capped, request_.placements)
    logged = recall("3-id", read_record(encode_record(record)), BOOK)
    names = ("offer_id", "placement", "rank", "priority", "propensity", "context_weight", "why")
    told = [[getattr(offer, name) for name in names] for offer in logged.offers]
    assert told == [[getattr(offer, name) for name in names] for offer in live.offers]
    assert logged.suppressed == live.suppressed
    assert {one.offer_id: f"{one.stage}.{one.code}" for one in logged.suppressed}["cart-help"] == (
        Reason.NOT_APPLICABLE
    )
    np.testing.assert_array_equal(record.vector(), found.values)


def test_after_a_refusal_every_other_offer_keeps_its_reason() -> None:
    request = DecisionRequest("web", ADA, limit=1, explain=True)
    decision = PendingDecision(request, ranked(request, cart_pieces=0), "3-id", 0)
    assert decision.refused([Taking.CAPPED])
    found = decision.answer("€")
    assert [offer.offer_id for offer in found.offers] == ["guide"]
    assert {one.offer_id: f"{one.stage}.{one.code}" for one in found.suppressed} == {
        "chat": Reason.CAP_PERIOD,
        "cart-help": Reason.NOT_APPLICABLE,
        "newsletter": Reason.OUTRANKED,
        "vip-call": Reason.CHANNEL_MISMATCH,
    }


def test_a_fallback_has_the_numbers_of_an_answer_too() -> None:
    request = DecisionRequest("web", ADA, limit=5)
    (offer,) = fallback(POLICY, request, "3-id", NOW, Reason.DEADLINE).offers
    ordinary = {one.offer_id: one for one in answer(request, ranked(request), "3-id", 0, "€").offers}
    assert offer == msgspec.structs.replace(ordinary[offer.offer_id], rank=1, why=())
    assert (offer.propensity, offer.value, offer.priority) == pytest.approx((0.1, 1, 0.1))
