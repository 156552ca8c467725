"""Arms: each decides by its own scoring and arbitration, and answer and record say which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.customer_id import CustomerId, customer_id
from engine.decisions.arbitration import HighestPriority
from engine.decisions.experiments import ARMS, ASSIGNMENT, Arm
from engine.decisions.funnel.run import decide_many
from engine.decisions.log import record_of
from engine.decisions.policy import make_policy
from engine.decisions.request import DecisionRequest
from engine.decisions.response import answer, fallback
from engine.decisions.scoring import ExpectedValue, Scores
from engine.events import Reason
from engine.rulebook.model import Offer
from models.propensity import Counts, fit
from tests.decisions.builders import BUSY, NOW, rows, shop


class PropensityOnly(ExpectedValue):
    """What an offer is worth does not count."""

    def fit(self, offers: Sequence[Offer], counts: Counts) -> Scores:
        table = fit(offers, counts)
        return Scores(table.channels, table.mean, table.mean)


class LowestPriority(HighestPriority):
    """The other way round."""

    def order(
        self, offers: Sequence[Offer], positions: Sequence[int], priority: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        return super().order(offers, positions, priority)[::-1]


class ByLetter:
    """The first letter of the customer says which."""

    arms = (
        ARMS[0],
        Arm("likely", PropensityOnly(), HighestPriority()),
        Arm("worst", ExpectedValue(), LowestPriority()),
    )

    def assign(self, customer: CustomerId) -> Arm:
        return self.arms["abc".index(customer[0])]


POLICY = make_policy(shop(), {}, ByLetter())


def test_each_customer_is_decided_for_by_their_arm() -> None:
    names = ("ada", "bob", "cyd")
    requests = [DecisionRequest("web", customer_id(name), limit=5) for name in names]
    results = decide_many(POLICY, requests, rows(BUSY, BUSY, BUSY), [{}] * 3, NOW)
    orders = [[POLICY.rulebook.offers[offer].id for offer in result.given] for result in results]
    assert orders == [
        ["cart-help", "chat", "guide", "newsletter"],
        ["chat", "cart-help", "guide", "newsletter"],  # 0.3, then 0.2 twice, by id, then 0.1
        ["newsletter", "guide", "chat", "cart-help"],
    ]
    answers = [answer(*pair, "3-id", 0, "€").arm for pair in zip(requests, results, strict=True)]
    records = [
        record_of(one, customer_id(name), one.given, ()).arm for name, one in zip(names, results, strict=True)
    ]
    assert answers == records == ["all", "likely", "worst"]


def test_a_fallback_names_the_arm_too() -> None:
    asked = DecisionRequest("web", customer_id("cyd"))
    assert fallback(POLICY, asked, "3-id", NOW, Reason.DEADLINE).arm == "worst"


def test_without_an_experiment_everybody_is_in_one_arm() -> None:
    assert {ASSIGNMENT.assign(customer_id(name)).name for name in ("ada", "bob")} == {"all"}
    assert ASSIGNMENT.arms == ARMS
