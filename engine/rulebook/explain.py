"""Why a rule holds or does not, in the customer's own numbers."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.kernels.predicates import Program
from engine.rulebook.language.predicate import COMPARE, SYMBOLS
from engine.rulebook.language.quantity import UNIT_SECONDS
from engine.rulebook.language.say import plain
from engine.rulebook.language.words import worded
from engine.rulebook.model import Rulebook
from engine.state.catalogue import CATALOGUE
from engine.state.words import WORD_FEATURES
from engine.steps import Steps, finish

#: Clauses read back in one step: well below a millisecond.
AT_ONCE = 256


#: A value in words.
Wording = Callable[[float], str]


class Operand(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What stands at a place of the vector: a feature, with its unit, or a trait or a word, with ``words`` for its
    value."""

    name: str
    unit: str
    words: Wording | None = None

    def shown(self, value: float) -> str:
        """A value of it."""
        return self.words(value) if self.words else _number(value, self.unit)


class Literal(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A predicate of a clause, as in `Program`, and whether it must be true or must not be. Its text is made
    once: ``need`` is its requirement, ``>= 3``, or only the relation where it compares with another of the
    customer's numbers, ``beside``. A trait, or a word, has ``words`` for its value."""

    feature: int
    compare: Callable[[float, float], bool]
    other: int
    threshold: float
    wanted: bool
    name: str
    unit: str
    need: str
    beside: Operand
    words: Wording | None = None


#: A rule: it holds when every literal of one of its clauses does.
Clauses = tuple[tuple[Literal, ...], ...]


def explain(rulebook: Rulebook, rule: int, features: NDArray[np.float64] | Sequence[float]) -> list[str]:
    """One line for each predicate that decides `rule` (position in the program) for `features` (F).

    A rule that holds: the predicates of its first clause that does, ``session.bursts is 3 (needs >= 3)``.
    One that does not: what its closest clause is missing, ``needs session.bursts >= 3, has 2``.
    """
    clauses = clauses_of(rulebook)[rule]
    values = features if isinstance(features, list) else np.asarray(features).tolist()
    return why(clauses, values) or why_not(clauses, values)


def why(clauses: Clauses, values: Sequence[float]) -> list[str]:
    """A line for each predicate of the first of `clauses` that holds for `values` (F); empty when none does."""
    for clause in clauses:
        for literal in clause:
            # `_fits`, in line: a call would double what it costs
            right = literal.threshold if literal.other < 0 else values[literal.other]
            if literal.compare(values[literal.feature], right) is not literal.wanted:
                break
        else:
            return [
                _fact(literal, values[literal.feature]) if literal.other < 0 else _fact_of_two(literal, values)
                for literal in clause
            ] or ["always holds"]
    return []


def why_not(clauses: Clauses, values: Sequence[float]) -> list[str]:
    """A line for each unmet predicate of the closest of `clauses`; for a rule that does not hold."""
    unmet = [[literal for literal in clause if not _fits(literal, values)] for clause in clauses]
    return [_missing(literal, values) for literal in min(unmet, key=len)] if unmet else ["never holds"]


@functools.lru_cache(maxsize=4)
def clauses_of(rulebook: Rulebook) -> tuple[Clauses, ...]:
    """The program read back: each rule's clauses, once for each rulebook."""
    return finish(clauses_in_steps(rulebook))


def clauses_in_steps(rulebook: Rulebook) -> Steps[tuple[Clauses, ...]]:
    """As `clauses_of`, a bounded number of clauses a step."""
    program, made, operands = rulebook.program, dict[tuple[int, bool], Literal](), _operands(rulebook)
    clauses: list[tuple[Literal, ...]] = []
    for start in range(0, len(program.required), AT_ONCE):
        clauses += _read_back(program, slice(start, start + AT_ONCE), made, operands)
        yield
    bounds = program.first.tolist()
    return tuple(tuple(clauses[first:after]) for first, after in pairwise(bounds))


def _operands(rulebook: Rulebook) -> Sequence[Operand]:
    """What stands at each place of the vector."""
    traits = (
        Operand(trait.written, "", functools.partial(trait.worded, words=rulebook.words))
        for trait in rulebook.traits
    )
    words = functools.partial(worded, words=rulebook.words)
    features = (Operand(one.name, "", words) if one.name in WORD_FEATURES else one for one in FEATURES)
    return (*features, *traits)


def _read_back(
    program: Program, some: slice, made: dict[tuple[int, bool], Literal], operands: Sequence[Operand]
) -> list[tuple[Literal, ...]]:
    """Some of the program's clauses; equal literals are one, kept in `made`."""
    required, forbidden = _bits(program.required[some]), _bits(program.forbidden[some])
    clauses: list[list[Literal]] = [[] for _ in required]
    named, predicates = np.nonzero(required | forbidden)
    wanted = required[named, predicates].tolist()
    for clause, key in zip(named.tolist(), zip(predicates.tolist(), map(bool, wanted), strict=True), strict=True):
        literal = made.get(key)
        if literal is None:
            literal = made[key] = _literal(program, *key, operands)
        clauses[clause].append(literal)
    return list(map(tuple, clauses))


def _bits(masks: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The bits of `masks` (N x W), the lowest first (N x 64 W)."""
    return np.unpackbits(masks.astype("<u8").view(np.uint8), axis=1, bitorder="little")


def _literal(program: Program, p: int, wanted: bool, operands: Sequence[Operand]) -> Literal:
    feature, op, other = int(program.feature[p]), int(program.op[p]), int(program.other[p])
    threshold, relation = float(program.threshold[p]), f"{'' if wanted else 'not '}{SYMBOLS[op]}"
    operand = operands[feature]
    return Literal(
        feature,
        _differ if COMPARE[op] is operator.ne else COMPARE[op],
        other,
        threshold,
        wanted,
        operand.name,
        operand.unit,
        relation if other >= 0 else f"{relation} {operand.shown(threshold)}",
        operands[other],
        operand.words,
    )


def _differ(left: float, right: float) -> bool:
    """``!=`` as the program has it: false where a side is NaN, as Python's other comparisons are."""
    return left < right or left > right


def _fits(literal: Literal, values: Sequence[float]) -> bool:
    right = literal.threshold if literal.other < 0 else values[literal.other]
    return literal.compare(values[literal.feature], right) is literal.wanted


@functools.lru_cache(maxsize=4096)  # most numbers are small and whole: found again in a third of the time
def _fact(literal: Literal, value: float) -> str:
    return f"{literal.name} is {_beside(literal, value, literal.threshold)} (needs {literal.need})"


def _fact_of_two(literal: Literal, values: Sequence[float]) -> str:
    has = _beside(literal, values[literal.feature], values[literal.other])
    return f"{literal.name} is {has} (needs {_need(literal, values)})"


def _missing(literal: Literal, values: Sequence[float]) -> str:
    right = literal.threshold if literal.other < 0 else values[literal.other]
    has = _beside(literal, values[literal.feature], right)
    return f"needs {literal.name} {literal.need if literal.other < 0 else _need(literal, values)}, has {has}"


def _need(literal: Literal, values: Sequence[float]) -> str:
    """What it asks where that is another of the customer's numbers."""
    other = literal.beside
    return f"{literal.need} {other.name} ({other.shown(values[literal.other])})"


def _beside(literal: Literal, value: float, other: float) -> str:
    """`value` in words, or with as many decimals as it takes to see that it is not `other`, with which it is
    compared."""
    if literal.words:
        return literal.words(value)
    unit = literal.unit
    if value == other or not (math.isfinite(value) and math.isfinite(other)) or plain(value) != plain(other):
        return _number(value, unit)
    decimals = next((n for n in range(3, 10) if round(value, n) != round(other, n)), 17)
    return f"{value:.{decimals}f}{unit}"


def _number(value: float, unit: str) -> str:
    return plain(value) + unit if math.isfinite(value) else "none"


FEATURES = tuple(
    Operand(feature.name, f" {feature.unit}" if feature.unit in UNIT_SECONDS else "") for feature in CATALOGUE
)
