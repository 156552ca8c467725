"""What a store still holds of a customer who was erased."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Leftover(msgspec.Struct, frozen=True, rename="camel"):
    """A place that still names the customer, or what is about them, from before the erasure. ``ends_in_s``:
    so long the store keeps it at most; None: for good."""

    key: str
    what: str
    ends_in_s: int | None = None


class HeldAfterErasure(msgspec.Struct, frozen=True, rename="camel"):
    """``offset``: the next to be applied of the customer's partition. ``remembered_until`` (epoch ms): what
    happened until then counts no more; 0: the store does not know of an erasure. ``since`` counts places that name
    the customer and are of what happened later."""

    offset: int
    remembered_until: int
    left: Sequence[Leftover]
    since: int
