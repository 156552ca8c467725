"""The in-memory twin of `tickets.py`."""

from __future__ import annotations

from collections.abc import Callable

from engine.ports.access_store import TICKET_KEPT_S
from engine.store.memory_sent import MemorySent


class MemoryTickets(MemorySent):
    """TicketStore, too, in one process, by the same clock."""

    def __init__(self, wall: Callable[[], int]) -> None:
        super().__init__(wall)
        self._tickets: dict[str, tuple[int, bytes]] = {}  # until when, what it grants

    async def keep_ticket(self, digest: str, grant: bytes) -> None:
        self._tickets[digest] = (self._wall() + TICKET_KEPT_S * 1_000, grant)

    async def take_ticket(self, digest: str) -> bytes | None:
        until, grant = self._tickets.pop(digest, (0, b""))
        return grant if until > self._wall() else None
