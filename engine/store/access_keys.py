"""Keys of callers in the store: `cueline:keys`, a hash from id to record."""

from __future__ import annotations

import logging
from functools import lru_cache

import msgspec

from engine.access import KeyRecord, faults_of
from engine.store.commands import Commands
from engine.store.keys import KEYS
from engine.store.resp import pack

log = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(KeyRecord).decode


class KeyCommands(Commands):
    """`engine.ports.access_store.KeyStore` on Redis."""

    async def access_keys(self) -> list[KeyRecord]:
        flat = await self._connection.call(pack(("HGETALL", KEYS)))
        found = (_read(name, stored) for name, stored in zip(flat[::2], flat[1::2], strict=True))
        return sorted((record for record in found if record), key=lambda record: record.id)

    async def add_key(self, record: KeyRecord) -> bool:
        return bool(await self._connection.call(pack(("HSETNX", KEYS, record.id, msgspec.json.encode(record)))))

    async def revoke_key(self, key_id: str) -> bool:
        return bool(await self._connection.call(pack(("HDEL", KEYS, key_id))))


@lru_cache(maxsize=4_096)  # they are read each second: once is enough to check one, and to complain of it
def _read(name: bytes, stored: bytes) -> KeyRecord | None:
    """A record; None, and a line in the log, for what is none, or grants what no key can have (another release, or
    somebody else, wrote it): it opens nothing."""
    try:
        record = _decode(stored)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        record = None
    if record is None or record.id.encode() != name or any(faults_of(record)):
        log.warning("Redis holds no key record in field %r of '%s': it opens nothing", name, KEYS.decode())
        return None
    return record
