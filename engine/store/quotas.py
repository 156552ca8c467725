"""What keys have spent today: ``cueline:quota:<day>``, a hash from a key's id to a number."""

from __future__ import annotations

from collections.abc import Mapping

from engine.store.commands import Commands
from engine.store.keys import DAY_S, QUOTA_PREFIX
from engine.store.resp import pack


class QuotaCommands(Commands):
    """`engine.ports.store.QuotaStore` on Redis."""

    async def spend_quotas(self, day: int, spent: Mapping[str, int]) -> Mapping[str, int]:
        key = QUOTA_PREFIX + str(day).encode()
        frames = [pack(("HINCRBY", key, name, number)) for name, number in spent.items()]
        replies = await self._connection.pipe(
            b"".join([*frames, pack(("EXPIRE", key, 2 * DAY_S))]), len(frames) + 1
        )
        return dict(zip(spent, replies[:-1], strict=True))
