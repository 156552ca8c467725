"""Offers that are taken all the time, as decisions take them, by all ids of all customers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import msgspec

from engine.customer_id import CustomerId
from engine.errors import Unavailable
from engine.kernels.partition import partition_of
from engine.ports.decision_store import Candidate, Reservation, Taking
from engine.settings import Redis
from engine.store.followed_views import FollowedViews
from engine.store.redis import RedisStore

TAKERS = 4
PAUSE_S = (0.0, 0.2)
AWAY_S = 0.1
MOST_VIEWS = 4
OFFERS = 8
PREFIX = "bench-"
#: Gives have times of their own, before all events: what a cue might give back when it ends is no part of this.
BEFORE_MS = 10_000_000


class Give(msgspec.Struct, frozen=True):
    """An offer that one id was, or may have been, given at a moment (epoch ms), under a decision's id."""

    decision_id: str
    asked: CustomerId
    offer_id: str
    at: int


class OfferTaker:
    """Takes offers for `ids` at times before `now` (epoch ms), each once, until `end`.

    ``tried`` are those for which the store was asked: whether it did give the offer, when it did not answer, its
    record says. ``acknowledged`` are those that it answered for since it last came back older.
    """

    def __init__(
        self, url: str, partitions: int, ids: Sequence[CustomerId], now: int, chance: random.Random
    ) -> None:
        self._store = RedisStore(Redis(url=url), partitions)
        self._views = FollowedViews(self._store)
        self._partitions = partitions
        self._ids = ids
        self._from = now - BEFORE_MS
        self._chance = chance
        self._number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()
        self.tried: dict[Give, None] = {}
        self.acknowledged: set[Give] = set()

    def begin(self) -> None:
        """Take from now on."""
        self._tasks = [asyncio.create_task(self._go_on()) for _ in range(TAKERS)]

    def forget(self) -> None:
        """The store lost what it had done last."""
        self.acknowledged.clear()

    async def end(self) -> None:
        """Take no more."""
        self._ending.set()
        await asyncio.gather(*self._tasks)
        await self._store.close()

    async def _go_on(self) -> None:
        while not self._ending.is_set():
            try:
                await self._take(self._chance.choice(self._ids))
            except Unavailable:
                await asyncio.sleep(AWAY_S)
            await asyncio.sleep(self._chance.uniform(*PAUSE_S))

    async def _take(self, asked: CustomerId) -> None:
        """One offer, as `engine.decisions.batcher` does it. Raises `Unavailable`."""
        self._number += 1
        number, at = self._number, self._from + self._number
        offer = Candidate(f"{PREFIX}{number % OFFERS}", 0, 0)
        for _ in range(MOST_VIEWS):
            [view] = await self._views.views([asked])
            whose = view.customer or asked
            decision = f"{partition_of(whose.encode(), self._partitions)}-bench-{number}"
            give = Give(decision, asked, offer.offer_id, at)
            self.tried[give] = None
            wanted = Reservation(whose, decision, at, (offer,), b"bench", brought=view.brought)
            [[taking]] = await self._views.reserve([wanted])
            if taking is Taking.TAKEN:
                self.acknowledged.add(give)
            if taking is not Taking.MOVED:
                return
