"""Which ids an erasure reaches: those that its receipt names, so that each can be looked for."""

from __future__ import annotations

from collections.abc import Iterable

from engine.customer_id import CustomerId
from engine.ports.held_store import HeldStore
from engine.web.api.known_links import KnownLinks

AT_ONCE = 500  # ids asked for in one round trip


class ErasureReach:
    """Goes the way of the erasure's mail (`engine.stream.erasing`): from an id to all that became it, and to whose
    it is by a signed link, where the other end says the same."""

    def __init__(self, links: KnownLinks, held: HeldStore) -> None:
        self._links = links
        self._held = held

    async def ids(self, customer: CustomerId) -> list[CustomerId]:
        """`customer`, and then the others, the nearest first. Raises `Unavailable`, and `BadState`."""
        beside: dict[CustomerId, set[CustomerId]] = {}
        reached, last = [customer], [customer]
        while last:
            await self._read(beside, last)
            await self._read(beside, sorted(set().union(*(beside[one] for one in last))))
            near = {to for one in last for to in beside[one] if one in beside[to]}
            last = sorted(near.difference(reached))
            reached += last
        return reached

    async def _read(self, beside: dict[CustomerId, set[CustomerId]], customers: Iterable[CustomerId]) -> None:
        """Put into `beside` the ids that each of `customers` has to do with."""
        new = [one for one in customers if one not in beside]
        for part in (new[start : start + AT_ONCE] for start in range(0, len(new), AT_ONCE)):
            ties, linked = await self._links.ties(part), await self._held.ids_linked(part)
            for customer, ids in zip(part, linked, strict=True):
                whose = ties[customer].signed_to
                beside[customer] = {*ids, whose} if whose else set(ids)
