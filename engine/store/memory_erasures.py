"""The in-memory twin of erasures, and of what an export asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from engine.customer_id import CustomerId, customer_id
from engine.ports.stream_store import Erasure
from engine.ports.traits import Trait
from engine.store.memory_partition import MemoryPartitions, Partition


class MemoryErasures(MemoryPartitions):
    """HeldStore, too, in one process."""

    def _erase(self, part: Partition, erasure: Erasure) -> None:
        customer = erasure.customer
        for kept in (part.rows, part.histories, part.traits, part.timers, part.recent_cues, part.ids):
            kept.pop(customer, None)
        for name in part.recorded.pop(customer, ()):
            part.decisions.pop(name, None)
        part.cues = deque((cue for cue in part.cues if cue[1] != customer), part.cues.maxlen)
        digest = self._erased_ids.digest(customer)
        part.tombstones[digest] = max(erasure.at, part.tombstones.get(digest, 0))

    async def tombstones(self, partition: int) -> dict[str, int]:
        return dict(self._partitions[partition].tombstones)

    async def drop_tombstones(self, partition: int, digests: Sequence[str]) -> None:
        for digest in digests:
            self._partitions[partition].tombstones.pop(digest, None)

    async def cues_of(self, partition: int, customer: bytes) -> list[bytes]:
        cues = self._partitions[partition].cues
        return [f"{at.ms}-{at.seq}".encode() for at, owner, _ in cues if owner == customer]

    async def recorded(self, customer: CustomerId) -> list[str]:
        name = customer.encode()
        return list(dict.fromkeys(self._of(name).recorded.get(name, ())))

    async def ids_linked(self, customers: Sequence[CustomerId]) -> list[list[CustomerId]]:
        names = [customer.encode() for customer in customers]
        return [sorted(customer_id(one) for one in self._of(name).ids.get(name, ())) for name in names]

    async def traits(self, customer: CustomerId) -> list[Trait]:
        name = customer.encode()
        kept = self._of(name).traits.get(name, {})
        return [kept[name].trait for name in sorted(kept) if kept[name].trait.value is not None]
