"""Commands of the count of links."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from engine.ports.link_store import LINKS_KEPT_S, CountedLink
from engine.store.commands import Commands
from engine.store.resp import pack


class LinkCommands(Commands):
    """`engine.ports.link_store.LinkStore` on Redis."""

    async def count_links(self, links: Sequence[CountedLink], most: int) -> list[bool]:
        if not links:
            return []
        keys, members = [self._links_key(one) for one in links], [_member(one) for one in links]
        counting = [
            part
            for key, member in zip(keys, members, strict=True)
            for part in (pack(("SADD", key, member)), pack(("SCARD", key)), pack(("EXPIRE", key, LINKS_KEPT_S)))
        ]
        replies = await self._connection.pipe(b"".join(counting), len(counting))
        added, sizes = replies[::3], replies[1::3]
        allowed = [not new or size <= most for new, size in zip(added, sizes, strict=True)]
        refused = [
            pack(("SREM", key, member)) for key, member, ok in zip(keys, members, allowed, strict=True) if not ok
        ]
        if refused:
            await self._connection.pipe(b"".join(refused), len(refused))
        return allowed

    def _links_key(self, link: CountedLink) -> bytes:
        name = link.upper.encode()
        kind = b"s" if link.signed else b"u"
        return self._keys.links_prefix[self._keys.of_customer(name)] + b"%d:%b:%b" % (link.month, kind, name)


def _member(link: CountedLink) -> bytes:
    """The lower id, as short as it can be: the set says how many there are, and not which."""
    return blake2b(link.lower.encode(), digest_size=8).digest()
