"""Commands of erasures: what a customer has in the cue stream, and who was erased."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from engine.customer_id import CustomerId, customer_id
from engine.ports.stream_store import Erasure
from engine.store.commands import Commands
from engine.store.functions.library import ERASE
from engine.store.keys import DAY_S
from engine.store.resp import pack

READ_AT_ONCE = 500  # entries of the cue stream: a millisecond of Redis


class ErasureCommands(Commands):
    """The part of `engine.ports.stream_store.StreamStore` that erasures need, on Redis."""

    async def tombstones(self, partition: int) -> dict[str, int]:
        stored = await self._connection.call(pack(("HGETALL", self._keys.tombstones[partition])))
        fields = zip(stored[::2], stored[1::2], strict=True)
        return {digest.decode(): int(at) for digest, at in fields if at.isdigit()}

    async def drop_tombstones(self, partition: int, digests: Sequence[str]) -> None:
        if digests:
            await self._connection.call(pack(("HDEL", self._keys.tombstones[partition], *digests)))

    async def cues_of(self, partition: int, customer: bytes) -> list[bytes]:
        found: list[bytes] = []
        start = b"-"
        while True:
            command = ("XRANGE", self._keys.cues[partition], start, "+", "COUNT", READ_AT_ONCE)
            entries: Any = await self._connection.call(pack(command))
            found += [name for name, fields in entries if _owner(fields) == customer]
            if len(entries) < READ_AT_ONCE:
                return found
            start = b"(" + entries[-1][0]

    async def recorded(self, customer: CustomerId) -> list[str]:
        name = customer.encode()
        prefix = self._keys.recorded_prefix[self._keys.of_customer(name)]
        today = int(time.time()) // DAY_S
        commands = [pack(("LRANGE", prefix + b"%d:" % day + name, 0, -1)) for day in range(today - 2, today + 1)]
        found = await self._connection.pipe(b"".join(commands), len(commands))
        return list(dict.fromkeys(decision.decode() for decisions in found for decision in decisions))

    async def ids_linked(self, customers: Sequence[CustomerId]) -> list[list[CustomerId]]:
        names = [customer.encode() for customer in customers]
        keys = [self._keys.ids_prefix[self._keys.of_customer(name)] + name for name in names]
        frame = b"".join(pack(("SMEMBERS", key)) for key in keys)
        found = await self._connection.pipe(frame, len(keys)) if keys else []
        return [sorted(customer_id(one.decode()) for one in ids) for ids in found]


def _owner(fields: Sequence[bytes]) -> bytes | None:
    return dict(zip(fields[::2], fields[1::2], strict=True)).get(b"customer")


def erase(key: bytes, digest: str, erasure: Erasure) -> bytes:
    """The call that erases; ``key`` is that of the tombstones, ``digest`` under what it is remembered."""
    return pack(("FCALL", ERASE, 1, key, erasure.customer, digest, erasure.at, *erasure.cues))
