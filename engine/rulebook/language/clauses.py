"""A condition as clauses: it holds when one clause has all its predicates true and all its negated ones not.

A negated predicate is never turned into the opposite comparison: with a missing value (NaN) both are false.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.rulebook.language.condition import All, Condition, Named, Not, Some, Truth
from engine.rulebook.language.predicate import Predicate
from engine.rulebook.language.traits import TraitColumn

MOST = 64
MOST_UNSIMPLIFIED = 512

#: A predicate and whether it must be true (or must not be), in the order in which they were written.
Clause = tuple[tuple[Predicate, bool], ...]


class TooManyClauses(Exception):
    """The condition branches into more than `MOST` clauses."""


class Forms:
    """The clauses of an indicator and of its negation, each worked out when first asked for."""

    def __init__(self, condition: Condition, indicators: Mapping[str, Forms]) -> None:
        self._condition = condition
        self._indicators = indicators
        self._known: dict[bool, list[Clause] | None] = {}

    def clauses(self, wanted: bool = True) -> list[Clause]:
        """Raises `TooManyClauses`."""
        if wanted not in self._known:
            self._known[wanted] = None
            self._known[wanted] = self._of(self._condition, wanted)
        known = self._known[wanted]
        if known is None:
            raise TooManyClauses
        return known

    def _of(self, condition: Condition, wanted: bool) -> list[Clause]:
        if isinstance(condition, Predicate):
            return [((condition, wanted),)]
        if isinstance(condition, Truth):
            return [()] if condition.value is wanted else []
        if isinstance(condition, Named):
            return self._indicators[condition.name].clauses(wanted)
        if isinstance(condition, Not):
            return self._of(condition.part, not wanted)
        parts = (self._of(part, wanted) for part in condition.parts)
        return _every(list(parts)) if isinstance(condition, All) is wanted else _any(list(parts))


def mentions(condition: Condition) -> list[Named]:
    """The indicators that a condition names, in order."""
    if isinstance(condition, Named):
        return [condition]
    if isinstance(condition, Not):
        return mentions(condition.part)
    if isinstance(condition, (All, Some)):
        return [named for part in condition.parts for named in mentions(part)]
    return []


def traits_in(condition: Condition) -> frozenset[str]:
    """The traits that a condition names itself, as it writes them."""
    if isinstance(condition, Predicate):
        sides = (condition.feature, condition.other)
        return frozenset(side.written for side in sides if isinstance(side, TraitColumn))
    if isinstance(condition, Not):
        return traits_in(condition.part)
    if isinstance(condition, (All, Some)):
        return frozenset().union(*map(traits_in, condition.parts))
    return frozenset()


def _any(parts: list[list[Clause]]) -> list[Clause]:
    return _simplified([clause for part in parts for clause in part])


def _every(parts: list[list[Clause]]) -> list[Clause]:
    product: list[Clause] = [()]
    for part in parts:
        joined = (tuple(dict.fromkeys(one + other)) for one in product for other in part)
        product = _simplified([clause for clause in joined if not _contradicts(clause)])
    return product


def _contradicts(clause: Clause) -> bool:
    literals = set(clause)
    return any((predicate, not wanted) in literals for predicate, wanted in clause)


def _simplified(clauses: list[Clause]) -> list[Clause]:
    """Without repetitions and clauses that ask for more than another one does."""
    distinct: dict[frozenset[tuple[Predicate, bool]], Clause] = {}
    for clause in clauses:
        distinct.setdefault(frozenset(clause), clause)
    if len(distinct) > MOST_UNSIMPLIFIED:
        raise TooManyClauses
    kept = [clause for literals, clause in distinct.items() if not any(other < literals for other in distinct)]
    if len(kept) > MOST:
        raise TooManyClauses
    return kept
