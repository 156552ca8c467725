"""One comparison of a condition: of a feature, of a trait, or of a word."""

from __future__ import annotations

import ast
import operator
from typing import NamedTuple

from engine.kernels.groups.trait import ANY, NUMBER
from engine.rulebook.language.quantity import Refused, dotted, refuse_consent
from engine.rulebook.language.traits import TraitColumn, trait_named, value_of
from engine.rulebook.language.words import text_of, word_named
from engine.state.catalogue import BY_NAME, Feature
from engine.traits import MEMBER

SYMBOLS = ("<", "<=", ">", ">=", "==", "!=")
OPS: dict[type[ast.cmpop], int] = {ast.Lt: 0, ast.LtE: 1, ast.Gt: 2, ast.GtE: 3, ast.Eq: 4, ast.NotEq: 5}
FLIPPED = (2, 3, 0, 1, 4, 5)
COMPARE = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)


class Predicate(NamedTuple):
    """One comparison: feature `op` (position in SYMBOLS) with the feature `other`, or `threshold` if -1. Either
    may be a trait. ``text`` is what the threshold stands for, if it
    stands for one."""

    feature: int | TraitColumn
    op: int
    other: int | TraitColumn
    threshold: float
    text: str | None = None

    @property
    def alone(self) -> bool:
        """Whether it is compared with a value, and not with another of the customer's."""
        return self.other == -1


def of_trait(name: str, op: int, other: ast.expr) -> Predicate:
    """The comparison of a trait with a value, or with a feature. Raises `Refused`."""
    if trait_named(other):
        raise Refused(other, "compares two traits: compare each with a value")
    if word_named(other):
        raise Refused(other, "compares a trait with a word: compare each with a text in quotes")
    feature = BY_NAME.get(dotted(other) or "")
    if feature is not None:
        column = TraitColumn(name, ANY if SYMBOLS[op] in ("==", "!=") else NUMBER)
        return Predicate(feature.index, FLIPPED[op], column, 0.0)
    refuse_consent(other)
    return of_value(name, op, other)


def of_value(name: str, op: int, node: ast.expr) -> Predicate:
    """The comparison of a trait with the constant `node`. Raises `Refused`."""
    value = value_of(name, SYMBOLS[op], node)
    return Predicate(value.column, op, -1, value.number, value.text)


def of_word(feature: Feature, op: int, node: ast.expr) -> Predicate:
    """The comparison of a word with a text. Raises `Refused`."""
    if trait_named(node):
        raise Refused(node, "compares a word with a trait: compare each with a text in quotes")
    number, text = text_of(feature, SYMBOLS[op], node)
    return Predicate(feature.index, op, -1, number, text)


def membership(trait: str, node: ast.expr) -> Predicate:
    """A membership alone: that the customer belongs there. Raises `Refused` for another trait."""
    column = TraitColumn(trait, ANY, True)
    if not trait.startswith(MEMBER):
        name = column.written
        raise Refused(node, f'{name} is a value: compare it, as in {name} == "gold" or {name} == True')
    return Predicate(column, OPS[ast.Eq], -1, 1.0)
