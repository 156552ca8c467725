"""The store as an export and an erasure see it: what is held of a customer beside row, history and cues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.customer_id import CustomerId
from engine.ports.traits import Trait


class HeldStore(Protocol):
    """Methods raise `Unavailable`."""

    async def recorded(self, customer: CustomerId) -> list[str]:
        """The ids of the decisions and cues of the customer that were recorded lately; of those older than a day
        the record is gone."""

    async def ids_linked(self, customers: Sequence[CustomerId]) -> list[list[CustomerId]]:
        """Of each all ids that ever became the customer's, by unsigned links, too, and those that are their own
        again; in one round trip."""

    async def traits(self, customer: CustomerId) -> list[Trait]:
        """What is kept of the customer's traits, as words, by name."""
