"""Tickets: each opens one event stream, once and soon. For a browser's EventSource, which can set no header, so
that no key and no token stands in an address, where logs and histories keep it.

The store has the digest of a ticket, so that another api process may take it, and who reads there can use none.
"""

from __future__ import annotations

import secrets

import msgspec

from engine.access import hash_of
from engine.errors import NotAuthorised
from engine.ports.access_store import TICKET_KEPT_S, TicketStore
from engine.validation_errors import UNREADABLE
from engine.web.auth.principal import Principal

_BYTES = 32
_MOST_CHARACTERS = 64


class CueStream(msgspec.Struct, frozen=True):
    """An event stream: the cues of a customer, or with ``agent`` those for agents, of one customer or of all."""

    customer: str = ""
    agent: str = ""


class _Grant(msgspec.Struct, frozen=True, array_like=True):
    stream: CueStream
    caller: Principal


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Grant).decode


class StreamTickets:
    """Makes tickets, and takes them back. Methods raise `Unavailable`."""

    def __init__(self, store: TicketStore) -> None:
        self._store = store

    async def make(self, stream: CueStream, caller: Principal, now: int) -> tuple[str, int]:
        """A ticket by which `caller` opens `stream`, and its end (epoch ms; `now` likewise)."""
        ticket = secrets.token_urlsafe(_BYTES)
        await self._store.keep_ticket(hash_of(ticket), _encode(_Grant(stream, caller)))
        return ticket, now + TICKET_KEPT_S * 1_000

    async def holder(self, ticket: str, stream: CueStream) -> Principal:
        """Who asked for `ticket`, which is worth nothing from now on. Raises `NotAuthorised` when it is of another
        stream, over, or none of ours."""
        kept = await self._store.take_ticket(hash_of(ticket)) if len(ticket) <= _MOST_CHARACTERS else None
        grant = None if kept is None else _read(kept)
        if grant is None or grant.stream != stream:
            raise NotAuthorised(
                f"a ticket opens the one stream it was made for, once, within {TICKET_KEPT_S} s", "ticket"
            )
        return grant.caller


def _read(kept: bytes) -> _Grant | None:
    """None for what another release may have kept: its holder asks again."""
    try:
        return _decode(kept)
    except UNREADABLE:
        return None
