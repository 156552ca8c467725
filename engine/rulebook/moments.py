"""At which moments a customer who does nothing is to be looked at again: what inactivity alone can change.

That is thresholds on features that grow, the end of the session, windows that fall below a threshold, contacts
that are closed or leave a window, and the hours of the day. In both directions: what ceases to be true may be true
again later, and is an activation then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from engine.kernels.catalogue import FIRST_WINDOW, INDEX
from engine.kernels.groups import contact_features, window
from engine.kernels.moments import Moments
from engine.kernels.row_limits import SESSION_GAP_MS
from engine.rulebook.language.clauses import Clause
from engine.rulebook.language.predicate import SYMBOLS, Predicate
from engine.rulebook.language.traits import TraitColumn
from engine.state.catalogue import BY_NAME, CATALOGUE

FEATURES = {feature.index: feature for feature in CATALOGUE}
#: What `read` sets to 0 once the session is over.
SESSION = {feature.index for feature in CATALOGUE if feature.name.startswith("session.")} - {INDEX.session_number}
WINDOWS = range(FIRST_WINDOW, FIRST_WINDOW + len(window.ENTRIES))
CONTACTS = {BY_NAME[entry.name].index for entry in contact_features.ENTRIES}
HOURS = 24


def moments_of(rules: Iterable[Sequence[Clause]]) -> Moments:
    """The moments at which silence may change a predicate of these rules (the indicators)."""
    predicates = {predicate for rule in rules for clause in rule for predicate, _ in clause}
    named = {side for one in predicates for side in (one.feature, one.other)}
    growing = _growing(predicates)
    if named & SESSION:
        growing.add((INDEX.idle_seconds, SESSION_GAP_MS + 1))
    grown, fallen = sorted(growing), sorted({fall for one in predicates for fall in _falls(one)})
    grows = [FEATURES[feature].grows_ms for feature, _ in grown]
    return Moments(
        feature=np.array([feature for feature, _ in grown], np.int32),
        threshold=np.array([at / step for (_, at), step in zip(grown, grows, strict=True)], np.float64),
        grows_ms=np.array(grows, np.int64),
        window=np.array([place for place, _ in fallen], np.int32),
        bound=np.array([bound for _, bound in fallen], np.float64),
        hours=np.array([sum(1 << hour for hour in set().union(*map(_hours, predicates)))], np.uint32),
        contacts=np.array([bool(named & CONTACTS)], np.bool_),
    )


def _growing(predicates: Iterable[Predicate]) -> set[tuple[int, int]]:
    """Features and milliseconds of inactivity.

    A feature is whole milliseconds over `grows_ms`, so the first value at which ``>= 900`` becomes true is 900,
    and the first for ``> 900`` is one millisecond later. Those values are the thresholds.
    """
    return {(_index(one.feature), at) for one in predicates if one.alone for at in _grown_ms(one)}


def _grown_ms(predicate: Predicate) -> list[int]:
    """Milliseconds of inactivity after which the predicate changes."""
    step = _grows_ms(predicate.feature)
    if not step:
        return []
    reached = math.ceil(_exact(predicate.threshold * step))
    passed = math.floor(_exact(predicate.threshold * step)) + 1
    return [int(at) for at in _changes(predicate, reached, passed) if at > 0]


def _changes(predicate: Predicate, reached: float, passed: float) -> list[float]:
    """Where it changes: at the threshold, just beyond it, or at both."""
    symbol = SYMBOLS[predicate.op]
    changes = {"<": [reached], ">=": [reached], "<=": [passed], ">": [passed]}
    return changes.get(symbol, [reached, passed])


def _exact(milliseconds: float) -> float:
    """20 minutes in hours are not a binary fraction: back in milliseconds they must be whole again."""
    nearest = round(milliseconds)
    return nearest if math.isclose(milliseconds, nearest, rel_tol=1e-12) else milliseconds


def _falls(predicate: Predicate) -> list[tuple[int, float]]:
    """Windows, by their places among `window.ENTRIES`, and below what the predicate changes; inf: whenever they
    fall, since it compares them with what is no constant."""
    if not predicate.alone:
        sides = (predicate.feature, predicate.other)
        return [(_index(side) - FIRST_WINDOW, math.inf) for side in sides if side in WINDOWS]
    if predicate.feature not in WINDOWS:
        return []
    above = math.nextafter(predicate.threshold, math.inf)
    bounds = _changes(predicate, predicate.threshold, above)
    return [(_index(predicate.feature) - FIRST_WINDOW, bound) for bound in bounds if bound > 0]


def _hours(predicate: Predicate) -> set[int]:
    """The hours of the day at whose beginning the predicate may change."""
    sides = {predicate.feature, predicate.other}
    if INDEX.now_hour not in sides:
        return {0} if INDEX.now_weekday in sides else set()
    if not predicate.alone:
        return set(range(HOURS))
    reached, passed = math.ceil(predicate.threshold), math.floor(predicate.threshold) + 1
    changes = {int(hour) for hour in _changes(predicate, reached, passed) if 0 < hour < HOURS}
    return changes | {0}


def unwatched(clauses: Sequence[Clause]) -> list[str]:
    """Why these clauses could become true during inactivity without a timer: reasons, mostly none."""
    reasons = []
    for predicate in {predicate for clause in clauses for predicate, _ in clause}:
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
