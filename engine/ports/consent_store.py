"""The store as those see it who state a customer's consent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.consent import ConsentStatement
from engine.customer_id import CustomerId


class ConsentStore(Protocol):
    """Consents, beside the offer history."""

    async def state_consents(self, customer: CustomerId, statements: Sequence[ConsentStatement]) -> int:
        """Keep them, in one round trip: what offers are given from then on follows them. Returns how many changed
        something; the newest word wins, so order and repeats do no harm. Raises `Unavailable`."""
