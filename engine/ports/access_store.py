"""Who may call, as it is kept: keys, what they have spent, and tickets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from engine.access import KeyRecord


class Settlement(NamedTuple):
    """What each key (by id) ``spent`` at one ``process``. ``number`` grows with each settlement of the process."""

    process: str
    number: int
    spent: Mapping[str, int]


class QuotaStore(Protocol):
    """What keys have spent. Raises `Unavailable`."""

    async def spend_quotas(self, day: int, settlement: Settlement) -> Mapping[str, int]:
        """Add `settlement` to what keys spent on `day` (UTC, days since 1970), unless it, or one of its process
        with a higher number, was added to that day before; returns what each of its keys has in all."""


class KeyStore(Protocol):
    """The keys of callers, beside those of the settings. Methods raise `Unavailable`."""

    async def access_keys(self) -> list[KeyRecord]:
        """All of them, by id."""

    async def add_key(self, record: KeyRecord) -> bool:
        """Keep a key; False when there is one of that id, which stays as it is."""

    async def revoke_key(self, key_id: str) -> bool:
        """Forget a key; False when there is none of that id."""


#: How long a ticket for an event stream may be kept before it is used.
TICKET_KEPT_S = 30


class TicketStore(Protocol):
    """Tickets for event streams, by their digest. Methods take one round trip and raise `Unavailable`."""

    async def keep_ticket(self, digest: str, grant: bytes) -> None:
        """Keep what a ticket grants, for `TICKET_KEPT_S`."""

    async def take_ticket(self, digest: str) -> bytes | None:
        """What it grants, to whoever asks first; None afterwards, when it is over, and when there was none."""
