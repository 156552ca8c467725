"""Tickets for event streams: ``cueline:ticket:<digest>``, a string that is taken once."""

from __future__ import annotations

from engine.ports.access_store import TICKET_KEPT_S
from engine.store.commands import Commands
from engine.store.keys import TICKET_PREFIX
from engine.store.resp import pack


class TicketCommands(Commands):
    """`engine.ports.access_store.TicketStore` on Redis."""

    async def keep_ticket(self, digest: str, grant: bytes) -> None:
        await self._connection.call(pack(("SET", TICKET_PREFIX + digest.encode(), grant, "EX", TICKET_KEPT_S)))

    async def take_ticket(self, digest: str) -> bytes | None:
        taken: bytes | None = await self._connection.call(pack(("GETDEL", TICKET_PREFIX + digest.encode())))
        return taken
