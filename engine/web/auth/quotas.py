"""Quotas: how much a key may ask for in a day (UTC), over all processes together."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

from engine.clock import wall_ms
from engine.errors import RateLimited
from engine.ports.access_store import QuotaStore, Settlement
from engine.web.auth.principal import Principal

DAY_MS = 86_400_000
QUOTA_EVERY_S = 1.0


class Quotas:
    """What each key has spent today: what the store knew a second ago, and what was spent here since.

    So several processes together may pass a quota by what they let in within a second.
    """

    def __init__(self, store: QuotaStore) -> None:
        self._store = store
        self._day = 0
        self._spent: dict[str, int] = {}
        self._here: Counter[str] = Counter()
        self._process = uuid4().hex
        self._under_way: tuple[int, Settlement] | None = None  # its day, until the store has answered
        self._settlements = 0

    def spend(self, caller: Principal, number: int) -> None:
        """Spend `number` of the caller's quota. Raises `RateLimited` when it is used up."""
        day, of_day = divmod(wall_ms(), DAY_MS)
        if day != self._day:
            self._day, self._spent, self._here = day, {}, Counter()
        if self._spent.get(caller.id, 0) + self._here[caller.id] + number > caller.quota:
            raise RateLimited(f"the quota of {caller.quota:,} a day is used up", (DAY_MS - of_day) // 1_000 + 1)
        self._here[caller.id] += number

    async def settle(self) -> None:
        """Add what was spent here to the store, and learn what all have spent. Raises `Unavailable`.

        What was not answered is sent again as it was, since the store may have it: it counts a number once.
        """
        self._under_way = self._under_way or self._next()
        if self._under_way is None:
            return
        day, settlement = self._under_way
        spent = await self._store.spend_quotas(day, settlement)
        self._under_way = None
        if day == self._day:
            self._here.subtract(settlement.spent)
            self._spent.update(spent)

    def _next(self) -> tuple[int, Settlement] | None:
        if not (here := +self._here):
            return None
        self._settlements += 1
        return self._day, Settlement(self._process, self._settlements, here)
