"""Why a rule holds or does not, in the customer's own numbers."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.rulebook.condition import COMPARE, SYMBOLS
from engine.rulebook.model import Program, Rulebook
from engine.rulebook.quantity import UNIT_SECONDS
from engine.rulebook.say import plain
from engine.state.catalogue import CATALOGUE

NAMES = {feature.index: feature.name for feature in CATALOGUE}
UNITS = {feature.index: f" {feature.unit}" for feature in CATALOGUE if feature.unit in UNIT_SECONDS}


class Literal(NamedTuple):
    """A predicate of a clause, as in `Program`, and whether it must be true or must not be."""

    feature: int
    op: int
    other: int
    threshold: float
    wanted: bool


def explain(rulebook: Rulebook, rule: int, features: NDArray[np.float64]) -> list[str]:
    """One line for each predicate that decides `rule` (position in the program) for `features` (F).

    A rule that holds: the predicates of its first clause that does, ``session.bursts is 3 (needs >= 3)``.
    One that does not: what its closest clause lacks, ``needs session.bursts >= 3, has 2``.
    """
    clauses = _clauses(rulebook)[rule]
    if not clauses:
        return ["never holds"]
    values = features.tolist()
    lacking = [[literal for literal in clause if not _fits(literal, values)] for clause in clauses]
    best = min(range(len(clauses)), key=lambda clause: len(lacking[clause]))
    if lacking[best]:
        return [_lack(literal, values) for literal in lacking[best]]
    return [_fact(literal, values) for literal in clauses[best]] or ["always holds"]


@functools.lru_cache(maxsize=4)
def _clauses(rulebook: Rulebook) -> list[list[list[Literal]]]:
    """The program read back: per rule its clauses, once for each rulebook."""
    program = rulebook.program
    clauses = [_literals(program, clause) for clause in range(len(program.required))]
    bounds = program.first.tolist()
    return [clauses[bounds[rule] : bounds[rule + 1]] for rule in range(len(bounds) - 1)]


def _literals(program: Program, clause: int) -> list[Literal]:
    required = int.from_bytes(program.required[clause].astype("<u8").tobytes(), "little")
    forbidden = int.from_bytes(program.forbidden[clause].astype("<u8").tobytes(), "little")
    named = required | forbidden
    bits = [bit for bit in range(named.bit_length()) if named >> bit & 1]
    return [_literal(program, bit, bool(required >> bit & 1)) for bit in bits]


def _literal(program: Program, p: int, wanted: bool) -> Literal:
    feature, op, other = int(program.feature[p]), int(program.op[p]), int(program.other[p])
    return Literal(feature, op, other, float(program.threshold[p]), wanted)


def _fits(literal: Literal, values: list[float]) -> bool:
    left = values[literal.feature]
    right = literal.threshold if literal.other < 0 else values[literal.other]
    if math.isnan(left) or math.isnan(right):
        return not literal.wanted
    return bool(COMPARE[literal.op](left, right)) is literal.wanted


def _fact(literal: Literal, values: list[float]) -> str:
    return f"{NAMES[literal.feature]} is {_value(literal, values)} (needs {_need(literal, values)})"


def _lack(literal: Literal, values: list[float]) -> str:
    return f"needs {NAMES[literal.feature]} {_need(literal, values)}, has {_value(literal, values)}"


def _need(literal: Literal, values: list[float]) -> str:
    right = _number(literal.feature, literal.threshold)
    if literal.other >= 0:
        right = f"{NAMES[literal.other]} ({_number(literal.other, values[literal.other])})"
    return f"{'' if literal.wanted else 'not '}{SYMBOLS[literal.op]} {right}"


def _value(literal: Literal, values: list[float]) -> str:
    return _number(literal.feature, values[literal.feature])


def _number(feature: int, value: float) -> str:
    return plain(value) + UNITS.get(feature, "") if math.isfinite(value) else "none"
