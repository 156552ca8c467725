"""Cues: which offers an indicator may send, in which order, and that nothing of it is by chance."""

from __future__ import annotations

import msgspec
import numpy as np

from engine.customer_id import customer_id
from engine.decisions.policy import make_policy
from engine.decisions.record import read_record
from engine.decisions.triggers import choose
from engine.events import LESSONS, Cue, OutcomeName
from engine.kernels.catalogue import FEATURES, INDEX
from engine.ports import CueChoice
from engine.rulebook.directory import compile_texts
from engine.rulebook.model import Rulebook
from tests.decisions.builders import INDICATORS, NOW, shop

BOOK = shop()
BURSTY, CARTED = 0, 1


def activation(
    indicator: int, book: Rulebook = BOOK, customer: bytes = b"ada", at: int = NOW, **learned: tuple[int, int]
) -> CueChoice | None:
    features = np.zeros(FEATURES)
    features[[INDEX.session_bursts, INDEX.cart_items, INDEX.cart_value]] = 3, 2, 80
    counts = {(name.replace("_", "-"), "agent"): count for name, count in learned.items()}
    return choose(make_policy(book, counts), customer, indicator, features, at, NOW + 5, "€", 3)


def cues(choice: CueChoice | None) -> list[Cue]:
    assert choice is not None
    return [msgspec.json.decode(candidate.payload, type=Cue) for candidate in choice.candidates]


def test_the_best_offers_that_name_the_indicator_and_hold() -> None:
    assert [cue.offer_id for cue in cues(activation(CARTED))] == ["cart-help", "guide"]
    assert [cue.offer_id for cue in cues(activation(BURSTY))] == ["chat", "guide"]


def test_a_cue_says_all_that_its_reader_needs() -> None:
    choice = activation(CARTED)
    assert choice is not None
    cue = cues(choice)[0]
    assert cue == Cue(
        customer=customer_id("ada"),
        indicator="carted",
        offer_id="cart-help",
        kind="serve",
        channels=("web",),
        say="Your cart of €80.00",
        why=("cart.items is 2 (needs > 0)", "cart.value is 80 (needs > 50)"),
        at=NOW,
        expires_at=NOW + 600_000,
        received_at=NOW + 5,
        decision_id=choice.decision_id,
        revision=BOOK.revision,
    )
    assert (choice.customer, choice.at) == (b"ada", NOW)
    assert (choice.candidates[0].cap_max, choice.candidates[0].cap_period_ms) == (1, 7 * 86_400_000)
    record = read_record(choice.candidates[0].record)
    assert (record.customer, record.channel, record.indicator) == ("ada", "web", "carted")
    assert [given.offer_id for given in record.given] == ["cart-help"]


def test_the_record_learns_for_the_more_promising_channel() -> None:
    choice = activation(BURSTY, chat=(500, 0))
    assert cues(choice)[0].channels == ("agent", "web")
    assert choice is not None
    assert read_record(choice.candidates[0].record).channel == "agent"


def test_the_same_rise_gives_the_same_cue_and_another_another_id() -> None:
    assert activation(CARTED) == activation(CARTED)
    choices = [
        activation(CARTED),
        activation(BURSTY),
        activation(CARTED, customer=b"bob"),
        activation(CARTED, at=NOW + 1),
    ]
    names = {choice.decision_id for choice in choices if choice}
    assert len(names) == 4
    assert all(name.startswith("3-") for name in names)


def test_no_offer_no_cue() -> None:
    offer = "  - {id: a, kind: sell, channels: [%s], when: %s, value: 1, propensity: 0.5, say: x}\n"
    for channel, when in (("email", "carted"), ("web", "true"), ("web", "carted and cart.value > 1000")):
        book = compile_texts({"x.yaml": INDICATORS + "offers:\n" + offer % (channel, when)})
        assert activation(CARTED, book) is None


def test_three_candidates_at_most() -> None:
    offer = "  - {id: a%d, kind: sell, channels: [web], when: carted, value: %d, propensity: 0.5, say: x}\n"
    book = compile_texts({"x.yaml": INDICATORS + "offers:\n" + "".join(offer % (i, i) for i in range(6))})
    assert [cue.offer_id for cue in cues(activation(CARTED, book))] == ["a5", "a4", "a3"]


def test_what_teaches_what() -> None:
    taught = {name: LESSONS.get(name) for name in OutcomeName}
    assert {name for name, good in taught.items() if good} == {"accepted", "engaged", "completed"}
    assert {name for name, good in taught.items() if good is False} == {
        "rejected",
        "ignored",
        "timedout",
        "abandoned",
    }
