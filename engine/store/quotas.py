"""What keys have spent today: ``cueline:quota:<day>``, a hash from a key's id to a number.

Beside them the number of each process's last settlement that counted, under ``~`` and the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from engine.ports.access_store import Settlement
from engine.store.commands import Commands
from engine.store.functions.library import SPEND
from engine.store.keys import DAY_S, QUOTA_PREFIX
from engine.store.resp import pack


class QuotaCommands(Commands):
    """`engine.ports.access_store.QuotaStore` on Redis."""

    async def spend_quotas(self, day: int, settlement: Settlement) -> Mapping[str, int]:
        key, spent = QUOTA_PREFIX + str(day).encode(), settlement.spent
        arguments = (settlement.process, settlement.number, 2 * DAY_S, *chain.from_iterable(spent.items()))
        replies = await self._connection.call(pack(("FCALL", SPEND, 1, key, *arguments)))
        return dict(zip(spent, replies, strict=True))
