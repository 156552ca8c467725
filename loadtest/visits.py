"""Who comes when: customers who visit a shop twice, so many of them at any moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VISITS = 2  # of each customer; the second comes after the first ones of all others
VISIT_MS = 600_000  # of event time
BETWEEN_MS = 86_400_000  # from the last of the first visits to the first of the second ones


class Visits(NamedTuple):
    """Events as they come in: whose each is (the customer's number), and when (ms; the newest event is at 0)."""

    who: NDArray[np.int64]
    at: NDArray[np.int64]

    def of_others(self, others: int, at: int) -> Visits:
        """The same of other customers, whose numbers begin with `others`, and a day before `at`."""
        return Visits(self.who + others, self.at + at - BETWEEN_MS)


def visits(customers: int, each: int, active: int, rng: np.random.Generator) -> Visits:
    """Of `customers` with `each` events, about `active` of whom are there at a moment.

    They arrive one by one, each time in another order, and do what they do at moments of their visit that are left
    to chance. With `each` of 1 there is one visit.
    """
    parts = [part for part in split(each) if part]
    found = [_wave(customers, part, active, rng) for part in parts]
    last = found[-1]
    earlier = [wave.of_others(0, int(last.at[0])) for wave in found[:-1]]
    return Visits(*(np.concatenate(columns) for columns in zip(*earlier, last, strict=True)))


def delayed(came: Visits, most_ms: int, rng: np.random.Generator) -> Visits:
    """The same events as they come in when each is late by chance, up to `most_ms`."""
    order = np.argsort(came.at + rng.integers(0, most_ms, len(came.at), endpoint=True), kind="stable")
    return Visits(came.who[order], came.at[order])


def in_order(came: Visits) -> Visits:
    """The same customers at the same places, the moments of each in order."""
    places, at = np.argsort(came.who, kind="stable"), np.empty_like(came.at)
    at[places] = came.at[np.lexsort((came.at, came.who))]
    return Visits(came.who, at)


def late_share(came: Visits) -> float:
    """Which part of the events comes after a later one of the same customer."""
    places = np.argsort(came.who, kind="stable")
    who, at = came.who[places], came.at[places] - came.at.min()
    beyond = int(at.max()) + 1  # the moments of all customers one behind the other
    newest = np.maximum.accumulate(at + who * beyond)
    return float(np.mean(newest > at + who * beyond))


def split(each: int) -> list[int]:
    """The events of each visit."""
    return [each * (visit + 1) // VISITS - each * visit // VISITS for visit in range(VISITS)]


def _wave(customers: int, each: int, active: int, rng: np.random.Generator) -> Visits:
    """One visit of everybody, in which the time of one arrival after the other is the unit at first."""
    who = np.repeat(rng.permutation(customers), each)
    moments = np.repeat(np.arange(customers), each) + rng.uniform(0, active, len(who))
    order = np.argsort(moments)
    at = (moments[order] * (VISIT_MS / active)).astype(np.int64)
    return Visits(who[order], at - at[-1])
