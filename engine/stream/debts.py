"""Offer histories that follow their customers: sent once the marker is committed, since it freezes them.

They are no fold of the log, so they cannot go with the row. A timer in the store repeats it until Kafka has the
letter and that is committed: it may come twice, and joins as a set.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.customer_id import CustomerId
from engine.errors import Unavailable
from engine.events import EARLIEST_MS, LINKED, WIRE_VERSION, Event
from engine.identity.cargo import Kept, keep_of, packed
from engine.ports.offer_history import FROZEN
from engine.ports.stream_store import StreamStore
from engine.stream.delivery import Outgoing
from engine.stream.partition_state import PartitionState
from engine.stream.post_office import PostOffice

NOTHING = Kept()

_encode = msgspec.msgpack.Encoder().encode


class Debts:
    """Sends what customers owe to those they were linked to."""

    def __init__(self, store: StreamStore, office: PostOffice) -> None:
        self._store = store
        self._office = office

    async def pay(self, state: PartitionState, customers: Sequence[bytes]) -> None:
        """Send the histories of those of `customers` who owe any; they owe none then, in memory. Where store or
        Kafka is away the partition has failed."""
        slots = dict(zip(customers, state.cache.locate(customers).tolist(), strict=True))
        debtors = [one for one, slot in slots.items() if slot >= 0 and state.cache.ties(slot).owes]
        if not debtors or not state.live:
            return
        await self._office.look([state])  # it may be the first that this worker does of the partition
        try:
            histories = await self._store.histories(state.partition, debtors)
            words = await self._store.words(state.partition, debtors)
            owed = []
            for customer, history, said in zip(debtors, histories, words, strict=True):
                kept = Kept({name: list(times) for name, times in history.items() if name != FROZEN}, dict(said))
                ties = state.cache.ties(slots[customer])
                since = max(ties.marker.since, EARLIEST_MS)
                owed += [_letter(customer, to, since, kept) for to in ties.owes if kept != NOTHING]
            _, mail = self._office.address(state, owed)
            if mail:
                await self._office.send(mail)
        except Unavailable:
            state.failed = True
            return
        for customer in debtors:
            slot = slots[customer]
            state.cache.tie(slot, msgspec.structs.replace(state.cache.ties(slot), owes=()))


def _letter(customer: bytes, to: CustomerId, since: int, kept: Kept) -> Outgoing:
    """What `customer`, who is ``to`` since a time (epoch ms), was given and said."""
    event = Event(WIRE_VERSION, LINKED, since, "kept", to, trust=1)
    path = (customer.decode(),)
    return Outgoing(0, to.encode(), _encode(event), since, path, packed(keep_of(kept)), numbered=False)
