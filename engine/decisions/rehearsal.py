"""Warm-up: decisions before the first request, so that it does not pay for one-time costs.

Compiled code is read from disk when it is first called: without a warm-up the first decision takes hundreds of
milliseconds, longer than its deadline, and is the fallback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from engine.customer_id import CustomerId, customer_id
from engine.decisions.request import MAX_DEADLINE_MS, DecisionRequest
from engine.events import CHANNELS
from engine.ports.decision_store import DecisionStore, Reservation, Taking
from engine.ports.offer_history import View

#: A customer without a row, who never gets one: the warm-up writes nothing.
NEW_CUSTOMER = customer_id("cueline-rehearsal")


class ReadOnlyStore:
    """`store` (a `DecisionStore`) that takes every offer it is asked to, and writes nothing."""

    def __init__(self, store: DecisionStore) -> None:
        self._store = store

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        """As the store's."""
        return await self._store.views(customers)

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        """Everything is granted, nothing is kept."""
        return [[Taking.TAKEN] * len(reservation.candidates) for reservation in reservations]

    async def decision(self, decision_id: str) -> bytes | None:
        """As the store's."""
        return await self._store.decision(decision_id)


async def rehearse(decide: Callable[[DecisionRequest], Awaitable[bytes]]) -> None:
    """Let `decide`, on a `ReadOnlyStore`, answer for a new customer: on every channel, plainly and with context
    and placements, in one micro-batch, and then one request alone.

    An unavailable store is no error: then the answers are fallbacks.
    """
    plain = [
        DecisionRequest(channel, customer_id=NEW_CUSTOMER, deadline_ms=MAX_DEADLINE_MS, explain=True)
        for channel in CHANNELS
    ]
    weighed = [
        msgspec.structs.replace(request, context={NEW_CUSTOMER: 2.0}, placements=("first", "second"))
        for request in plain
    ]
    await asyncio.gather(*map(decide, [*plain, *weighed]))
    await decide(plain[0])
