"""Decisions at their edges: caps to the millisecond, what may be asked to the last one, periods in words."""

from __future__ import annotations

import json

import pytest

from engine.customer_id import customer_id
from engine.decisions.funnel.result import FunnelResult
from engine.decisions.funnel.run import decide_many
from engine.decisions.policy import make_policy
from engine.decisions.request import DecisionRequest, read_request
from engine.decisions.response import answer
from engine.errors import BadRequest
from engine.rulebook.directory import compile_texts
from tests.decisions.builders import NOW, rows

WEB = DecisionRequest("web", customer_id("ada"), explain=True)


def capped_offer(cap: str, *given: int) -> FunnelResult:
    """The result for one offer that always holds, given before at these times."""
    text = (
        "offers:\n  - {id: one, kind: ask, channels: [web], when: true, value: 1, propensity: 0.5, say: x, "
        f"cap: {cap}}}\n"
    )
    policy = make_policy(compile_texts({"a.yaml": text}), {})
    return decide_many(policy, [WEB], rows({}), [{"one": list(given)}], NOW)[0]


@pytest.mark.parametrize(
    ("given", "held_back"),
    [
        ([], False),
        ([NOW - 60_000], False),
        ([NOW - 59_999], False),
        ([NOW - 60_000, NOW - 59_999], False),
        ([NOW - 59_999, NOW - 59_999], True),
        ([NOW - 59_999, NOW], True),
        ([NOW - 60_000, NOW - 60_000, NOW - 1], False),
        ([NOW - 60_000, NOW - 59_999, NOW - 1], True),
        ([NOW, NOW + 5_000], True),
    ],
)
def test_a_cap_counts_what_was_given_within_its_period(given: list[int], held_back: bool) -> None:
    found = capped_offer("{max: 2, period: 60s}", *given)
    assert list(found.given) == ([] if held_back else [0])
    assert list(found.survivors.capped) == ([0] if held_back else [])


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("7d", "7 d"),
        ("24h", "1 d"),
        ("36h", "36 h"),
        ("60min", "1 h"),
        ("90min", "90 min"),
        ("60s", "1 min"),
        ("90s", "90 s"),
    ],
)
def test_a_caps_period_is_said_in_the_largest_unit_that_divides_it(period: str, words: str) -> None:
    found = capped_offer(f"{{max: 1, period: {period}}}", NOW)
    (reason,) = answer(WEB, found, "3-id", 0, "€").suppressed
    assert reason.detail == f"at most 1 in {words}, reached"


def asked(**change: object) -> DecisionRequest:
    return read_request(json.dumps({"customerId": "ada", "channel": "web", **change}).encode())


LIMITS = [
    ("limit", [1, 20], [0, 21], "1 to 20 is allowed"),
    ("deadlineMs", [0, 1, 10_000], [-1, 10_001], "0 .* to 10000 is allowed"),
    ("placements", [[], ["x"], ["x" * 100], ["x"] * 20], [[""], ["x" * 101], ["x"] * 21], "at most 20 names"),
    (
        "context",
        [{"sell": 1e-9}, {"sell": 1}, {"sell": 1_000}],
        [{"sell": 0}, {"sell": -1}, {"sell": 1_000.001}, {"sell": 1, "ask": 0}],
        "above 0, up to 1000",
    ),
]


@pytest.mark.parametrize(("field", "good", "bad", "reason"), LIMITS)
def test_a_request_may_ask_up_to_its_limits(
    field: str, good: list[object], bad: list[object], reason: str
) -> None:
    for value in good:
        asked(**{field: value})
    for value in bad:
        with pytest.raises(BadRequest, match=reason) as caught:
            asked(**{field: value})
        assert caught.value.field.startswith(field)


@pytest.mark.parametrize(
    ("limit", "placements", "most"), [(3, 0, 3), (3, 2, 2), (3, 3, 3), (3, 4, 3), (1, 2, 1), (20, 20, 20)]
)
def test_as_many_are_given_as_asked_for_and_as_there_are_places(limit: int, placements: int, most: int) -> None:
    names = [f"p{number}" for number in range(placements)]
    assert asked(limit=limit, placements=names).slots == most
