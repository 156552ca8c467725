"""Quotas: how much a key may ask for in a day (UTC), over all processes together."""

from __future__ import annotations

from collections import Counter

from engine.clock import wall_ms
from engine.errors import RateLimited
from engine.ports.store import QuotaStore
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

    def spend(self, caller: Principal, number: int) -> None:
        """Spend `number` of the caller's quota. Raises `RateLimited` when it is used up."""
        day, of_day = divmod(wall_ms(), DAY_MS)
        if day != self._day:
            self._day, self._spent, self._here = day, {}, Counter()
        if self._spent.get(caller.id, 0) + self._here[caller.id] + number > caller.quota:
            raise RateLimited(f"the quota of {caller.quota:,} a day is used up", (DAY_MS - of_day) // 1_000 + 1)
        self._here[caller.id] += number

    async def settle(self) -> None:
        """Add what was spent here to the store, and learn what all have spent. Raises `Unavailable`."""
        day, here = self._day, +self._here
        if not here:
            return
        spent = await self._store.spend_quotas(day, here)
        if day == self._day:
            self._here.subtract(here)
            self._spent.update(spent)
