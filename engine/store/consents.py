"""Commands of consents, which lie in the offer histories."""

from __future__ import annotations

from collections.abc import Sequence

from engine.consent import ConsentStatement
from engine.customer_id import CustomerId
from engine.identity.erased_ids import ErasedIds
from engine.store.commands import Commands
from engine.store.functions.library import CONSENT
from engine.store.resp import pack


class ConsentCommands(Commands):
    """`engine.ports.consent_store.ConsentStore` on Redis."""

    async def state_consents(self, customer: CustomerId, statements: Sequence[ConsentStatement]) -> int:
        if not statements:
            return 0
        name = customer.encode()
        key = self._keys.history_prefix[self._keys.of_customer(name)] + name
        stated = [(name, key, one) for one in statements]
        changed: int = await self._connection.call(state_consents(self._erased_ids, stated))
        return changed


def state_consents(erased_ids: ErasedIds, stated: Sequence[tuple[bytes, bytes, ConsentStatement]]) -> bytes:
    """One call for statements, each with its customer and the key of that one's history."""
    values: list[object] = []
    for customer, _, one in stated:
        values += (one.name, int(one.state) + 1, one.at, " ".join(erased_ids.digests(customer)))
    return pack(("FCALL", CONSENT, len(stated), *(key for _, key, _ in stated), *values))
