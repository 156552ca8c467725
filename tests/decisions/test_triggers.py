"""Cues: for each channel the best offer that names an activated indicator, and nothing of it by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.customer_id import customer_id
from engine.decisions.cue_plan import Way, ways_to_fill
from engine.decisions.log import recall
from engine.decisions.policy import make_policy
from engine.decisions.record import read_record
from engine.decisions.triggers import choose, moments
from engine.events import REWARDS, Cue, OutcomeName
from engine.kernels.catalogue import INDEX
from engine.kernels.evaluate import ACTIVATION
from engine.kernels.partition import partition_of
from engine.kernels.provenance import ANONYMOUS, NEW_CART, SIGNED
from engine.ports.decision_store import Candidate, Reservation
from engine.ports.stream_store import Commit, CueCandidate, CueChoice, Timers
from engine.rulebook.directory import compile_texts
from engine.rulebook.model import Rulebook
from engine.store.memory import MemoryStore
from models.propensity import Counts
from tests.decisions.builders import INDICATORS, NOW, SHOP, shop

BOOK = shop()
BURSTY, CARTED = 0, 1
PARTITIONS = 4
ADA = customer_id("ada")
PARTITION = partition_of(b"ada", PARTITIONS)


def activations(
    *indicators: int, at: int = NOW, event: int = 0, slot: int = 0, provenance: int = SIGNED
) -> np.ndarray:
    """What the kernels write when `indicators` are activated by one event."""
    made = np.zeros(len(indicators), ACTIVATION)
    made["indicator"], made["at"], made["event"], made["slot"] = indicators, at, event, slot
    made["received_at"], made["provenance"] = NOW + 5, provenance
    made["features"][:, [INDEX.session_bursts, INDEX.cart_items, INDEX.cart_value]] = 3, 2, 80
    return made


def chosen(
    made: np.ndarray, book: Rulebook = BOOK, counts: Counts | None = None, customer: bytes = b"ada"
) -> list[CueChoice]:
    ids = np.arange(7, 17, dtype=np.uint64)
    return choose(make_policy(book, counts or {}), [customer] * len(made), made, ids, "€", PARTITION)


def candidates_of(choices: Sequence[CueChoice]) -> list[CueCandidate]:
    return [one for choice in choices for one in choice.candidates]


async def sent(
    choices: Sequence[CueChoice], given: Mapping[str, int] | None = None
) -> tuple[list[Cue], MemoryStore]:
    """The cues that the store writes, when each offer was `given` so often just now."""
    store = MemoryStore(PARTITIONS)
    caps = {
        one.offer_id: Candidate(one.offer_id, one.cap_max, one.cap_period_ms) for one in candidates_of(choices)
    }
    for offer in caps.keys() & (given or {}).keys():
        for _ in range((given or {})[offer]):
            await store.reserve([Reservation(ADA, f"{PARTITION}-{offer}", NOW, (caps[offer],), b"")])
    at = await store.claim(PARTITION)
    commit = Commit(PARTITION, at.epoch, 0, 1, [], [], Timers([], []), choices, {})
    await store.commit(commit)
    return [entry.cue for entry in await store.since(ADA, "")], store


async def test_a_cue_says_all_that_its_reader_needs() -> None:
    (choice,) = chosen(activations(CARTED))
    (cue,), store = await sent([choice])
    assert cue == Cue(
        customer=ADA,
        indicator="carted",
        offer_id="cart-help",
        kind="serve",
        channels=("web",),
        say="Your cart of €80.00",
        why=("cart.items is 2 (needs > 0)", "cart.value is 80 (needs > 50)"),
        at=NOW,
        expires_at=NOW + 600_000,
        received_at=NOW + 5,
        decision_id=cue.decision_id,
        revision=BOOK.revision,
        signed=True,
    )
    assert (choice.customer, choice.at) == (b"ada", NOW)
    assert (choice.candidates[0].cap_max, choice.candidates[0].cap_period_ms) == (1, 7 * 86_400_000)
    record = read_record(await store.decision(cue.decision_id) or b"")
    assert (record.customer, record.channel, record.indicator, record.arm) == ("ada", "web", "carted", "all")
    assert [given.offer_id for given in record.given] == ["cart-help"]
    assert record.at == cue.at


TOLD = """
  - {id: told, kind: serve, channels: %s, when: carted, value: 1, propensity: 0.5,
     say: "{session.bursts} bursts, {cart.value:money}, {purchases.value:money}, {session.number}. session"}
"""


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        (0, "3 bursts, –, –, –. session"),
        (ANONYMOUS, "3 bursts, –, –, –. session"),
        (NEW_CART, "3 bursts, €80.00, –, –. session"),
        (SIGNED, "3 bursts, €80.00, €412.00, 7. session"),
        (SIGNED | NEW_CART | ANONYMOUS, "3 bursts, €80.00, €412.00, 7. session"),
    ],
)
async def test_to_the_web_an_unsigned_cue_says_nothing_from_before_the_session(provenance: int, said: str) -> None:
    made = activations(CARTED, provenance=provenance)
    made["features"][:, [INDEX.purchases_value, INDEX.session_number]] = 412, 7
    for channels, for_web in (("[web]", said), ("[web, agent]", said), ("[agent]", None)):
        book = compile_texts({"x.yaml": INDICATORS + "offers:" + TOLD % channels})
        (cue,), _ = await sent(chosen(made, book))
        assert cue.say == "3 bursts, €80.00, €412.00, 7. session"
        assert cue.say_web == (None if for_web == cue.say else for_web)
        assert (cue.anonymous, cue.signed) == (bool(provenance & ANONYMOUS), bool(provenance & SIGNED))


async def test_two_indicators_of_one_event_give_a_channel_one_cue() -> None:
    choices = chosen(activations(BURSTY, CARTED))
    assert len(choices) == 1
    cues, _ = await sent(choices)
    assert {cue.offer_id: (cue.channels, cue.indicator) for cue in cues} == {
        "cart-help": (("web",), "carted"),
        "chat": (("agent",), "bursty"),
    }


async def test_two_indicators_that_name_one_offer_give_it_once() -> None:
    book = compile_texts(
        {
            "shop.yaml": INDICATORS
            + "offers:\n  - {id: both, kind: chat, channels: [web, agent], when: bursty or carted, value: 1, "
            + 'propensity: 0.5, say: "Hi", cap: {max: 2, period: 1d}}\n'
        }
    )
    (cue,), store = await sent(chosen(activations(BURSTY, CARTED), book))
    assert (cue.offer_id, cue.channels, cue.indicator) == ("both", ("web", "agent"), "bursty")
    (view,) = await store.views([ADA])
    assert view.given(NOW) == {"both": [NOW]}


async def test_a_cap_gives_the_channel_to_the_next_offer() -> None:
    choices = chosen(activations(BURSTY, CARTED))
    cues, store = await sent(choices, {"cart-help": 1})
    assert [(cue.offer_id, cue.channels) for cue in cues] == [("chat", ("web", "agent"))]
    record = read_record(await store.decision(cues[0].decision_id) or b"")
    assert (record.channel, record.capped) == ("web", ("cart-help",))
    logged = recall(cues[0].decision_id, record, BOOK)
    assert {one.offer_id: f"{one.stage}.{one.code}" for one in logged.suppressed} == {
        "cart-help": "contact.cap_period",
        "guide": "arbitration.outranked",
        "newsletter": "applicability.trigger",
        "vip-call": "availability.placement_mismatch",
    }


async def test_outcomes_count_for_the_more_promising_channel() -> None:
    (choice,) = chosen(activations(BURSTY), counts={("chat", "agent"): (500, 0)})
    (cue,), store = await sent([choice])
    assert cue.channels == ("agent", "web")
    assert read_record(await store.decision(cue.decision_id) or b"").channel == "agent"


async def test_each_channel_gets_its_own_best() -> None:
    """Chat is the better one for agents, and the worse one for the website."""
    book = compile_texts(
        {
            "shop.yaml": INDICATORS
            + "".join(
                f"{'offers:' if name == 'chat' else ''}\n  - {{id: {name}, kind: chat, channels: [web, agent], "
                f"when: bursty, value: 1, propensity: 0.5, say: x, cap: {{max: 1, period: 1d}}}}"
                for name in ("chat", "guide")
            )
        }
    )
    counts = {("chat", "agent"): (99, 0), ("guide", "web"): (99, 0)}
    choices = chosen(activations(BURSTY), book, counts)
    for times_given, expected in (
        ({}, {("chat", ("agent",)), ("guide", ("web",))}),
        ({"chat": 1}, {("guide", ("web", "agent"))}),
        ({"guide": 1}, {("chat", ("agent", "web"))}),
        ({"chat": 1, "guide": 1}, set()),
    ):
        cues, store = await sent(choices, times_given)
        assert {(cue.offer_id, cue.channels) for cue in cues} == expected
        names = {cue.decision_id for cue in cues}
        assert len(names) == len(cues)
        assert all([await store.decision(name) for name in names])


#: The conditions of `SHOP` for the customer of `activations`, by hand: what holds, and names which indicators.
NAMED = {"chat": {BURSTY}, "cart-help": {CARTED}, "guide": {BURSTY, CARTED}}
times = st.dictionaries(st.sampled_from(sorted(NAMED)), st.integers(1, 2))
learned = st.dictionaries(
    st.tuples(st.sampled_from(sorted(NAMED)), st.sampled_from(["web", "agent"])),
    st.tuples(st.integers(0, 300), st.integers(0, 300)),
)
WIDER = SHOP.replace("id: guide, kind: ask, channels: [web]", "id: guide, kind: ask, channels: [web, agent]")


@settings(max_examples=100, deadline=None)
@given(st.sets(st.sampled_from([BURSTY, CARTED]), min_size=1), times, learned)
async def test_what_is_sent_is_what_an_oracle_would_send(
    indicators: set[int], given: dict[str, int], counts: Counts
) -> None:
    book = compile_texts({"shop.yaml": WIDER})
    cues, _ = await sent(chosen(activations(*sorted(indicators)), book, counts), given)
    expected: dict[str, set[str]] = {}
    for channel in ("web", "agent"):
        found = []
        for offer in book.offers:
            if channel not in offer.channels or not NAMED.get(offer.id, set()) & indicators:
                continue
            if offer.cap and given.get(offer.id, 0) >= offer.cap.max:
                continue
            good, bad = counts.get((offer.id, channel), (0, 0))
            propensity = (offer.propensity * offer.evidence + good) / (offer.evidence + good + bad)
            found.append((-propensity * offer.value * offer.boost, offer.id))
        if found:
            expected.setdefault(min(found)[1], set()).add(channel)
    assert {cue.offer_id: set(cue.channels) for cue in cues} == expected
    assert len({cue.decision_id for cue in cues}) == len(cues)


def test_the_same_moment_gives_the_same_cues_and_another_other_ids() -> None:
    assert chosen(activations(CARTED)) == chosen(activations(CARTED))
    others = [
        chosen(activations(CARTED)),
        chosen(activations(CARTED), customer=b"bob"),
        chosen(activations(CARTED, at=NOW + 1)),
        chosen(activations(CARTED, event=1)),  # another event of the same millisecond
        chosen(activations(CARTED, event=-1)),  # silence
    ]
    names = {choice.candidates[0].decision_id for (choice,) in others}
    assert len(names) == len(others)
    assert all(name.startswith(f"{PARTITION}-") for name in names)


def test_activations_are_joined_by_event_and_moment() -> None:
    made = np.concatenate(
        [
            activations(BURSTY, event=-1, at=NOW - 1),  # the silence before the event
            activations(BURSTY, CARTED, event=3),
            activations(CARTED, event=4),  # the same millisecond, another event
            activations(CARTED, event=4, slot=1),
        ]
    )
    found = moments([b"a", b"a", b"a", b"a", b"b"], made, np.arange(10, 20, dtype=np.uint64))
    assert [(one.customer, one.event_id, one.at, one.indicators, one.row) for one in found] == [
        (b"a", 0, NOW - 1, (BURSTY,), 0),
        (b"a", 13, NOW, (BURSTY, CARTED), 1),
        (b"a", 14, NOW, (CARTED,), 3),
        (b"b", 14, NOW, (CARTED,), 4),
    ]


def test_no_offer_no_cue() -> None:
    offer = "  - {id: a, kind: sell, channels: [%s], when: %s, value: 1, propensity: 0.5, say: x}\n"
    for channel, when in (("email", "carted"), ("web", "true"), ("web", "carted and cart.value > 1000")):
        book = compile_texts({"x.yaml": INDICATORS + "offers:\n" + offer % (channel, when)})
        assert chosen(activations(CARTED), book) == []


def test_three_candidates_of_a_channel_at_most() -> None:
    offer = "  - {id: a%d, kind: sell, channels: [web], when: carted, value: %d, propensity: 0.5, say: x}\n"
    book = compile_texts({"x.yaml": INDICATORS + "offers:\n" + "".join(offer % (i, i) for i in range(6))})
    (choice,) = chosen(activations(CARTED), book)
    assert [(one.offer_id, one.places) for one in choice.candidates] == [
        ("a5", (1, 0)),
        ("a4", (2, 0)),
        ("a3", (3, 0)),
    ]


queues = st.lists(st.integers(0, 4), unique=True, max_size=3).map(tuple)


@given(st.tuples(queues, queues), st.sets(st.integers(0, 4)))
def test_whatever_is_capped_there_is_one_way_to_fill_the_slots(
    asked: tuple[tuple[int, ...], tuple[int, ...]], capped: set[int]
) -> None:
    first = [next((offer for offer in queue if offer not in capped), None) for queue in asked]
    ways = dict(ways_to_fill(*asked))
    for offer in {one for one in first if one is not None}:
        slots = tuple(slot for slot, one in enumerate(first) if one == offer)
        places = tuple(asked[slot].index(offer) + 1 if slot in slots else 0 for slot in range(2))
        assert ways[offer].count(Way(slots, places)) == 1


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (((1, 2), ()), {1: [(1, 0)], 2: [(2, 0)]}),
        (((1, 2), (1, 2)), {1: [(1, 1)], 2: [(2, 2)]}),  # nobody is first in one queue alone
        (((1, 2), (2,)), {1: [(1, 0)], 2: [(0, 1), (2, 1)]}),
        (((1, 2), (2, 1)), {1: [(1, 0), (1, 2)], 2: [(0, 1), (2, 1)]}),
    ],
)
def test_no_way_that_cannot_come_about(
    asked: tuple[tuple[int, ...], tuple[int, ...]], expected: dict[int, list[tuple[int, int]]]
) -> None:
    found = {offer: sorted(way.places for way in ways) for offer, ways in ways_to_fill(*asked)}
    assert found == {offer: sorted(places) for offer, places in expected.items()}


def test_what_teaches_what() -> None:
    taught = {name: REWARDS.get(name) for name in OutcomeName}
    assert {name for name, good in taught.items() if good} == {"accepted", "engaged", "completed"}
    assert {name for name, good in taught.items() if good is False} == {
        "rejected",
        "ignored",
        "timedout",
        "abandoned",
    }


def test_a_cue_is_json_that_its_readers_know() -> None:
    (choice,) = chosen(activations(CARTED))
    assert msgspec.json.decode(choice.candidates[0].payload)["offerId"] == "cart-help"
