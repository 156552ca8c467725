"""The rulebook as a value: what the rule files say, compiled, immutable, named by its revision."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.kernels.moments import Moments
from engine.kernels.predicates import Program
from engine.rulebook.language.traits import TraitColumn
from engine.state.vector import NO_TRAITS, TraitColumns


class Cap(msgspec.Struct, frozen=True):
    """At most `max` times to one customer within `period_ms`."""

    max: int
    period_ms: int


class Indicator(msgspec.Struct, frozen=True):
    """A named condition on features that becomes active and ends.

    ``code`` is the 32-bit hash of the name (FNV-1a, never 0) under which a customer's row remembers
    that it is active, so a changed rule file leaves the indicators of other names as they are.
    """

    name: str
    description: str
    when: str
    code: int


class Offer(msgspec.Struct, frozen=True):
    """An action that may be chosen. ``propensity`` is the prior's mean, ``evidence`` its weight in
    observations (alpha = propensity * evidence). ``expires_ms``: lifetime of a cue of it. ``purpose``: what
    the customer has to have consented to (`engine.consent.SERVICE`: to nothing)."""

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
    purpose: str


class Rulebook(msgspec.Struct, frozen=True, eq=False):
    """All rules. The program's rules are the indicators, in order, then the offers, in order.

    ``mentions[o]`` are the indicators (positions) that offer o's `when` names. ``revision`` is a hash
    of the content: equal rules, equal revision. ``traits`` are those that rules name, first the indicators': trait
    t stands at place ``FEATURES + t`` of the vector, as ``columns`` have it. ``words`` are the texts that rules
    compare traits and words with, by the numbers that stand for each.
    """

    revision: str
    indicators: tuple[Indicator, ...]
    offers: tuple[Offer, ...]
    program: Program
    moments: Moments
    codes: NDArray[np.uint32]  # of the indicators, in order
    mentions: tuple[frozenset[int], ...]
    traits: tuple[TraitColumn, ...] = ()
    words: Mapping[float, str] = {}
    columns: TraitColumns = NO_TRAITS

    @property
    def offer_rule(self) -> int:
        """Position of the first offer among the program's rules."""
        return len(self.indicators)
