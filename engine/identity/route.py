"""Where what comes for a key goes: it is applied there, or mailed on to whom the key was linked.

No graph of links is kept. A letter carries its path, and the path shows a cycle.
"""

from __future__ import annotations

import enum

import msgspec

from engine.customer_id import NO_CUSTOMER, CustomerId
from engine.identity.link import LinkTrust
from engine.identity.marker import OPEN, Marker, Parts, Phase

MOST_HOPS = 8  # of what may open a marker
MOST_KEEP_HOPS = 64  # of what may not


class Turn(enum.StrEnum):
    """What a path led to, beside going on."""

    NONE = ""
    CYCLE_CUT = "cycle_cut"
    HOPS_CUT = "hops_cut"
    DROPPED = "dropped"


class Passage(msgspec.Struct, frozen=True):
    """``here`` is what is applied at the key, ``on`` what is mailed to ``to``, with ``path``; ``marker`` is the
    key's from now on. Where it has opened (``turn``), its history thaws."""

    here: Parts
    on: Parts = Parts.NOTHING
    to: CustomerId = NO_CUSTOMER
    path: tuple[str, ...] = ()
    marker: Marker = OPEN
    turn: Turn = Turn.NONE

    @property
    def opens(self) -> bool:
        """Whether the marker opened."""
        return self.turn in (Turn.CYCLE_CUT, Turn.HOPS_CUT)


def route(key: CustomerId, marker: Marker, parts: Parts, path: tuple[str, ...], numbered: bool) -> Passage:
    """Where `parts` go that come for `key` with `marker` by `path` (the keys that sent them on). What is not
    `numbered` may come twice, so it changes no marker."""
    if marker.phase is not Phase.MERGED:
        return Passage(parts, marker=marker)
    stays = parts & Parts.REST if marker.trust is LinkTrust.UNSIGNED else Parts.NOTHING
    on = parts & ~stays
    if not on:
        return Passage(stays, marker=marker)
    seen = (*path, key)
    if marker.to in seen:
        cycle = seen[seen.index(marker.to) :]
        if not numbered:
            return Passage(stays, marker=marker, turn=Turn.DROPPED)  # it has been with all of them
        if key == max(cycle):
            return Passage(parts, turn=Turn.CYCLE_CUT)
    elif len(path) >= (MOST_HOPS if numbered else MOST_KEEP_HOPS):
        return Passage(parts, turn=Turn.HOPS_CUT) if numbered else Passage(stays, marker=marker, turn=Turn.DROPPED)
    return Passage(stays, on, marker.to, seen, marker)
