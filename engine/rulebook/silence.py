"""What silence alone can change: thresholds on features that grow while a customer does nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from engine.rulebook.clauses import Clause
from engine.rulebook.condition import SYMBOLS, Predicate
from engine.rulebook.model import Silences
from engine.state.catalogue import CATALOGUE

FEATURES = {feature.index: feature for feature in CATALOGUE}


def silences(rules: Iterable[Sequence[Clause]]) -> Silences:
    """The moments at which a growing feature changes a predicate of these rules (the indicators).

    A feature is whole milliseconds over `grows_ms`, so the first value at which ``>= 900`` becomes true
    is 900, and the first for ``> 900`` is one millisecond later. Those values are the thresholds.
    """
    moments = {
        (predicate.feature, at)
        for predicate in _predicates(rules)
        if predicate.other < 0
        for at in _moments_ms(predicate)
    }
    entries = sorted(moments)
    grows = [FEATURES[feature].grows_ms for feature, _ in entries]
    return Silences(
        feature=np.array([feature for feature, _ in entries], np.int32),
        threshold=np.array([at / step for (_, at), step in zip(entries, grows, strict=True)], np.float64),
        grows_ms=np.array(grows, np.int64),
    )


def _predicates(rules: Iterable[Sequence[Clause]]) -> set[Predicate]:
    return {predicate for rule in rules for clause in rule for predicate, _ in clause}


def _moments_ms(predicate: Predicate) -> list[int]:
    """Milliseconds of silence after which the predicate turns true or false."""
    step = FEATURES[predicate.feature].grows_ms
    if not step:
        return []
    reached = math.ceil(_exact(predicate.threshold * step))
    passed = math.floor(_exact(predicate.threshold * step)) + 1
    symbol = SYMBOLS[predicate.op]
    moments = {"<": [reached], ">=": [reached], "<=": [passed], ">": [passed]}.get(symbol, [reached, passed])
    return [at for at in moments if at > 0]


def _exact(milliseconds: float) -> float:
    """20 minutes in hours are not a binary fraction: back in milliseconds they must be whole again."""
    nearest = round(milliseconds)
    return nearest if math.isclose(milliseconds, nearest, rel_tol=1e-12) else milliseconds


def unheard(clauses: Sequence[Clause]) -> list[str]:
    """Why these clauses would become true in silence without anybody looking: reasons, mostly none."""
    reasons = []
    for predicate in sorted(_predicates([clauses])):
        if predicate.other >= 0:
            one, other = FEATURES[predicate.feature], FEATURES[predicate.other]
            if one.grows_ms != other.grows_ms:
                growing = one if one.grows_ms else other
                reasons.append(f"{growing.name} grows in silence: compare it with a number")
    return reasons
