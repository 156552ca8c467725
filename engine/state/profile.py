"""A row as a customer profile: its features with unit and meaning, and what the customer did last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypedDict

import msgspec
import numpy as np

from engine.kernels.catalogue import FEATURES
from engine.kernels.features import read_many
from engine.kernels.groups.recent import RECENT
from engine.kernels.wire import EARLIEST_S
from engine.state.catalogue import CATALOGUE
from engine.state.row_codec import read
from engine.state.words import UNNAMED, WORD_FEATURES, by_number, codes_of


class Reading(TypedDict):
    """One feature at a moment; ``value`` is null where it has none (no purchase yet, say), and of the unit
    ``word`` a text, empty where its letters are not known any more."""

    value: float | str | None
    unit: str
    meaning: str


class Moment(msgspec.Struct, frozen=True):
    """One of the last events: when (epoch ms; before version 2 of rows to the second), `engine.events.Kind`, and
    the hashes under which the row knows item and category (0: none)."""

    at: int
    kind: int
    item: int
    category: int
    value: float


class CustomerProfile(msgspec.Struct, frozen=True):
    """A row at a moment. ``timeline`` are the last events, newest first, ``words`` the hashes of what was said of
    contacts. Times in epoch ms."""

    first_at: int
    last_at: int
    events: int
    vector: tuple[float, ...]
    timeline: tuple[Moment, ...]
    words: frozenset[int]

    @property
    def hashes(self) -> list[int]:
        """Those that may have a name, for `worded` and for the timeline."""
        of_timeline = {code for moment in self.timeline for code in (moment.item, moment.category) if code}
        return sorted(of_timeline | self.words)

    @property
    def features(self) -> dict[str, Reading]:
        """By name, while nobody has the letters of words."""
        return self.worded({})

    def worded(self, known: Mapping[int, str]) -> dict[str, Reading]:
        """The features by name; `known` are the words behind `hashes`."""
        words = by_number(known, self.words)
        return {
            one.name: Reading(
                value=_value(self.vector[one.index], one.name, words), unit=one.unit, meaning=one.meaning
            )
            for one in CATALOGUE
        }


def profile_of(row: bytes | None, now: int) -> CustomerProfile:
    """The stored `row` as of `now` (epoch ms); None: of a customer without events. Raises `BadState` for a
    version we do not know."""
    rows = read([row])
    vector = np.empty((1, FEATURES))
    read_many(rows, np.full(1, now), vector)
    one = rows[0]
    return CustomerProfile(
        int(one["life_first_at"]),
        int(one["life_last_at"]),
        int(one["recent_total"]),
        tuple(vector[0].tolist()),
        tuple(_timeline(one)),
        codes_of(one),
    )


def active_codes(row: np.void) -> frozenset[int]:
    """Of the indicators that were active when `row` (`ROW`) was evaluated last."""
    return frozenset(row["active"][: row["active_count"]].tolist())


def is_anonymous(row: bytes | None) -> bool:
    """Whether the stored `row` has events, and each named the customer by an anonymous id alone. Raises as
    `profile_of`."""
    one = read([row])[0]
    return 0 < int(one["recent_total"]) == int(one["life_anonymous"])


def _value(value: float, name: str, words: Mapping[float, str]) -> float | str | None:
    if not math.isfinite(value):
        return None
    return words.get(value, UNNAMED) if name in WORD_FEATURES else value


def _timeline(row: np.void) -> Iterator[Moment]:
    """From the newest event backwards: number n, in order of time, lies at place n % `RECENT`."""
    total = int(row["recent_total"])
    for number in range(total - 1, max(total - RECENT, 0) - 1, -1):
        i = number % RECENT
        yield Moment(
            (EARLIEST_S + int(row["recent_s"][i])) * 1_000 + int(row["recent_ms"][i]),
            int(row["recent_kind"][i]),
            int(row["recent_item"][i]),
            int(row["recent_category"][i]),
            (int(row["recent_value_high"][i]) << 32 | int(row["recent_value"][i])) / 100,
        )
