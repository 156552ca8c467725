"""Consent in decisions and cues: what an offer needs, what keeps it back, and what the log says of it."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.consent import (
    ConsentLevel,
    ConsentState,
    ConsentStatement,
    Levels,
    allows,
    joined,
    split_name,
    state_of,
)
from engine.customer_id import customer_id
from engine.decisions.funnel.run import decide_many
from engine.decisions.log import recall
from engine.decisions.policy import make_policy
from engine.decisions.record import read_record
from engine.decisions.request import DecisionRequest
from engine.decisions.reservation import PendingDecision, reserve
from engine.decisions.response import fallback
from engine.events import Reason
from engine.ports.decision_store import Taking
from engine.rulebook.directory import compile_texts
from engine.store.memory import MemoryStore
from tests.decisions.builders import NOW, rows

ADA = customer_id("ada")
RULES = """
offers:
  - {id: sale, kind: sell, channels: [web, email], when: true, value: 9, propensity: 0.5, say: Buy}
  - {id: survey, kind: ask, channels: [web], purpose: research, when: true, value: 5, propensity: 0.5, say: How}
  - {id: help, kind: serve, channels: [web, email], when: true, value: 1, propensity: 0.5, say: Help}
  - {id: news, kind: nurture, channels: [web], purpose: service, when: true, value: 0.5, propensity: 0.5, say: N}
"""
BOOK = compile_texts({"rules.yaml": RULES})
GRANTED: Levels = {"web": ConsentLevel.GRANTED}

statements = st.lists(
    st.builds(
        ConsentStatement, st.just("marketing"), st.just("web"), st.sampled_from(ConsentState), st.integers(1, 9)
    ),
    max_size=8,
)


def kept(stated: list[ConsentStatement]) -> list[int]:
    times: list[int] = []
    for one in stated:
        times = joined(times, one)
    return times


@given(st.data(), statements)
def test_order_and_repeats_change_nothing(data: st.DataObject, stated: list[ConsentStatement]) -> None:
    shuffled = data.draw(st.permutations([*stated, *stated]))
    assert kept(shuffled) == kept(stated)


@given(statements)
def test_the_newest_word_wins_and_ties_restrict(stated: list[ConsentStatement]) -> None:
    """By the plain rule: sorted by time, of one moment the word that allows least last."""
    granted = confirmed = revoked = False
    for one in sorted(stated, key=lambda one: (one.at, -one.state)):
        if one.state is ConsentState.REVOKED:
            granted = confirmed = False
            revoked = True
        else:
            granted |= one.state is ConsentState.GRANTED
            confirmed |= one.state is ConsentState.CONFIRMED
    times = kept(stated)
    assert allows(times, ConsentLevel.GRANTED) == granted
    assert allows(times, ConsentLevel.CONFIRMED) == (granted and confirmed)
    assert allows(times, ConsentLevel.UNLESS_REVOKED) == (granted or not revoked)
    if stated:
        expected = (
            (ConsentState.CONFIRMED if confirmed else ConsentState.GRANTED) if granted else ConsentState.REVOKED
        )
        assert state_of(times) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("!marketing/web", ("marketing", "web")),
        ("marketing/web", None),
        ("!x", None),
        ("!a/fax", None),
        ("help", None),
    ],
)
def test_names_of_consents_are_no_offers(name: str, expected: tuple[str, str] | None) -> None:
    assert split_name(name) == expected


def test_purposes_follow_kinds_unless_named() -> None:
    assert {offer.id: offer.purpose for offer in BOOK.offers} == {
        "sale": "marketing", "survey": "research", "help": "service", "news": "service",
    }  # fmt: skip


def decided(
    history: dict[str, list[int]], levels: Levels, channel: str = "web", limit: int = 4
) -> PendingDecision:
    request = DecisionRequest(channel, customer_id=ADA, limit=limit, explain=True)
    policy = make_policy(BOOK, {}, levels=levels)
    (result,) = decide_many(policy, [request], rows({}), [history], NOW)
    return PendingDecision(request, result, f"{MemoryStore(4)._keys.of_customer(b'ada')}-id", 0)


def given_and_kept_back(decision: PendingDecision) -> tuple[list[str], list[str]]:
    answer = decision.answer("€")
    kept_back = [one.offer_id for one in answer.suppressed if (one.stage, one.code) == ("contact", "no_consent")]
    return [offer.offer_id for offer in answer.offers], kept_back


def test_nothing_changes_until_it_is_switched_on_or_revoked() -> None:
    everything = ["sale", "survey", "help", "news"]
    assert given_and_kept_back(decided({}, {})) == (everything, [])
    assert given_and_kept_back(decided({"help": [NOW - 5]}, {})) == (everything, [])
    assert given_and_kept_back(decided({"!marketing/email": [5, 0, 0]}, {})) == (everything, [])
    revoked = decided({"!marketing/web": [5, 0, 0]}, {})
    assert given_and_kept_back(revoked) == (["survey", "help", "news"], ["sale"])


def test_a_channel_that_needs_consent_gives_only_what_was_consented_to() -> None:
    assert given_and_kept_back(decided({}, GRANTED)) == (["help", "news"], ["sale", "survey"])
    agreed = {"!research/web": [0, 5, 0], "!marketing/web": [6, 5, 0]}
    assert given_and_kept_back(decided(agreed, GRANTED)) == (["survey", "help", "news"], ["sale"])
    assert given_and_kept_back(decided({}, GRANTED, "email")) == (["sale", "help"], [])


def test_a_double_opt_in_needs_both_steps() -> None:
    levels: Levels = {"web": ConsentLevel.CONFIRMED}
    asked, confirmed = {"!marketing/web": [0, 5, 0]}, {"!marketing/web": [0, 5, 6]}
    assert "sale" not in given_and_kept_back(decided(asked, levels))[0]
    assert "sale" in given_and_kept_back(decided(confirmed, levels))[0]


def test_the_reason_names_the_purpose() -> None:
    (detail,) = [one.detail for one in decided({}, GRANTED).answer("€").suppressed if one.offer_id == "survey"]
    assert detail == "needs the customer's consent to research on this channel"


async def test_what_is_revoked_meanwhile_is_not_given_and_the_record_says_so() -> None:
    store = MemoryStore(4)
    decision = decided({}, {}, limit=2)
    assert given_and_kept_back(decision)[0] == ["sale", "survey"]
    await store.state_consents(ADA, [ConsentStatement("marketing", "web", ConsentState.REVOKED, 5)])
    await reserve(store, [decision])
    assert given_and_kept_back(decision) == (["survey", "help"], ["sale"])
    stored = await store.decision(decision.decision_id)
    assert stored is not None
    record = read_record(stored)
    assert (record.unconsented, record.capped) == (("sale",), ())
    logged = recall(decision.decision_id, record, BOOK)
    reasons = {one.offer_id: f"{one.stage}.{one.code}" for one in logged.suppressed}
    assert reasons == {"sale": Reason.NO_CONSENT.value, "news": Reason.OUTRANKED.value}


def test_one_refused_by_its_cap_and_one_by_consent_in_one_round() -> None:
    decision = decided({}, {}, limit=2)
    assert decision.refused([Taking.UNCONSENTED, Taking.CAPPED])
    assert [offer.offer_id for offer in decision.answer("€").offers] == ["help", "news"]
    reasons = {one.offer_id: one.code for one in decision.answer("€").suppressed}
    assert reasons == {"sale": "no_consent", "survey": "cap_period"}


def test_a_fallback_gives_nothing_that_may_have_been_revoked() -> None:
    policy = make_policy(BOOK, {})
    request = DecisionRequest("web", customer_id=ADA, limit=4)
    found = fallback(policy, request, "1-x", NOW, Reason.DEADLINE)
    assert [offer.offer_id for offer in found.offers] == ["help", "news"]


def test_records_of_the_release_before_are_read() -> None:
    decision = decided({}, {})
    packed = msgspec.msgpack.decode(decision.reservation().record)
    assert packed[-2:] == [[], []]
    for fields in (packed[:-1], packed[:-2]):
        old = read_record(msgspec.msgpack.encode(fields))
        assert (old.unconsented, old.withheld, old.customer) == ((), (), ADA)
        told = json.loads(msgspec.json.encode(recall("1-x", old, BOOK)))
        assert (told["suppressed"], told["withheld"]) == ([], [])
    assert read_record(msgspec.msgpack.encode([*packed, "of a release to come"])).customer == ADA
