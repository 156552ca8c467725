"""Ranking against a plain oracle: rules written out in Python, sorted by hand, caps counted one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.customer_id import customer_id
from engine.decisions.funnel.run import decide_many
from engine.decisions.funnel.stages import History
from engine.decisions.policy import make_policy
from engine.decisions.request import DecisionRequest
from engine.rulebook.directory import compile_texts
from engine.rulebook.model import Rulebook
from models.propensity import Counts
from tests.decisions.builders import BUSY, DAY, INDICATORS, NOW, rows, shop

BOOK = shop()
Row = Mapping[str, float]

#: The conditions of `SHOP`, by hand.
HOLDS: dict[str, Callable[[Row], bool]] = {
    "chat": lambda row: row["session_bursts"] >= 2,
    "cart-help": lambda row: row["cart_pieces"] > 0 and row["cart_value"] > 5_000,
    "newsletter": lambda row: True,
    "guide": lambda row: row["session_bursts"] >= 2 or row["cart_pieces"] > 0,
    "vip-call": lambda row: row["order_before_count"] >= 5,
}


def oracle(
    request: DecisionRequest, row: Row, history: History, counts: Counts
) -> tuple[list[tuple[str, float]], set[str]]:
    """(offer, priority) best first, and the capped ones."""
    found, full = [], set()
    for offer in BOOK.offers:
        if request.channel not in offer.channels or not HOLDS[offer.id](row):
            continue
        if offer.cap and sum(NOW - at < offer.cap.period_ms for at in history.get(offer.id, ())) >= offer.cap.max:
            full.add(offer.id)
            continue
        good, bad = counts.get((offer.id, request.channel), (0, 0))
        propensity = (offer.propensity * offer.evidence + good) / (offer.evidence + good + bad)
        weight = request.context.get(offer.id, request.context.get(offer.kind, 1.0))
        found.append((offer.id, propensity * offer.value * offer.boost * weight))
    return sorted(found, key=lambda pair: (-pair[1], pair[0])), full


ids = st.sampled_from([offer.id for offer in BOOK.offers])
customers = st.fixed_dictionaries(
    {
        "session_bursts": st.integers(0, 4),
        "cart_pieces": st.integers(0, 2),
        "cart_value": st.sampled_from([0, 5_000, 5_001, 20_000]),
        "order_before_count": st.integers(3, 6),
    }
)
requests = st.builds(
    DecisionRequest,
    channel=st.sampled_from(["web", "agent", "email", "fax"]),
    customer_id=st.just(customer_id("ada")),
    limit=st.integers(1, 5),
    context=st.dictionaries(st.one_of(ids, st.sampled_from(["sell", "chat", "serve"])), st.floats(0.1, 100)),
)
histories = st.dictionaries(
    ids, st.lists(st.integers(0, 8 * DAY).map(lambda ago: NOW - ago), min_size=1, max_size=4).map(sorted)
)
counted = st.dictionaries(
    st.tuples(ids, st.sampled_from(["web", "agent"])), st.tuples(st.integers(0, 500), st.integers(0, 500))
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(requests, customers, histories), min_size=1, max_size=6), counted)
def test_it_ranks_as_the_oracle_does(
    asked: Sequence[tuple[DecisionRequest, Row, History]], counts: Counts
) -> None:
    made = rows(*[dict(row) for _, row, _ in asked])
    found = decide_many(make_policy(BOOK, counts), [r for r, _, _ in asked], made, [h for _, _, h in asked], NOW)
    for ranked, (request, row, history) in zip(found, asked, strict=True):
        expected, full = oracle(request, row, history, counts)
        offers = [BOOK.offers[position].id for position in ranked.survivors.contactable]
        priorities = [ranked.priority(position) for position in ranked.survivors.contactable]
        assert priorities == pytest.approx([priority for _, priority in expected])
        assert sorted(offers) == sorted(offer for offer, _ in expected)
        assert {BOOK.offers[position].id for position in ranked.survivors.capped} == full
        # equal to the last bit or not, each offer has the priority that the oracle gives it
        assert dict(zip(offers, priorities, strict=True)) == pytest.approx(dict(expected))


def allowed(book: Rulebook, *asked: DecisionRequest, history: History | None = None) -> list[list[str]]:
    made = rows(*[BUSY] * len(asked))
    found = decide_many(make_policy(book, {}), asked, made, [history or {}] * len(asked), NOW)
    return [[book.offers[position].id for position in ranked.survivors.contactable] for ranked in found]


def test_the_example_by_hand() -> None:
    web, agent, fax = (DecisionRequest(channel, customer_id("ada")) for channel in ("web", "agent", "fax"))
    assert allowed(BOOK, web, agent, fax) == [["cart-help", "chat", "guide", "newsletter"], ["chat"], []]


@pytest.mark.parametrize(
    ("ago", "left"),
    [([0], False), ([7 * DAY - 1], False), ([7 * DAY], True), ([9 * DAY, 8 * DAY], True), ([], True)],
)
def test_a_cap_counts_what_lies_within_its_period(ago: list[int], left: bool) -> None:
    history = {"cart-help": [NOW - time for time in ago]}
    assert ("cart-help" in allowed(BOOK, DecisionRequest("web", customer_id("ada")), history=history)[0]) is left


def test_equal_priorities_go_by_id_whatever_the_order_of_files() -> None:
    offer = "  - {id: %s, kind: sell, channels: [web], when: true, value: 1, propensity: 0.5, say: x}\n"
    names = ["b", "a", "c"]
    for order in (names, names[::-1]):
        book = compile_texts({"x.yaml": INDICATORS + "offers:\n" + "".join(offer % name for name in order)})
        assert allowed(book, DecisionRequest("web", customer_id("ada"))) == [["a", "b", "c"]]


def test_what_was_learned_moves_the_propensity() -> None:
    web = make_policy(BOOK, {("guide", "web"): (980, 0)}).rankings["all", "web"]
    guide = next(i for i, offer in enumerate(BOOK.offers) if offer.id == "guide")
    assert web.propensity[guide] == pytest.approx((0.2 * 20 + 980) / 1_000)


def test_nobody_asked_nobody_answered() -> None:
    assert decide_many(make_policy(BOOK, {}), [], np.zeros(0, rows().dtype), [], NOW) == []
