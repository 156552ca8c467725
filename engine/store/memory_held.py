"""The in-memory twin of what an export reads."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from engine.customer_id import CustomerId
from engine.ports.held_store import CountedLinks, HeldUnder
from engine.store.held import cues_in
from engine.store.keys import DELIVERED
from engine.store.memory_erasures import MemoryErasures
from engine.store.memory_lessons import MemoryLessons
from engine.store.memory_links import MemoryLinks
from engine.store.memory_sent import MemorySent


class MemoryHeld(MemorySent, MemoryLessons, MemoryLinks, MemoryErasures):
    """HeldStore's `held_under` in one process. Of outcomes it has those that were reported."""

    async def held_under(self, customers: Sequence[CustomerId]) -> list[HeldUnder]:
        return [self._held_under(customer.encode(), customer) for customer in customers]

    def _held_under(self, name: bytes, customer: CustomerId) -> HeldUnder:
        part = self._of(name)
        streamed = {at: payload for at, owner, payload in part.cues if owner == name}
        traits, history = part.traits.get(name, {}), part.histories.get(name)
        return HeldUnder(
            part.rows.get(name, b""),
            history.stored() if history else {},
            [traits[one].trait for one in sorted(traits)],
            cues_in({**dict(part.recent_cues.get(name, ())), **streamed}),
            sorted(part.ids.get(name, ())),
            {one: self._outcomes_of(one) for one in part.recorded.get(name, ())},
            [ids.hex() for ids in self._kept(customer)],
            self._counted_links(customer),
        )

    def _outcomes_of(self, decision_id: str) -> list[str]:
        reported = [f"{offer}|{outcome}" for one, offer, outcome in self._outcomes if one == decision_id]
        return sorted([*reported, DELIVERED] if decision_id in self._delivered else reported)

    def _counted_links(self, customer: CustomerId) -> list[CountedLinks]:
        return [
            CountedLinks(month, signed, sorted(blake2b(one.encode(), digest_size=8).hexdigest() for one in known))
            for (upper, month, signed), known in sorted(self._linked.items())
            if upper == customer
        ]
