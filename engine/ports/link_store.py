"""How many ids are linked to one customer in a month: a bound that holds for all processes together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from engine.customer_id import CustomerId

LINKS_KEPT_S = 62 * 86_400  # the month, and then some


class CountedLink(msgspec.Struct, frozen=True, gc=False):
    """A link to be counted for ``upper`` in ``month`` (a number of months); unsigned ones apart from signed ones,
    so that forged links use up no room of true ones."""

    lower: CustomerId
    upper: CustomerId
    month: int
    signed: bool


class LinkStore(Protocol):
    """The count of links."""

    async def count_links(self, links: Sequence[CountedLink], most: int) -> list[bool]:
        """Which of `links`, each there once, are among the first `most` of their customer in that month. One that
        was counted before is counted no more. Raises `Unavailable`."""
