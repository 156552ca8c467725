"""Commands of the memory for repeats of large batches: what Kafka has acknowledged of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.customer_id import CustomerId
from engine.ports.sent_store import SENT_BATCHES, SENT_KEPT_S, UNDER_WAY_S
from engine.store.commands import Commands
from engine.store.keys import UNDER_WAY
from engine.store.resp import pack


class SentCommands(Commands):
    """`engine.ports.sent_store.SentStore` on Redis."""

    async def begin_batch(self, batch: bytes, customers: Sequence[CustomerId]) -> list[bytes] | None:
        claim = pack(("SET", UNDER_WAY + batch, "", "NX", "EX", UNDER_WAY_S))
        reads = [pack(("LRANGE", self._sent_key(customer), 0, -1)) for customer in customers]
        claimed, *found = await self._connection.pipe(b"".join((claim, *reads)), 1 + len(reads))
        return [b"".join(batches) for batches in found] if claimed else None

    async def end_batch(self, batch: bytes, sent: Mapping[CustomerId, bytes]) -> None:
        commands: list[tuple[object, ...]] = []
        for customer, ids in sent.items():
            key = self._sent_key(customer)
            commands += (
                ("RPUSH", key, ids),
                ("LTRIM", key, -SENT_BATCHES, -1),
                ("EXPIRE", key, SENT_KEPT_S),
            )
        commands.append(("DEL", UNDER_WAY + batch))
        await self._connection.pipe(b"".join(map(pack, commands)), len(commands))

    def _sent_key(self, customer: CustomerId) -> bytes:
        name = customer.encode()
        return self._keys.sent_prefix[self._keys.of_customer(name)] + name
