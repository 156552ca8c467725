"""What inactivity alone can change: thresholds on features that grow while a customer does nothing, and the end
of the session. Windows that empty and the hour of the day are evaluated at the next event only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from engine.kernels.catalogue import INDEX
from engine.kernels.evaluate import TimerThresholds
from engine.kernels.row_limits import SESSION_GAP_MS
from engine.rulebook.language.clauses import Clause
from engine.rulebook.language.predicate import COMPARE, SYMBOLS, Predicate
from engine.rulebook.language.traits import TraitColumn
from engine.state.catalogue import CATALOGUE

FEATURES = {feature.index: feature for feature in CATALOGUE}
#: What `read` sets to 0 once the session is over.
SESSION = {feature.index for feature in CATALOGUE if feature.name.startswith("session.")} - {INDEX.session_number}


def timer_thresholds(rules: Iterable[Sequence[Clause]]) -> TimerThresholds:
    """The moments at which a growing feature changes a predicate of these rules (the indicators).

    A feature is whole milliseconds over `grows_ms`, so the first value at which ``>= 900`` becomes true
    is 900, and the first for ``> 900`` is one millisecond later. Those values are the thresholds.
    """
    rules = list(rules)
    moments = {
        (_index(predicate.feature), at)
        for predicate in _predicates(rules)
        if predicate.alone
        for at in _moments_ms(predicate)
    }
    if any(_session_end_fits(clause) for rule in rules for clause in rule):
        moments.add((INDEX.idle_seconds, SESSION_GAP_MS + 1))
    entries = sorted(moments)
    grows = [FEATURES[feature].grows_ms for feature, _ in entries]
    return TimerThresholds(
        feature=np.array([feature for feature, _ in entries], np.int32),
        threshold=np.array([at / step for (_, at), step in zip(entries, grows, strict=True)], np.float64),
        grows_ms=np.array(grows, np.int64),
    )


def _predicates(rules: Iterable[Sequence[Clause]]) -> set[Predicate]:
    return {predicate for rule in rules for clause in rule for predicate, _ in clause}


def _session_end_fits(clause: Clause) -> bool:
    """Whether a session's numbers falling to 0 may make the clause true."""
    session = [(predicate, wanted) for predicate, wanted in clause if predicate.feature in SESSION]
    alone = [(predicate, wanted) for predicate, wanted in session if predicate.alone]
    return bool(session) and all(
        COMPARE[predicate.op](0.0, predicate.threshold) is wanted for predicate, wanted in alone
    )


def _moments_ms(predicate: Predicate) -> list[int]:
    """Milliseconds of inactivity after which the predicate changes."""
    step = _grows_ms(predicate.feature)
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


def unwatched(clauses: Sequence[Clause]) -> list[str]:
    """Why these clauses could become true during inactivity without a timer: reasons, mostly none."""
    reasons = []
    for predicate in _predicates([clauses]):
        if predicate.alone or _grows_ms(predicate.feature) == _grows_ms(predicate.other):
            continue
        growing = predicate.feature if _grows_ms(predicate.feature) else predicate.other
        reasons.append(f"{FEATURES[_index(growing)].name} grows with inactivity: compare it with a number")
    return sorted(reasons)


def _grows_ms(feature: int | TraitColumn) -> int:
    """What a customer is said to be does not grow."""
    return 0 if isinstance(feature, TraitColumn) else FEATURES[feature].grows_ms


def _index(feature: int | TraitColumn) -> int:
    """Of a feature that is no trait."""
    return -1 if isinstance(feature, TraitColumn) else feature
