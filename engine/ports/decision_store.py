"""The store as decisions see it: rows, offer histories, caps and records."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from engine.customer_id import CustomerId
from engine.ports.offer_history import View


class Taking(enum.IntEnum):
    """What became of a candidate: the digits that the function in Redis answers."""

    CAPPED = 0
    TAKEN = 1
    UNCONSENTED = 2
    ERASED = 3  # the customer was erased since, and nothing was stored
    MOVED = 4  # the customer is another's, and nothing was stored


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An offer that may be taken: at most `cap_max` times in `cap_period_ms` (0 = no cap), and not without the
    consents that it ``needs`` (`engine.consent.arguments_of`)."""

    offer_id: str
    cap_max: int
    cap_period_ms: int
    needs: str = ""


class Reservation(msgspec.Struct, frozen=True, gc=False):
    """Take each of `candidates` for a customer whose cap and consents allow it.

    ``record`` is stored under the decision's id for a day, for outcomes and look-ups. ``row_at`` is when
    the newest event of the row happened that it rests on (epoch ms, 0: no row): nothing is stored for a customer
    who was erased after that. ``brought`` is the history of another of their ids, which counts, too, and is not
    kept: mail brings it.
    """

    customer: CustomerId
    decision_id: str
    at: int
    candidates: tuple[Candidate, ...]
    record: bytes
    row_at: int = 0
    brought: Mapping[str, Sequence[int]] = {}


class DecisionStore(Protocol):
    """The decisions' view of the store. Methods raise `Unavailable`."""

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        """Row and offer history of each customer, in one round trip."""

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        """Check and take every candidate of each, one after the other, atomically per customer, in one
        round trip. Stores each record, unless its customer was erased."""

    async def decision(self, decision_id: str) -> bytes | None:
        """The record of a decision, None when unknown or older than a day."""
