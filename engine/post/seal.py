"""Signatures of letters: who may write to the topic may not therefore write mail, and for an ACL the two are the
same."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from engine.errors import BadEvent, BadSettings

SIGNATURE_HEADER = "signature"

UNSIGNED, UNKNOWN_KEY, FORGED = "unsigned_mail", "unknown_mail_key", "forged_mail"

_CONTEXT = "cueline mail 1"


class Seal(msgspec.Struct, frozen=True):
    """The secrets of a deployment named ``cluster``: by the id of each, the first signs and all verify."""

    cluster: str = ""
    secrets: Mapping[str, bytes] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the secrets, in order."""
        return tuple(self.secrets)

    def sign(self, receiver: int, key: bytes, value: bytes) -> bytes:
        """The header's value for a letter: the id of the secret, a colon, 32 bytes in hexadecimal digits. Raises
        `BadSettings` without a secret."""
        for name, secret in self.secrets.items():
            return f"{name}:{self._digest(secret, receiver, key, value)}".encode()
        raise BadSettings("post.secrets is empty: nothing signs the mail between partitions")

    def verify(self, signature: bytes | None, receiver: int, key: bytes, value: bytes) -> None:
        """Raises `BadEvent` unless `signature` is that of this very letter to `receiver`."""
        if not signature:
            raise BadEvent(UNSIGNED, "a letter without the header that signs it")
        name, _, digest = signature.decode(errors="replace").partition(":")
        secret = self.secrets.get(name)
        if secret is None:
            raise BadEvent(UNKNOWN_KEY, f"post.secrets has none with the id {name[:40]!r}")
        if not hmac.compare_digest(digest.encode(), self._digest(secret, receiver, key, value).encode()):
            raise BadEvent(FORGED, "the signature is not that of this letter to this partition")

    def _digest(self, secret: bytes, receiver: int, key: bytes, value: bytes) -> str:
        """Of all that a letter says: its value holds sender, number, path and body beside the event."""
        signed = msgspec.msgpack.encode((_CONTEXT, self.cluster, receiver, key, value))
        return hmac.new(secret, signed, hashlib.sha256).hexdigest()
