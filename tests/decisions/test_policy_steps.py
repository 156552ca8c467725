"""A policy made in steps, from another of the same rulebook or from nothing, is the same."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from engine.decisions.funnel.stages import trigger
from engine.decisions.policy import CUE_CHANNELS, ChannelRanking, Policy, make_policy, policy_in_steps
from engine.rulebook.directory import compile_texts
from engine.rulebook.explain import AT_ONCE
from engine.rulebook.model import Rulebook
from engine.steps import Steps
from tests.rulebook import large

RULES = 300
BOOK = compile_texts({"rules.yaml": large.text(0, RULES)})
COUNTS = {
    (offer.id, channel): (position % 5, position % 7)
    for position, offer in enumerate(BOOK.offers)
    for channel in (*offer.channels, "nowhere")
} | {("no_such_offer", "web"): (9, 9)}


def steps_of(work: Steps[Policy]) -> tuple[Policy, int]:
    """The result, and how many steps there were."""
    taken = 1
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value, taken
        taken += 1


def form(value: Any) -> Any:
    """Plain values, to be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, ChannelRanking):
        return {name: form(getattr(value, name)) for name in msgspec.structs.asdict(value) if name != "arm"}
    if isinstance(value, dict):
        return {key: form(member) for key, member in value.items()}
    return value


def assert_same(one: Policy, other: Policy) -> None:
    assert one.rulebook is other.rulebook
    assert form(one.rankings) == form(other.rankings)
    assert form(one.elsewhere) == form(other.elsewhere)
    assert (one.candidates, one.stateless) == (other.candidates, other.stateless)
    assert [[[literal.need for literal in clause] for clause in clauses] for clauses in one.clauses] == [
        [[literal.need for literal in clause] for clause in clauses] for clauses in other.clauses
    ]


def test_it_is_the_same_in_steps_and_from_the_policy_before() -> None:
    expected = make_policy(BOOK, COUNTS)
    anew, steps = steps_of(policy_in_steps(BOOK, COUNTS))
    assert_same(anew, expected)
    before = make_policy(BOOK, {})
    again, fewer = steps_of(policy_in_steps(BOOK, COUNTS, before=before))
    assert_same(again, expected)
    assert again.clauses is before.clauses
    clauses = len(BOOK.program.required)
    assert steps - fewer == -(-clauses // AT_ONCE) + 2  # the rulebook's own part, in pieces


def test_of_another_rulebook_nothing_is_taken() -> None:
    other = compile_texts({"rules.yaml": large.text(0, RULES, value=20)})
    renewed, _ = steps_of(policy_in_steps(other, COUNTS, before=make_policy(BOOK, COUNTS)))
    assert_same(renewed, make_policy(other, COUNTS))


@pytest.mark.parametrize("channel", CUE_CHANNELS)
def test_each_indicator_triggers_what_names_it_best_first(channel: str) -> None:
    ranking = make_policy(BOOK, COUNTS).rankings["all", channel]
    assert len(ranking.triggers) == len(BOOK.indicators)
    for indicator, offers in enumerate(ranking.triggers):
        assert list(offers) == trigger(ranking.available, BOOK, {indicator})


def test_stateless_is_who_needs_neither_state_nor_a_cap() -> None:
    policy = make_policy(BOOK, {})
    expected = [
        position
        for position, offer in enumerate(BOOK.offers)
        if offer.cap is None and offer.when in ("true", "True") and "{" not in offer.say
    ]
    assert sorted(policy.stateless) == expected
    assert len(expected) > 5


def test_what_offers_trigger_is_found_in_time_that_grows_with_the_rules() -> None:
    """Asking every indicator about every offer took most of a second with 3,000 of each."""
    asked = 0

    class Counted(frozenset[int]):
        def __iter__(self) -> Any:
            nonlocal asked
            asked += 1
            return super().__iter__()

        def isdisjoint(self, other: Any) -> bool:
            nonlocal asked
            asked += 1
            return super().isdisjoint(other)

    counted: Rulebook = msgspec.structs.replace(BOOK, mentions=tuple(map(Counted, BOOK.mentions)))
    make_policy(counted, {})
    assert asked <= len(CUE_CHANNELS) * len(BOOK.offers)
