"""`when`: a Python expression, parsed and never evaluated, as a tree of predicates.

Allowed are ``and``, ``or``, ``not``, comparisons (also chained, also ``in (1, 2, 3)``), features, names of
indicators, numbers, also with units (`engine.rulebook.language.units`), and arithmetic on them, ``seconds(n)``,
``minutes(n)``, ``hours(n)``, ``days(n)``, which are
converted to the unit of the feature they are compared with, traits (`engine.rulebook.language.traits`) and words
(`engine.rulebook.language.words`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import msgspec

from engine.rulebook.faults import shown, suggestion
from engine.rulebook.language import slips, traits, units
from engine.rulebook.language.numerals import WORDS
from engine.rulebook.language.predicate import (
    COMPARE,
    FLIPPED,
    OPS,
    Predicate,
    membership,
    of_trait,
    of_value,
    of_word,
)
from engine.rulebook.language.quantity import (
    UNIT_SECONDS,
    Quantity,
    Refused,
    dotted,
    quantity,
    refuse_consent,
    word,
)
from engine.rulebook.language.quotes import without_texts
from engine.rulebook.language.syntax import Report, tree_of
from engine.rulebook.language.traits import trait_named
from engine.rulebook.language.words import example, word_named
from engine.state.catalogue import BY_NAME, Feature
from engine.state.words import WORD_FEATURES

LONGEST = 4_000


class Truth(msgspec.Struct, frozen=True):
    """Always, or never."""

    value: bool


class Named(msgspec.Struct, frozen=True):
    """That another indicator holds; `offset` is its place in the condition's text."""

    name: str
    offset: int


class Not(msgspec.Struct, frozen=True):
    part: Condition


class All(msgspec.Struct, frozen=True):
    parts: tuple[Condition, ...]


class Some(msgspec.Struct, frozen=True):
    """At least one of the parts."""

    parts: tuple[Condition, ...]


DATE = re.compile(r"(?<![\w.])(?:19|20)[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}(?![\w.])")
NOTHING = frozenset(("none", "null", "nil", "nan", "empty", "nothing", "undefined", "missing"))

Condition = Truth | Named | Predicate | Not | All | Some


def parse(text: str, report: Report) -> Condition | None:
    """The condition in `text`, or None after every fault went to `report` (offset, reason)."""
    plainly = without_texts(text)
    if len(text) > LONGEST:
        report(0, f"longer than {LONGEST} characters")
    elif (comment := plainly.find("#")) >= 0:
        report(comment, "'#' begins no comment inside a condition")
    elif date := DATE.search(plainly):  # which would be a subtraction
        report(date.start(), "dates cannot be compared, only now.weekday and now.hour")
    else:
        return _read(text, report)
    return None


def _read(text: str, report: Report) -> Condition | None:
    """As `parse`; what is written in the way of other languages is reported with what to write instead."""
    faults: list[tuple[int, str]] = []
    read = _expression(text, lambda offset, reason: faults.append((offset, reason)))
    if faults and (found := slips.find(text)):
        right, origin = slips.repaired(text, found)
        faults = [(slip.start, slip.reason) for slip in found]
        others: list[tuple[int, str]] = []
        if tree_of(units.plain(right)[0], lambda *_: None) is not None:
            _expression(right, lambda offset, reason: others.append((origin(offset), reason)))
        taken = {offset for offset, _ in faults}
        faults += [other for other in others if other[0] not in taken]
    for fault in faults:
        report(*fault)
    return read


def _expression(text: str, report: Report) -> Condition | None:
    plain, origin = units.plain(text)
    tree = tree_of(plain, lambda offset, reason: report(origin(offset), reason))
    return None if tree is None else _Reader(plain, origin, report).condition(tree)


def _again(node: ast.expr) -> str:
    """What somebody may have meant by a number or a list in place of a condition."""
    if isinstance(node, ast.Tuple):
        return ": write and, or or, between conditions, and several numbers as in (1, 2)"
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return ": write the comparison again, as in cart.items == 1 or cart.items == 2"
    return ""


class _Reader:
    """Reads one expression; continues after a fault to find the others."""

    def __init__(self, text: str, origin: Callable[[int], int], report: Report) -> None:
        self.report = report
        self.origin = origin  # of an offset in `text`, which has no units, in what was written
        self.indent = len(text) - len(text.lstrip())
        self.line = text.lstrip()

    def offset(self, node: ast.expr) -> int:
        """The tree counts in bytes of UTF-8."""
        return self.origin(self.indent + len(self.line.encode()[: node.col_offset].decode(errors="ignore")))

    def condition(self, node: ast.expr) -> Condition | None:
        try:
            return self._condition(node)
        except Refused as refused:
            self.report(self.offset(refused.node), refused.reason)
            return None

    def _condition(self, node: ast.expr) -> Condition | None:
        if isinstance(node, ast.BoolOp):
            parts = [self.condition(value) for value in node.values]
            known = tuple(part for part in parts if part is not None)
            if len(known) < len(parts):
                return None
            return All(known) if isinstance(node.op, ast.And) else Some(known)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            part = self.condition(node.operand)
            return None if part is None else Not(part)
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return Truth(node.value)
        return self._name(node)

    def _name(self, node: ast.expr) -> Condition:
        refuse_consent(node)
        if trait := trait_named(node):
            return membership(trait, node)
        name = dotted(node)
        if name is None:
            raise Refused(node, f"{word(node)} is no condition{_again(node)}")
        if word_named(node):
            raise Refused(node, f"{name} is a word: compare it, as in {example(name)}")
        if name in BY_NAME:
            raise Refused(node, f"{name} is a number: compare it, as in {name} > 0")
        if "." in name:
            raise Refused(node, f"no feature {shown(name)}{suggestion(name, BY_NAME) or traits.nearest(name)}")
        return Named(name, self.offset(node))

    def _comparison(self, node: ast.Compare) -> Condition | None:
        sides = [node.left, *node.comparators]
        parts: list[Condition | None] = []
        for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
            try:
                parts.append(self._pair(left, op, right))
            except Refused as refused:
                self.report(self.offset(refused.node), refused.reason)
                parts.append(None)
        known = tuple(part for part in parts if part is not None)
        if len(known) < len(parts):
            return None
        return known[0] if len(known) == 1 else All(known)

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Condition:
        if isinstance(op, (ast.In, ast.NotIn)):
            return self._membership(left, right, isinstance(op, ast.NotIn))
        if type(op) not in OPS:
            raise Refused(left, "`is` compares objects: use == or !=")
        code = OPS[type(op)]
        if trait := trait_named(left):
            return of_trait(trait, code, right)
        if trait := trait_named(right):
            return of_trait(trait, FLIPPED[code], left)
        if named := word_named(left):
            return of_word(named, code, right)
        if named := word_named(right):
            return of_word(named, FLIPPED[code], left)
        first, second = self._operand(left), self._operand(right)
        if isinstance(first, Feature):
            return self._predicate(first, code, second, right)
        if isinstance(second, Feature):
            return self._predicate(second, FLIPPED[code], first, left)
        if first.is_time != second.is_time:
            raise Refused(right, "compares a time with a plain number")
        return Truth(COMPARE[code](first.value, second.value))

    def _membership(self, left: ast.expr, right: ast.expr, negated: bool) -> Condition:
        trait = trait_named(left)
        feature = None if trait else self._operand(left)
        if not trait and not isinstance(feature, Feature):
            raise Refused(left, "`in` needs a feature on its left")
        if not isinstance(right, (ast.Tuple, ast.List, ast.Set)) or not right.elts:
            raise Refused(
                right, "`in` needs numbers in parentheses on its right, as in (1, 2); for one number write =="
            )
        choices = [self._choice(trait or feature, element) for element in right.elts]
        return Not(Some(tuple(choices))) if negated else Some(tuple(choices))

    def _choice(self, left: str | Feature | Quantity | None, element: ast.expr) -> Predicate:
        """That `left` (a trait's name, or a feature) is one value of a list."""
        if isinstance(left, str):
            return of_value(left, OPS[ast.Eq], element)
        if isinstance(left, Feature) and left.name in WORD_FEATURES:
            return of_word(left, OPS[ast.Eq], element)
        operand = self._operand(element)
        if isinstance(operand, Feature) or not isinstance(left, Feature):
            raise Refused(element, "`in` takes numbers only")
        return self._predicate(left, OPS[ast.Eq], operand, element)

    def _predicate(self, feature: Feature, op: int, with_: Feature | Quantity, node: ast.expr) -> Predicate:
        if isinstance(with_, Quantity):
            return Predicate(feature.index, op, -1, self._in_unit(feature, with_, node))
        if feature.index == with_.index:
            raise Refused(node, f"compares {feature.name} with itself")
        times = {feature.unit, with_.unit} & set(UNIT_SECONDS)
        if len(times) == 2:
            raise Refused(node, f"{feature.name} is in {feature.unit}, {with_.name} in {with_.unit}")
        if feature.index < with_.index:  # one form for a < b and b > a
            return Predicate(feature.index, op, with_.index, 0.0)
        return Predicate(with_.index, FLIPPED[op], feature.index, 0.0)

    def _in_unit(self, feature: Feature, quantity: Quantity, node: ast.expr) -> float:
        if not quantity.is_time:
            return quantity.value + 0.0  # -0.0 and 0.0 are one threshold
        if feature.unit not in UNIT_SECONDS:
            raise Refused(node, f"{feature.name} is not a time ({feature.unit or 'a count'})")
        return quantity.value / UNIT_SECONDS[feature.unit] + 0.0

    def _operand(self, node: ast.expr) -> Feature | Quantity:
        refuse_consent(node)
        name = dotted(node)
        if name is None:
            return quantity(node)
        if name not in BY_NAME:
            if name.lower() in NOTHING:
                raise Refused(node, "a missing value cannot be compared: every comparison with it is false anyway")
            if number := WORDS.get(name.lower(), ""):
                raise Refused(node, f"write {number}, in digits")
            kind = "feature" if "." in name else "feature or number"
            alone = "" if "." in name else "; an indicator is written alone, without a comparison"
            near = suggestion(name, BY_NAME) or traits.nearest(name)
            raise Refused(node, f"no {kind} {shown(name)}{near or alone}")
        return BY_NAME[name]
