"""The in-memory twin of the count of links."""

from __future__ import annotations

from collections.abc import Sequence

from engine.customer_id import CustomerId
from engine.ports.link_store import CountedLink


class MemoryLinks:
    """LinkStore in one process."""

    def __init__(self) -> None:
        super().__init__()
        self._linked: dict[tuple[CustomerId, int, bool], set[CustomerId]] = {}

    async def count_links(self, links: Sequence[CountedLink], most: int) -> list[bool]:
        return [self._count_link(one, most) for one in links]

    def _count_link(self, link: CountedLink, most: int) -> bool:
        known = self._linked.setdefault((link.upper, link.month, link.signed), set())
        if link.lower not in known and len(known) >= most:
            return False
        known.add(link.lower)
        return True

    def forget_links(self, customer: bytes) -> None:
        """None were counted of them."""
        self._linked = {key: known for key, known in self._linked.items() if key[0].encode() != customer}
