"""Commands of consents, which lie in the offer histories."""

from __future__ import annotations

from collections.abc import Sequence

from engine.consent import ConsentStatement
from engine.customer_id import CustomerId
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
        changed: int = await self._connection.call(state_consents([(key, one) for one in statements]))
        return changed


def state_consents(stated: Sequence[tuple[bytes, ConsentStatement]]) -> bytes:
    """One call for statements, each with the key of its customer's history."""
    values = [value for _, one in stated for value in (one.name, int(one.state) + 1, one.at)]
    return pack(("FCALL", CONSENT, len(stated), *(key for key, _ in stated), *values))
