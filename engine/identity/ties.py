"""What a key has to do with others: it is stored before the key's row, and committed with it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.customer_id import NO_CUSTOMER, CustomerId
from engine.errors import BadState
from engine.identity.link import LinkTrust
from engine.identity.marker import OPEN, Marker, Phase

SHOWN = 8  # ids of those whose rows went into one: the newest


KEPT_MS = 30 * 86_400_000  # how long after a link its key can have its row back


class Provenance(msgspec.Struct, frozen=True, array_like=True):
    """How a key's marker came to be what it is: the ``cause`` (a word of `engine.identity.link.Cause`, or
    ``split``; empty: not known), ``by`` which caller's key, and the `Rank` that was claimed for the id."""

    cause: str = ""
    by: str = ""
    rank: int = 0


UNKNOWN = Provenance()


class Ties(msgspec.Struct, frozen=True, array_like=True):
    """``marker`` says whose the key is. ``merged`` are the ids whose rows went into its own, at most `SHOWN`, the
    newest last. ``owes`` are those to whom its offer history is still to be sent, and ``kept`` is the stored row
    that it sent last (empty: none). ``provenance`` is how the marker came to be."""

    marker: Marker = OPEN
    merged: tuple[str, ...] = ()
    owes: tuple[CustomerId, ...] = ()
    kept: bytes = b""
    provenance: Provenance = UNKNOWN

    @property
    def is_merged(self) -> bool:
        """Whether what comes for the key goes on, or a part of it."""
        return self.marker.phase is Phase.MERGED

    @property
    def signed_to(self) -> CustomerId:
        """Whose the key is by a signed link; empty: its own."""
        return self.marker.to if self.is_merged and self.marker.trust > LinkTrust.UNSIGNED else NO_CUSTOMER

    @property
    def without_kept(self) -> Ties:
        """Nothing is kept of the row that was sent."""
        return msgspec.structs.replace(self, kept=b"")

    def restorable(self, came_in: int) -> bytes:
        """The stored row that the key has back when a split comes in then (epoch ms). It follows from the log
        alone: what is there longer, because nobody has cut it yet, is not given back."""
        return self.kept if came_in - self.marker.since <= KEPT_MS else b""

    def with_merged(self, key: str, ids: Iterable[str]) -> Ties:
        """The rows of `ids` went into that of `key`, too."""
        known = dict.fromkeys(self.merged)
        for one in ids:
            if one != key:
                known.pop(one, None)
                known[one] = None
        return msgspec.structs.replace(self, merged=tuple(known)[-SHOWN:])


#: Of nearly every key.
NO_TIES = Ties()


def packed(ties: Ties) -> bytes:
    """As it is stored; empty for `NO_TIES`."""
    return b"" if ties == NO_TIES else msgspec.msgpack.encode(ties)


def ties_in(stored: bytes) -> Ties:
    """Raises `BadState` for what is none: a later release may have written it, or it is damaged."""
    if not stored:
        return NO_TIES
    try:
        return _read(stored)
    except msgspec.DecodeError as fault:
        raise BadState(f"what stands before a stored row says nothing of other ids: {fault}") from None


_read = msgspec.msgpack.Decoder(Ties).decode
