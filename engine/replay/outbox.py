"""Messages due and not yet sent: batches that may be in flight together and keep the order of each customer's
events. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from engine.events import Message


class Outbox:
    """First in, first out per customer, and nearly so overall.

    A customer with events in flight is busy: further ones are held until `done`.
    """

    def __init__(self) -> None:
        self._ready: deque[Message] = deque()
        self._busy: set[str] = set()
        self._held: dict[str, deque[Message]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        """Messages not yet taken, held ones included."""
        return len(self._ready) + self._waiting

    @property
    def ready(self) -> bool:
        """Whether `take` may return something."""
        return bool(self._ready)

    def add(self, message: Message) -> None:
        """Put one in, behind all of its customer's."""
        self._ready.append(message)

    def take(self, limit: int) -> list[Message]:
        """Up to `limit` messages to send now, in order; their customers are busy until `done`."""
        batch: list[Message] = []
        mine: set[str] = set()
        while self._ready and len(batch) < limit:
            message = self._ready.popleft()
            if message.customer in self._busy:
                self._hold(message)
            else:
                batch.append(message)
                mine.add(message.customer)
        self._busy |= mine
        return batch

    def done(self, batch: Iterable[Message]) -> None:
        """A batch was acknowledged: held messages of its customers, older than the ready ones, go first."""
        for customer in {message.customer for message in batch}:
            self._busy.discard(customer)
            held = self._held.pop(customer, deque())
            self._waiting -= len(held)
            self._ready.extendleft(reversed(held))

    def _hold(self, message: Message) -> None:
        self._held.setdefault(message.customer, deque()).append(message)
        self._waiting += 1
