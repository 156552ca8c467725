"""What a customer's page shows as active: what was activated, and still holds when it is read."""

from __future__ import annotations

import pytest

from engine.events import Kind
from engine.kernels.row_limits import SESSION_GAP_MS
from engine.rulebook.model import Rulebook
from engine.rulebook.standing import standing
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import START, Happening, rulebook, run
from tests.state.stored import stored

ALWAYS = "customer.items >= 0"
RULES = rulebook(dear="session.max_price >= 200", known=ALWAYS)


def viewed(rules: Rulebook) -> bytes:
    """The stored row of somebody who looked at something dear, evaluated by `rules`."""
    rows, _ = run(IndicatorEvaluator(rules), [Happening(START, Kind.ITEM_VIEWED, 1, item=7, value=450.0)])
    return stored(rows)[0]


def names(rules: Rulebook, row: bytes | None, idle: int = 0) -> list[str]:
    return [one.name for one in standing(rules, row, START + idle)]


@pytest.mark.parametrize(
    ("idle", "found"),
    [(0, ["dear", "known"]), (SESSION_GAP_MS, ["dear", "known"]), (SESSION_GAP_MS + 1, ["known"])],
)
def test_what_silence_ended_does_not_stand_although_nothing_was_written(idle: int, found: list[str]) -> None:
    assert names(RULES, viewed(RULES), idle) == found


def test_what_holds_and_was_never_activated_does_not_stand() -> None:
    """No worker has evaluated it for this customer yet."""
    assert names(RULES, viewed(rulebook(known=ALWAYS))) == ["known"]


def test_nothing_stands_for_somebody_never_seen() -> None:
    assert names(RULES, None) == []
