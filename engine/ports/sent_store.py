"""Which messages of large batches were sent, so that a repeat counts once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.customer_id import CustomerId

#: The memory for repeats of large batches, of each customer: so many of the newest batches …
SENT_BATCHES = 16
#: … as long as another comes within this.
SENT_KEPT_S = 3_600
#: How long a batch that nobody ended counts as under way: longer than Kafka is waited for.
UNDER_WAY_S = 30


class SentStore(Protocol):
    """Which message ids of large batches Kafka has acknowledged. Methods take one round trip and raise
    `Unavailable`."""

    async def begin_batch(self, batch: bytes, customers: Sequence[CustomerId]) -> list[bytes] | None:
        """Of each customer the ids that `end_batch` was given with the newest `SENT_BATCHES` batches, joined; and
        `batch` (its digest) is under way from now on. None, and nothing else, while it is so already."""

    async def end_batch(self, batch: bytes, sent: Mapping[CustomerId, bytes]) -> None:
        """`batch` is under way no more, and of each customer these ids, 8 bytes each, are remembered."""
