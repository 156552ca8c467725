"""The rule machine: which rules of a compiled program hold for a vector of features.

Every distinct predicate is compared once and becomes one bit; a clause is then two masks, so thousands of rules
that share predicates cost a few instructions each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.kernels.jit import inlined, kernel

#: For each operator (0 <, 1 <=, 2 >, 3 >=, 4 ==, 5 !=), four bits apart: bit 0 true where less, bit 1 where
#: equal, bit 2 where greater. With a NaN none of the three is the case, so every operator is false.
OUTCOMES = 0x526431


class Program(NamedTuple):
    """Compiled rules. R rules, P distinct predicates, C clauses, W = ceil(P / 64) words.

    Predicate p compares ``features[feature[p]]`` by ``op[p]`` (0 <, 1 <=, 2 >, 3 >=, 4 ==, 5 !=) with
    ``features[other[p]]``, or with ``threshold[p]`` where ``other[p]`` is -1. Rule r holds when one of
    the clauses ``first[r]:first[r + 1]`` has all its ``required`` bits set and none of ``forbidden``.
    Every predicate is false where a side is NaN.
    """

    feature: np.ndarray  #: int32[P]
    op: np.ndarray  #: int8[P]
    other: np.ndarray  #: int32[P]
    threshold: np.ndarray  #: float64[P]
    first: np.ndarray  #: int32[R + 1]
    required: np.ndarray  #: uint64[C, W]
    forbidden: np.ndarray  #: uint64[C, W]

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


@inlined
def match(features, program, truth, holds):
    """Fill `holds` (bool, R) with which rules of `program` hold for `features` (float64, F).

    `truth` (uint64, W) is scratch and afterwards has bit p set where predicate p is true.
    """
    feature, op, other, threshold, first, required, forbidden = program
    words = truth.shape[0]
    for word in range(words):
        bits = np.uint64(0)
        low = word * 64
        for bit in range(min(64, feature.shape[0] - low)):
            p = np.uint64(low + bit)
            left = features[np.uint64(feature[p])]
            right = threshold[p]
            if other[p] >= 0:
                right = features[np.uint64(other[p])]
            # no branch on the operator: 1.5 ns a predicate, against 2.5 to 7 with one
            outcome = (left < right) * 1 + (left == right) * 2 + (left > right) * 4
            true = (OUTCOMES >> (op[p] * 4)) & outcome != 0
            bits |= np.uint64(true) << np.uint64(bit)
        truth[np.uint64(word)] = bits
    for rule in range(holds.shape[0]):
        found = False
        for clause in range(first[np.uint64(rule)], first[np.uint64(rule + 1)]):
            unmet = np.uint64(0)
            # no early exit: leaving at the first word that fails is mispredicted, and twice as slow
            for word in range(words):
                have = truth[np.uint64(word)]
                index = np.uint64(clause), np.uint64(word)
                unmet |= (required[index] & ~have) | (forbidden[index] & have)
            found |= unmet == np.uint64(0)
        holds[np.uint64(rule)] = found


@kernel
def match_many(features, truth, holds, feature, op, other, threshold, first, required, forbidden):
    """`match` for each of `features` (float64, N x F) into `holds` (bool, N x R); the others are a `Program`.

    They come one by one: to be called with a tuple of arrays takes numba 6.2 µs, with arrays 1.9.
    """
    program = Program(feature, op, other, threshold, first, required, forbidden)
    for i in range(features.shape[0]):
        match(features[i], program, truth, holds[i])
