"""Conditions on a payload: which of its values are like which patterns. Pure, and linear in the value's length."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.sources.contacts.found import Path, Payload

LONGEST_VALUE = 1_000  # characters: a longer one is like no pattern


class Pattern(msgspec.Struct, frozen=True):
    """A text without regard to case; between its `parts` anything may stand (written as ``*``)."""

    parts: tuple[str, ...]

    def fits(self, value: str) -> bool:
        """Whether `value`, in small letters, is like it."""
        first, *others = self.parts
        if not others:
            return value == first
        *middle, last = others
        if not value.startswith(first):
            return False
        at, end = len(first), len(value) - len(last)
        for part in middle:
            at = value.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return at <= end and value.endswith(last)


def pattern(text: str) -> Pattern:
    """
    >>> pattern("Task.*.Created").fits("task.7.created"), pattern("a*a").fits("a")
    (True, False)
    """
    return Pattern(tuple(text.lower().split("*")))


class Condition(msgspec.Struct, frozen=True):
    """What stands at `path`: something like one of `patterns`; without patterns, anything, or with `absent`
    nothing."""

    path: Path
    patterns: tuple[Pattern, ...] = ()
    absent: bool = False

    def holds(self, payload: Payload) -> bool:
        """Whether `payload` meets it."""
        value = payload.at(self.path)
        if not self.patterns:
            return (value is None) == self.absent
        return is_like(value, self.patterns)


def is_like(value: object, patterns: Sequence[Pattern]) -> bool:
    """Whether a text, number or truth is like one of `patterns`."""
    word = _word(value)
    return word is not None and any(one.fits(word) for one in patterns)


def _word(value: object) -> str | None:
    """A value as patterns are compared with it; None for an object, a list and what is longer than they are."""
    if isinstance(value, str):
        return value.lower() if len(value) <= LONGEST_VALUE else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.17g}" if isinstance(value, float) else str(value) if abs(value) < 1 << 64 else None
    return None
