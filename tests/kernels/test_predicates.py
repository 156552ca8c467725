"""The rule machine against a plain reading of `Program`'s docstring."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels.predicates import Program, match, match_many

FEATURES = 5
OPS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)

values = st.sampled_from([float("nan"), float("inf"), -1.0, -0.0, 0.0, 1.0, 2.5, 3.0])
vectors = st.lists(values, min_size=FEATURES, max_size=FEATURES)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    size = draw(st.sampled_from([0, 1, 5, 63, 64, 65, 130]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    clauses_of = draw(st.lists(st.integers(0, 3), max_size=8))
    words, clauses = -(-size // 64), sum(clauses_of)
    masks = np.zeros((2, clauses, words), np.uint64)
    for mask in masks.reshape(2 * clauses, words):
        for p in random.integers(0, size, 2 if size else 0):
            mask[p // 64] |= np.uint64(1) << np.uint64(p % 64)
    return Program(
        feature=random.integers(0, FEATURES, size).astype(np.int32),
        op=random.integers(0, 6, size).astype(np.int8),
        other=random.integers(-1, FEATURES, size).astype(np.int32),
        threshold=random.choice([-1.0, 0.0, 1.0, 2.5, 3.0], size),
        first=np.cumsum([0, *clauses_of]).astype(np.int32),
        required=masks[0],
        forbidden=masks[1],
    )


def run(program: Program, features: list[float]) -> list[bool]:
    rules, words = program.first.size - 1, program.required.shape[1]
    holds = np.ones(rules, np.bool_)
    scratch = np.full(words, 2**64 - 1, np.uint64)
    match(np.array(features), program, scratch, holds)
    return holds.tolist()


def plain(program: Program, features: list[float]) -> list[bool]:
    def true(p: int) -> bool:
        left, other = features[program.feature[p]], program.other[p]
        right = program.threshold[p] if other < 0 else features[other]
        return left == left and right == right and bool(OPS[program.op[p]](left, right))

    def wants(mask: Any, p: int) -> bool:
        return bool(int(mask[p // 64]) >> (p % 64) & 1)

    def fits(clause: int) -> bool:
        return all(
            (true(p) or not wants(program.required[clause], p))
            and not (true(p) and wants(program.forbidden[clause], p))
            for p in range(program.feature.size)
        )

    bounds = program.first.tolist()
    return [any(map(fits, range(low, high))) for low, high in itertools.pairwise(bounds)]


@settings(deadline=None)  # the first call compiles
@given(programs(), vectors)
def test_match_is_the_plain_reading(program: Program, features: list[float]) -> None:
    assert run(program, features) == plain(program, features)


@settings(deadline=None)  # the first call compiles
@given(programs(), st.lists(vectors, max_size=4))
def test_many_is_match_of_each(program: Program, table: list[list[float]]) -> None:
    rules, words = program.first.size - 1, program.required.shape[1]
    holds = np.ones((len(table), rules), np.bool_)
    features = np.array(table, np.float64).reshape(-1, FEATURES)
    match_many(features, np.zeros(words, np.uint64), holds, *program)
    assert holds.tolist() == [run(program, row) for row in table]


@settings(deadline=None)  # the first call compiles
@given(programs(), vectors, st.data())
def test_a_head_answers_as_the_whole_does(program: Program, features: list[float], data: st.DataObject) -> None:
    rules = data.draw(st.integers(0, program.first.size - 1))
    head = program.head(rules)
    assert run(head, features) == run(program, features)[:rules]
    assert head.feature.size <= program.feature.size


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 127, 128, 129])
def test_each_predicate_has_a_bit_of_its_own(size: int) -> None:
    """Rule p asks for predicate p alone, rule ``size + p`` that it be not true."""
    words = -(-size // 64)
    alone = np.zeros((size, words), np.uint64)
    for p in range(size):
        alone[p, p // 64] = np.uint64(1) << np.uint64(p % 64)
    nothing = np.zeros_like(alone)
    program = Program(
        feature=np.arange(size, dtype=np.int32),
        op=np.full(size, 2, np.int8),
        other=np.full(size, -1, np.int32),
        threshold=np.zeros(size),
        first=np.arange(2 * size + 1, dtype=np.int32),
        required=np.concatenate([alone, nothing]),
        forbidden=np.concatenate([nothing, alone]),
    )
    for true in range(size):
        features = [float(p == true) for p in range(size)]
        expected = [p == true for p in range(size)] + [p != true for p in range(size)]
        assert run(program, features) == expected


TWO_RULES = Program(
    feature=np.array([0, 1, 2], np.int32),
    op=np.zeros(3, np.int8),
    other=np.full(3, -1, np.int32),
    threshold=np.ones(3),
    first=np.array([0, 1, 2], np.int32),
    required=np.array([[0b010], [0b100]], np.uint64),
    forbidden=np.array([[0b001], [0b000]], np.uint64),
)


def test_a_head_leaves_out_what_only_later_rules_need() -> None:
    assert TWO_RULES.head(1).feature.tolist() == [0, 1]
    assert TWO_RULES.head(0).required.shape == (0, 0)


def test_the_compiled_kernel_ran() -> None:
    assert run(TWO_RULES, [2.0, 0.0, 1.0, 0.0, 0.0]) == [True, False]
    match_many(np.zeros((1, FEATURES)), np.zeros(1, np.uint64), np.zeros((1, 2), np.bool_), *TWO_RULES)
    assert match.signatures  # type: ignore[attr-defined]
    assert match_many.nopython_signatures  # type: ignore[attr-defined]
