"""What is due and not yet sent: batches that may be on their way together without a customer's events
overtaking each other. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from engine.events import Message


class Outbox:
    """First in, first out for each customer, and as nearly so as that allows for all.

    A customer whose events are on their way is busy: further ones wait until `done`.
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
        """Whether there is something to try taking."""
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
        """A batch arrived: what waited for its customers goes to the front, being older than all that is ready."""
        for customer in {message.customer for message in batch}:
            self._busy.discard(customer)
            held = self._held.pop(customer, deque())
            self._waiting -= len(held)
            self._ready.extendleft(reversed(held))

    def _hold(self, message: Message) -> None:
        self._held.setdefault(message.customer, deque()).append(message)
        self._waiting += 1
