"""What an outcome teaches the propensity model."""

from __future__ import annotations

from engine.events import LESSONS, Outcome


def lesson(outcome: Outcome) -> bool | None:
    """True for a success of the offer, False for a failure, None when it says nothing yet."""
    return LESSONS.get(outcome.outcome)
