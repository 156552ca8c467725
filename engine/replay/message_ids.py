"""Deterministic message ids: reading the same file again gives the same."""

from __future__ import annotations

from hashlib import blake2b

import msgspec


class MessageIds(msgspec.Struct, frozen=True, gc=False):
    """Where an event is in a file: number of its line or record (from 1) and the line itself."""

    salt: str
    line: int
    content: bytes

    def message_id(self, position: int = 0) -> str:
        """The id of the line's event number `position`: a hash of salt, line number and content."""
        digest = blake2b(self.content, digest_size=12, key=self.salt.encode()[:64])
        digest.update(b"%d %d" % (self.line, position))
        return digest.hexdigest()
