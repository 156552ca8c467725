"""What is measured of decisions, however many gather before they are counted."""

import pytest

from engine.customer_id import customer_id
from engine.decisions.funnel.run import decide_many
from engine.decisions.measurements import ENOUGH, DecisionMeasurements
from engine.decisions.policy import Policy, make_policy
from engine.decisions.request import DecisionRequest
from engine.decisions.reservation import PendingDecision
from engine.meter import PrometheusMeter, total
from engine.rulebook.directory import compile_texts
from tests.decisions.builders import BUSY, NOW, SHOP, rows, shop


def decided(policy: Policy, peek: bool = False) -> PendingDecision:
    request = DecisionRequest("web", customer_id("ada"), limit=1, peek=peek)
    (result,) = decide_many(policy, [request], rows(BUSY), [{}], NOW)
    return PendingDecision(request, result, "0-a", 1_000)


@pytest.mark.parametrize("count", [1, ENOUGH - 1, ENOUGH, ENOUGH + 1])
def test_a_scrape_shows_everything_that_was_answered(count: int) -> None:
    meter = PrometheusMeter()
    measurements, decision = DecisionMeasurements(meter), decided(make_policy(shop(), {}))
    for _ in range(count):
        measurements.add([decision], [0.001])
    text = meter.render()[0].decode()
    assert total(text, "decisions") == count
    assert total(text, "offers_given", "cart-help") == count
    assert f"cueline_decision_seconds_count {count}.0" in text
    assert f"cueline_decision_staleness_seconds_sum {count}.0" in text
    assert total(meter.render()[0].decode(), "decisions") == count


def test_a_quantile_knows_them_too() -> None:
    meter = PrometheusMeter()
    measurements, decision = DecisionMeasurements(meter), decided(make_policy(shop(), {}))
    measurements.add([decision] * 3, [0.001, 0.001, 0.5])
    assert meter.quantile("decision_seconds", 0.5) == pytest.approx(0.001, rel=0.03)
    assert meter.value("decision_batch_requests") == 3


def test_offers_are_counted_by_the_rules_that_gave_them() -> None:
    meter = PrometheusMeter()
    measurements = DecisionMeasurements(meter)
    renamed = compile_texts({"shop.yaml": SHOP.replace("cart-help", "basket-help")})
    for policy in (make_policy(shop(), {}), make_policy(renamed, {})):
        measurements.add([decided(policy)], [0.001])
    assert meter.value("offers_given", "cart-help") == 1
    assert meter.value("offers_given", "basket-help") == 1


def test_a_look_is_a_decision_and_gives_nothing() -> None:
    meter = PrometheusMeter()
    measurements, policy = DecisionMeasurements(meter), make_policy(shop(), {})
    measurements.add([decided(policy, peek=True), decided(policy)], [0.001, 0.001])
    assert (meter.value("decisions"), meter.value("offers_given")) == (2, 1)
