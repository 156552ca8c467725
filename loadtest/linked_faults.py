"""What goes on beside kills where people have several ids: links, and offers that are taken; and what must
be right then."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import msgspec

from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.settings import Redis
from engine.state.row_codec import read
from engine.store.redis import RedisStore
from loadtest.endless_log import PATIENCE_S, RATE, Log
from loadtest.fault_results import FaultsResult, LinkedFaultsResult
from loadtest.linked_histories import different, histories, recorded
from loadtest.linked_people import LinkedPeople, all_ids, links_in_order
from loadtest.offer_taker import OfferTaker
from loadtest.stage import Stage

SECONDS_PER_KILL = 4  # over which the links are spread: a kill and its recovery take longer


class Linking:
    """``people`` made of `log`, whose first event was at `first_at` (epoch ms), for a run of `kills`; and who
    takes offers for them."""

    def __init__(self, stage: Stage, log: Log, first_at: int, kills: int, chance: random.Random) -> None:
        every = max(RATE * SECONDS_PER_KILL * kills // len(links_in_order(chance)), 1)
        self.people = LinkedPeople(log, every, chance)
        self._stage = stage
        self._whose = all_ids()
        self._taker = OfferTaker(stage.url(0), stage.partitions, [*self._whose], first_at, chance)

    def begin(self) -> None:
        """Take offers."""
        self._taker.begin()

    def lost(self) -> None:
        """Redis has lost the end of what it had."""
        self._taker.forget()

    async def end(self) -> None:
        """Returns once all links are written. Raises `Unavailable` when they are not in time."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.people.done.wait()
        except TimeoutError as error:
            raise Unavailable(f"{self.people.announced} links written after {PATIENCE_S:.0f} s") from error
        finally:
            await self._taker.end()

    def of_customers(self, sent: Mapping[str, int]) -> Counter[str]:
        """What was `sent` under each id, by whose the ids are in the end."""
        found: Counter[str] = Counter()
        for one, count in sent.items():
            found[self._whose[customer_id(one)]] += count
        return found

    async def compared(self, result: FaultsResult) -> LinkedFaultsResult:
        """`result` with what only linked people have."""
        stores = [RedisStore(Redis(url=self._stage.url(number)), self._stage.partitions) for number in range(2)]
        try:
            disturbed, undisturbed = [
                await histories(store, self._whose, self._stage.partitions) for store in stores
            ]
            given = await recorded(stores[0], self._taker)
        finally:
            for store in stores:
                await store.close()
        wrong = different(disturbed, undisturbed, given, self._taker.tried, self._whose)
        return LinkedFaultsResult(
            **msgspec.structs.asdict(result),
            links=self.people.announced,
            customers=await self._customers(),
            given=len(given),
            histories_different=len(wrong),
        )

    async def _customers(self) -> int:
        """How many ids have events of their own."""
        rows = await self._stage.rows(0)
        return sum(int(total) > 0 for total in read([*rows.values()])["recent_total"])
