"""A set of whole numbers as intervals: nearly always one, however many numbers it holds."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import msgspec

from engine.errors import BadState


class Stretch(NamedTuple):
    """The numbers above ``after``, up to and including ``last``."""

    after: int
    last: int


class IntervalSet(msgspec.Struct, frozen=True):
    """Numbers above 0 in ``intervals``: in ascending order, none empty, none touching the next.

    >>> (IntervalSet().with_interval(0, 5).with_interval(7, 9)).text
    '0-5 7-9'
    >>> IntervalSet.read("0-5 7-9").with_interval(5, 7).text
    '0-9'
    """

    intervals: tuple[Stretch, ...] = ()

    def __contains__(self, number: int) -> bool:
        return any(after < number <= last for after, last in self.intervals)

    def with_interval(self, after: int, last: int) -> IntervalSet:
        """This and all numbers above `after` up to `last`."""
        if after >= last:
            return self
        before = [one for one in self.intervals if one.last < after]
        behind = [one for one in self.intervals if one.after > last]
        touched = self.intervals[len(before) : len(self.intervals) - len(behind)]
        joined = Stretch(
            min([after, *(one.after for one in touched)]), max([last, *(one.last for one in touched)])
        )
        return IntervalSet((*before, joined, *behind))

    @property
    def holes(self) -> int:
        """How many stretches below the largest number are missing."""
        return len(self.intervals) - bool(self.intervals and self.intervals[0].after == 0)

    @property
    def text(self) -> str:
        """As it is stored."""
        return " ".join(f"{after}-{last}" for after, last in self.intervals)

    @classmethod
    def read(cls, text: str) -> IntervalSet:
        """Of its `text`. Raises `BadState` for any other."""
        try:
            found = tuple(Stretch(*map(int, part.split("-"))) for part in text.split())
        except (ValueError, TypeError):
            raise BadState(f"{text!r} is no set of numbers") from None
        if any(one >= other for one, other in pairwise(end for stretch in found for end in stretch)):
            raise BadState(f"{text!r} is no set of numbers in order")
        return cls(found)
