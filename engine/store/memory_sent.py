"""The in-memory twin of the memory for repeats of large batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from engine.customer_id import CustomerId
from engine.ports.sent_store import SENT_BATCHES, SENT_KEPT_S, UNDER_WAY_S


class MemorySent:
    """SentStore in one process; ``wall`` is the clock (epoch ms) by which it forgets."""

    def __init__(self, wall: Callable[[], int]) -> None:
        super().__init__()
        self._wall = wall
        self._under_way: dict[bytes, int] = {}  # until when
        self._sent: dict[CustomerId, tuple[int, deque[bytes]]] = {}  # until when, the newest batches

    async def begin_batch(self, batch: bytes, customers: Sequence[CustomerId]) -> list[bytes] | None:
        if self._under_way.get(batch, 0) > self._wall():
            return None
        self._under_way[batch] = self._wall() + UNDER_WAY_S * 1_000
        return [b"".join(self._kept(customer)) for customer in customers]

    async def end_batch(self, batch: bytes, sent: Mapping[CustomerId, bytes]) -> None:
        self._under_way.pop(batch, None)
        for customer, ids in sent.items():
            batches = self._kept(customer)
            batches.append(ids)
            self._sent[customer] = (self._wall() + SENT_KEPT_S * 1_000, batches)

    def forget_sent(self, customer: bytes) -> None:
        """Nothing was sent of them."""
        self._sent = {name: sent for name, sent in self._sent.items() if name.encode() != customer}

    def _kept(self, customer: CustomerId) -> deque[bytes]:
        until, batches = self._sent.get(customer, (0, deque[bytes]()))
        return batches if until > self._wall() else deque(maxlen=SENT_BATCHES)
