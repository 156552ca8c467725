"""Large batches that a sender repeats: what Kafka has of them already is not written again.

A row knows the newest `IDS` message ids of its customer, so a batch with more events of one customer
would push out its own first ids, and a repeat of it would count again. The API remembers the ids of such batches
in the store, for all its processes together. What it remembers was acknowledged by Kafka, and a 200 follows; a
process that dies between the two, and a write whose fate nobody knows, may be written again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b

from engine.customer_id import CustomerId
from engine.errors import Overloaded, Unavailable
from engine.events import Message
from engine.kernels.groups.message_id import IDS
from engine.ports.kafka import EventLog
from engine.ports.sent_store import SentStore

#: Events of one customer in one batch that its row surely remembers, with as many of others in between.
FEW = IDS // 2
ID_BYTES = 8

#: The digests of a customer's message ids in a batch, and where in the batch each stands first.
Ids = Mapping[bytes, int]


class SentBatches:
    """Writes batches to the log, each event of a large one once. Without the store it writes all of them."""

    def __init__(self, log: EventLog, store: SentStore) -> None:
        self._log = log
        self._store = store

    async def publish(self, messages: Sequence[Message]) -> int:
        """Write what Kafka does not have of `messages`; returns how many it has already.

        Raises `Unavailable` when Kafka does not acknowledge, and `Overloaded` while the same batch is being
        written: its sender did not wait for the answer.
        """
        large = crowds(messages)
        if not large:
            await self._log.publish(messages)
            return 0
        batch, customers = digest(large), list(large)
        try:
            known = await self._store.begin_batch(batch, customers)
        except Unavailable:
            await self._log.publish(messages)
            return 0
        if known is None:
            raise Overloaded("the same batch is being written: send it again later")
        return await self._write(messages, batch, new_ids(large, known))

    async def _write(self, messages: Sequence[Message], batch: bytes, new: Mapping[CustomerId, Ids]) -> int:
        wanted = {place for ids in new.values() for place in ids.values()}
        missing = [one for i, one in enumerate(messages) if one.customer not in new or i in wanted]
        sent: Mapping[CustomerId, bytes] = {}
        try:
            if missing:
                await self._log.publish(missing)
            sent = {customer: b"".join(ids) for customer, ids in new.items() if ids}
        finally:
            with suppress(Unavailable):
                await self._store.end_batch(batch, sent)
        return len(messages) - len(missing)


def crowds(messages: Sequence[Message]) -> dict[CustomerId, Ids]:
    """The customers with more than `FEW` of `messages`, and the ids of those."""
    if len(messages) <= FEW:
        return {}
    counts = Counter(message.customer for message in messages)
    large: dict[CustomerId, dict[bytes, int]] = {name: {} for name, count in counts.items() if count > FEW}
    for place, message in enumerate(messages) if large else ():
        if (ids := large.get(message.customer)) is not None:
            event = message.event  # what nobody vouches for hides nothing that somebody does
            ids.setdefault(
                blake2b(b"%d%b" % (event.trust, event.id.encode()), digest_size=ID_BYTES).digest(), place
            )
    return dict(large)


def digest(large: Mapping[CustomerId, Ids]) -> bytes:
    """Names these customers and ids, in whatever order they came."""
    total = blake2b(digest_size=16)
    for customer in sorted(large):
        total.update(customer.encode() + b"\0" + b"".join(sorted(large[customer])))
    return total.digest()


def new_ids(large: Mapping[CustomerId, Ids], known: Sequence[bytes]) -> dict[CustomerId, Ids]:
    """`large` without the ids among those `known` of each customer, joined."""
    found: dict[CustomerId, Ids] = {}
    for (customer, ids), joined in zip(large.items(), known, strict=True):
        seen = {joined[at : at + ID_BYTES] for at in range(0, len(joined), ID_BYTES)}
        found[customer] = {one: place for one, place in ids.items() if one not in seen}
    return found
