"""The rulebook as a value: what the rule files say, compiled, immutable, named by its revision."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray


class Cap(msgspec.Struct, frozen=True):
    """At most `max` times to one customer within `period_ms`."""

    max: int
    period_ms: int


class Indicator(msgspec.Struct, frozen=True):
    """A named condition on features that rises and falls.

    ``code`` is the 32-bit hash of the name (FNV-1a, never 0) under which a customer's row remembers
    that it stands, so
    a changed rule file leaves the indicators of other names as they are.
    """

    name: str
    description: str
    when: str
    code: int


class Offer(msgspec.Struct, frozen=True):
    """An action that may be chosen. ``propensity`` is the prior's mean, ``evidence`` its weight in
    observations (alpha = propensity * evidence). ``expires_ms``: how long a cue of it is worth showing."""

    id: str
    kind: str
    channels: tuple[str, ...]
    when: str
    value: float
    propensity: float
    evidence: float
    boost: float
    say: str
    cap: Cap | None
    expires_ms: int


class Program(msgspec.Struct, frozen=True, eq=False):
    """What the rule kernel runs. R rules, P distinct predicates, C clauses, W = ceil(P / 64) words.

    Predicate p compares ``features[feature[p]]`` by ``op[p]`` (0 <, 1 <=, 2 >, 3 >=, 4 ==, 5 !=) with
    ``features[other[p]]``, or with ``threshold[p]`` where ``other[p]`` is -1. Rule r holds when one of
    the clauses ``first[r]:first[r + 1]`` has all its ``required`` bits set and none of ``forbidden``.
    Every predicate is false where a side is NaN.
    """

    feature: NDArray[np.int32]
    op: NDArray[np.int8]
    other: NDArray[np.int32]
    threshold: NDArray[np.float64]
    first: NDArray[np.int32]
    required: NDArray[np.uint64]
    forbidden: NDArray[np.uint64]

    def head(self, rules: int) -> Program:
        """The program of the first `rules` rules alone, without the predicates only later ones need.

        Compiled programs number their predicates by first use, so those are a tail that can be cut.
        """
        clauses = int(self.first[rules])
        used = np.bitwise_or.reduce(self.required[:clauses] | self.forbidden[:clauses], axis=0, initial=0)
        bits = np.unpackbits(used.astype("<u8").view(np.uint8), bitorder="little")
        predicates = int(bits.nonzero()[0].max(initial=-1)) + 1
        words = -(-predicates // 64)
        return Program(
            feature=self.feature[:predicates].copy(),
            op=self.op[:predicates].copy(),
            other=self.other[:predicates].copy(),
            threshold=self.threshold[:predicates].copy(),
            first=self.first[: rules + 1].copy(),
            required=self.required[:clauses, :words].copy(),
            forbidden=self.forbidden[:clauses, :words].copy(),
        )


class TimerThresholds(msgspec.Struct, frozen=True, eq=False):
    """Thresholds on features that grow with silence, met in an indicator: a customer whose feature
    reaches one must be looked at again. T entries: feature index, threshold, ms in which it grows by 1."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    grows_ms: NDArray[np.int64]


class Rulebook(msgspec.Struct, frozen=True, eq=False):
    """All rules. The program's rules are the indicators, in order, then the offers, in order.

    ``mentions[o]`` are the indicators (positions) that offer o's `when` names. ``revision`` is a hash
    of the content: equal rules, equal revision.
    """

    revision: str
    indicators: tuple[Indicator, ...]
    offers: tuple[Offer, ...]
    program: Program
    timer_thresholds: TimerThresholds
    codes: NDArray[np.uint32]  # of the indicators, in order
    mentions: tuple[frozenset[int], ...]

    @property
    def offer_rule(self) -> int:
        """Position of the first offer among the program's rules."""
        return len(self.indicators)
