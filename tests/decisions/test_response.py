"""Answers in words: what is given, why, why not, the fallback, and the log that tells it again."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.customer_id import customer_id
from engine.decisions.funnel.result import FunnelResult
from engine.decisions.funnel.run import decide_many
from engine.decisions.funnel.stages import History
from engine.decisions.funnel.survivors import drop_counts
from engine.decisions.log import recall, record_of
from engine.decisions.older_features import NAMES
from engine.decisions.policy import make_policy
from engine.decisions.record import DecisionRecord, encode_record, pack_features, read_record
from engine.decisions.request import Answer, DecisionRequest, encode
from engine.decisions.reservation import PendingDecision
from engine.decisions.response import answer, fallback
from engine.errors import BadState
from engine.events import Reason
from engine.kernels.catalogue import FEATURES
from engine.ports.decision_store import Taking
from engine.rulebook.directory import compile_texts
from engine.state.catalogue import BY_NAME
from tests.decisions.builders import BUSY, NOW, SHOP, rows, shop

BOOK = shop()
POLICY = make_policy(BOOK, {})
FULL: History = {"chat": [NOW - 2, NOW - 1]}


def ranked(request: DecisionRequest, history: History | None = None, **row: float) -> FunnelResult:
    return decide_many(POLICY, [request], rows(BUSY | row), [history or {}], NOW)[0]


def noted(found: FunnelResult, *placements: str) -> DecisionRecord:
    return record_of(found, customer_id("ada"), found.given, found.survivors.capped, placements)


def pending(request: DecisionRequest) -> PendingDecision:
    return PendingDecision(request, ranked(request), "3-id", 0)


def answered(request: DecisionRequest, history: History | None = None, **row: float) -> Answer:
    return answer(request, ranked(request, history, **row), "3-id", 1_000, "€")


def test_offers_carry_the_customers_own_numbers_and_the_parts_of_their_priority() -> None:
    found = answered(
        DecisionRequest("web", customer_id("ada"), placements=("hero", "side"), context={"serve": 3.0})
    )
    first, second = found.offers
    assert (first.offer_id, first.kind, first.placement, first.rank) == ("cart-help", "serve", "hero", 1)
    assert first.priority == pytest.approx(0.2 * 3.0 * 40 * 1)
    assert (first.propensity, first.context_weight, first.value, first.lever) == pytest.approx((0.2, 3, 40, 1))
    assert first.say == "Your cart of €80.00"
    assert first.why == ("cart.items is 2 (needs > 0)", "cart.value is 80 (needs > 50)")
    assert first.expires_at == NOW + 600_000
    assert (second.offer_id, second.placement, second.rank) == ("chat", "side", 2)
    assert (found.as_of, found.staleness_ms, found.revision, found.fallback) == (NOW, 1_000, BOOK.revision, False)
    assert found.suppressed == ()


def test_every_other_offer_has_its_reason() -> None:
    found = answered(DecisionRequest("web", customer_id("ada"), limit=1, explain=True), FULL, cart_pieces=0)
    assert [offer.offer_id for offer in found.offers] == ["guide"]
    reasons = {one.offer_id: (f"{one.stage}.{one.code}", one.detail) for one in found.suppressed}
    assert reasons == {
        "chat": (Reason.CAP_PERIOD, "at most 2 in 1 d, reached"),
        "cart-help": (Reason.NOT_APPLICABLE, "needs cart.items > 0, has 0"),
        "newsletter": (Reason.OUTRANKED, "holds, but the 1 given rank higher"),
        "vip-call": (Reason.CHANNEL_MISMATCH, "is for agent"),
    }


channels = st.sampled_from(["web", "agent", "email", "fax"])


@settings(deadline=None)
@given(channels, st.integers(1, 5), st.integers(0, 4), st.integers(0, 2), st.booleans())
def test_each_offer_is_given_or_suppressed_once(
    channel: str, limit: int, bursts: int, items: int, full: bool
) -> None:
    request = DecisionRequest(channel, customer_id("ada"), limit=limit, explain=True)
    found = answered(request, FULL if full else None, session_bursts=bursts, cart_pieces=items)
    names = [offer.offer_id for offer in found.offers] + [one.offer_id for one in found.suppressed]
    assert sorted(names) == sorted(offer.id for offer in BOOK.offers)
    assert len(found.offers) <= limit
    assert all(Reason(f"{one.stage}.{one.code}") and one.detail for one in found.suppressed)
    result = ranked(request, FULL if full else None, session_bursts=bursts, cart_pieces=items)
    counted = drop_counts([result.survivors], len(BOOK.offers))
    reasons = [Reason(f"{one.stage}.{one.code}") for one in found.suppressed]
    assert counted == {reason: reasons.count(reason) for reason in counted}


def test_it_is_camel_case_json() -> None:
    body = msgspec.json.decode(encode(answered(DecisionRequest("web", customer_id("ada"), explain=True))))
    assert list(body) == [
        "decisionId", "customerId", "revision", "asOf", "stalenessMs", "arm", "offers", "suppressed", "fallback",
    ]  # fmt: skip
    assert {"offerId", "contextWeight", "expiresAt"} <= set(body["offers"][0])


def test_the_fallback_gives_what_needs_no_state_only() -> None:
    book = compile_texts(
        {
            "shop.yaml": SHOP
            + "  - {id: night, kind: ask, channels: [web], when: not bursty, value: 9, propensity: 0.5, say: x}\n"
            + "  - {id: limited, kind: ask, channels: [web], when: true, value: 9, propensity: 0.5, say: x, "
            + "cap: {max: 1, period: 1d}}\n"
            + "  - {id: personal, kind: ask, channels: [web], when: true, value: 9, propensity: 0.5, "
            + 'say: "{cart.value}"}\n'
        }
    )
    request = DecisionRequest("web", customer_id("ada"), placements=("hero",), explain=True)
    ready = make_policy(book, {})
    found = fallback(ready, request, "3-id", NOW, Reason.DEADLINE)
    assert found.fallback
    assert [(offer.offer_id, offer.placement, offer.say) for offer in found.offers] == [
        ("newsletter", "hero", "Read on")
    ]
    assert [(one.offer_id, one.stage, one.code) for one in found.suppressed] == [("", "runtime", "deadline")]
    nowhere = fallback(ready, DecisionRequest("fax", customer_id("ada")), "3-id", NOW, Reason.DEADLINE)
    assert nowhere.offers == ()


def test_the_log_tells_what_the_answer_told() -> None:
    request = DecisionRequest("web", customer_id("ada"), limit=1, placements=("hero",), explain=True)
    found = ranked(request, FULL)
    live = answer(request, found, "3-id", 0, "€")
    record = read_record(encode_record(noted(found, "hero")))
    logged = recall("3-id", record, BOOK)
    assert logged.complete
    assert logged.suppressed == live.suppressed
    assert [(o.offer_id, o.placement, o.rank, o.priority, o.propensity, o.why) for o in logged.offers] == [
        (o.offer_id, o.placement, o.rank, o.priority, o.propensity, o.why) for o in live.offers
    ]
    assert logged.features["cart.value"] == 80.0
    assert (logged.customer_id, logged.channel, logged.at, logged.indicator) == ("ada", "web", NOW, "")


def test_without_its_rulebook_the_log_says_that_it_is_not_complete() -> None:
    found = ranked(DecisionRequest("web", customer_id("ada"), limit=2))
    logged = recall("3-id", noted(found), None)
    assert not logged.complete
    assert [offer.offer_id for offer in logged.offers] == ["cart-help", "chat"]
    assert logged.suppressed == ()
    assert b'"purchases.days_since":null' in msgspec.json.encode(logged)


values = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.one_of(st.just(0.0), values), min_size=FEATURES, max_size=FEATURES))
def test_packed_features_come_back_bit_by_bit(features: list[float]) -> None:
    vector = np.array(features)
    record = msgspec.structs.replace(
        noted(ranked(DecisionRequest("web", customer_id("a")))), features=pack_features(vector.reshape(1, -1))[0]
    )
    back = record.vector()
    np.testing.assert_array_equal(back, vector)


def test_features_the_catalogue_got_since_have_no_value() -> None:
    found = ranked(DecisionRequest("web", customer_id("a")))
    record = msgspec.structs.replace(noted(found), features=pack_features(np.array([[0.0, 2.0]]))[0])
    assert record.vector()[:2].tolist() == [0.0, 2.0]
    assert np.isnan(record.vector()[2:]).all()
    assert len(record.vector()) == FEATURES


@given(st.lists(values, min_size=1, max_size=20), st.integers(0, 25))
def test_traits_keep_their_places_when_the_catalogue_grows(traits: list[float], asked: int) -> None:
    """They lie behind the features of the release that wrote them, as many as it had."""
    then = FEATURES - 2
    older = [pack_features(np.arange(1.0, then + 1).reshape(1, -1))[0], pack_features(np.array([traits]))[0]]
    record = msgspec.structs.replace(
        noted(ranked(DecisionRequest("web", customer_id("a")))), features=b"".join(older)
    )
    vector = record.vector(asked)
    np.testing.assert_array_equal(vector[:then], np.arange(1.0, then + 1))
    assert np.isnan(vector[then:FEATURES]).all()
    behind = np.full(asked, np.nan)
    behind[: min(asked, len(traits))] = traits[:asked]
    np.testing.assert_array_equal(vector[FEATURES:], behind)
    whole = np.array([[0.0] * FEATURES + traits])
    packed = msgspec.structs.replace(record, features=pack_features(whole)[0])
    np.testing.assert_array_equal(packed.vector(len(traits)), whole[0])
    assert len(packed.vector()) == FEATURES


def test_a_record_of_the_release_before_has_its_features_in_todays_places() -> None:
    values = np.arange(1.0, len(NAMES) + 1)
    packed = pack_features(values.reshape(1, -1))[0]
    record = msgspec.structs.replace(
        noted(ranked(DecisionRequest("web", customer_id("a")))), version=1, features=packed
    )
    vector = read_record(encode_record(record)).vector()
    assert {name: vector[BY_NAME[name].index] for name in NAMES} == dict(zip(NAMES, values, strict=True))
    assert np.isnan(vector).sum() == FEATURES - len(NAMES)


@pytest.mark.parametrize(
    "stored", [b"", b"\x90", b"junk", msgspec.msgpack.encode([3, "a", "b", 0, "r", [], [], b""])]
)
def test_a_record_of_a_stranger_is_refused(stored: bytes) -> None:
    with pytest.raises(BadState):
        read_record(stored)


def test_what_is_refused_falls_to_the_next() -> None:
    decision = pending(DecisionRequest("web", customer_id("ada"), limit=2))
    assert [c.offer_id for c in decision.reservation().candidates] == ["cart-help", "chat"]
    assert decision.refused([Taking.CAPPED, Taking.TAKEN])
    again = decision.reservation()
    assert [c.offer_id for c in again.candidates] == ["guide"]
    assert [one.offer_id for one in read_record(again.record).given] == ["chat", "guide"]
    assert read_record(again.record).capped == ("cart-help",)
    assert not decision.refused([Taking.TAKEN])
    assert [offer.offer_id for offer in decision.answer("€").offers] == ["chat", "guide"]


def test_when_all_is_refused_the_record_says_so_too() -> None:
    decision = pending(DecisionRequest("agent", customer_id("ada"), explain=True))
    assert decision.refused([Taking.CAPPED])
    last = decision.reservation()
    assert last.candidates == ()
    assert read_record(last.record).given == ()
    assert not decision.refused([])
    assert ("chat", "cap_period") in [(one.offer_id, one.code) for one in decision.answer("€").suppressed]
