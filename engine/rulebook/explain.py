"""Why a rule holds or does not, in the customer's own numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.rulebook.condition import COMPARE, SYMBOLS
from engine.rulebook.model import Program, Rulebook
from engine.rulebook.quantity import UNIT_SECONDS
from engine.rulebook.say import plain
from engine.state.catalogue import CATALOGUE

FEATURES = {feature.index: feature for feature in CATALOGUE}


def explain(rulebook: Rulebook, rule: int, features: NDArray[np.float64]) -> list[str]:
    """One line for each predicate that decides `rule` (position in the program) for `features` (F).

    A rule that holds: the predicates of its first clause that does, ``session.bursts is 3 (needs >= 3)``.
    One that does not: what its closest clause lacks, ``needs session.bursts >= 3, has 2``.
    """
    program = rulebook.program
    clauses = range(program.first[rule], program.first[rule + 1])
    if not clauses:
        return ["never holds"]
    lacking = {
        clause: [literal for literal in _literals(program, clause) if not _true(program, *literal, features)]
        for clause in clauses
    }
    best = min(clauses, key=lambda clause: len(lacking[clause]))
    if lacking[best]:
        return [_lack(program, *literal, features) for literal in lacking[best]]
    return [_fact(program, *literal, features) for literal in _literals(program, best)] or ["always holds"]


def _literals(program: Program, clause: int) -> Iterator[tuple[int, bool]]:
    for word in range(program.required.shape[1]):
        required, forbidden = int(program.required[clause, word]), int(program.forbidden[clause, word])
        both = required | forbidden
        while both:
            bit = (both & -both).bit_length() - 1
            yield word * 64 + bit, bool(required >> bit & 1)
            both &= both - 1


def _true(program: Program, p: int, wanted: bool, features: NDArray[np.float64]) -> bool:
    left, right = features[program.feature[p]], _right(program, p, features)
    if math.isnan(left) or math.isnan(right):
        return not wanted
    return bool(COMPARE[program.op[p]](left, right)) is wanted


def _right(program: Program, p: int, features: NDArray[np.float64]) -> float:
    other = program.other[p]
    return float(program.threshold[p] if other < 0 else features[other])


def _fact(program: Program, p: int, wanted: bool, features: NDArray[np.float64]) -> str:
    feature = int(program.feature[p])
    return f"{FEATURES[feature].name} is {_value(feature, features)} (needs {_need(program, p, wanted, features)})"


def _lack(program: Program, p: int, wanted: bool, features: NDArray[np.float64]) -> str:
    feature = int(program.feature[p])
    need = _need(program, p, wanted, features)
    return f"needs {FEATURES[feature].name} {need}, has {_value(feature, features)}"


def _need(program: Program, p: int, wanted: bool, features: NDArray[np.float64]) -> str:
    feature, other = int(program.feature[p]), int(program.other[p])
    threshold = _number(feature, float(program.threshold[p]))
    right = threshold if other < 0 else f"{FEATURES[other].name} ({_value(other, features)})"
    return f"{'' if wanted else 'not '}{SYMBOLS[program.op[p]]} {right}"


def _value(feature: int, features: NDArray[np.float64]) -> str:
    return _number(feature, float(features[feature]))


def _number(feature: int, value: float) -> str:
    if not math.isfinite(value):
        return "none"
    unit = FEATURES[feature].unit
    return f"{plain(value)} {unit}" if unit in UNIT_SECONDS else plain(value)
