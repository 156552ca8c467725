"""The links that this process has announced, so that a pair costs one record and not one for each event."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from engine.identity.link import Link, LinkTrust

MOST_PAIRS = 100_000


class AnnouncedLinks:
    """The pairs announced last, at most `most`, with the trust they were announced with."""

    def __init__(self, most: int = MOST_PAIRS) -> None:
        self._most = most
        self._pairs: OrderedDict[tuple[str, str], LinkTrust] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pairs)

    def new(self, links: Iterable[Link]) -> list[Link]:
        """Those of `links` that say more than was announced, each once."""
        best: dict[tuple[str, str], Link] = {}
        for link in links:
            pair = link.lower, link.upper
            known = self._pairs.get(pair)
            if known is not None:
                self._pairs.move_to_end(pair)
            said = best.get(pair)
            if (known is None or link.trust > known) and (said is None or link.trust > said.trust):
                best[pair] = link
        return list(best.values())

    def add(self, links: Iterable[Link]) -> None:
        """Kafka has these."""
        for link in links:
            pair = link.lower, link.upper
            self._pairs[pair] = max(link.trust, self._pairs.get(pair, link.trust))
            self._pairs.move_to_end(pair)
            if len(self._pairs) > self._most:
                self._pairs.popitem(last=False)
