"""Who may state which consent: an id that only repeats an address states no more than whoever knows that address.

Nobody checks from which number a call comes, or whose address somebody enters. So an address alone restricts: what
it revokes is revoked. An e-mail address opts in to e-mail, too, but only by both steps: the second shows that the
mailbox's owner asked.
"""

from __future__ import annotations

import msgspec

from engine.consent import ConsentState, ConsentStatement
from engine.customer_id import CustomerId
from engine.errors import BadEvent
from engine.reserved_ids import EMAIL, is_reserved

ADDRESS_ALONE = "address_alone"

_BY_EMAIL = "email"  # of `engine.events.CHANNELS`


def vouched(customer: CustomerId, statement: ConsentStatement, field: str = "state") -> ConsentStatement:
    """`statement` as it counts when it is made under the id `customer`. Raises `BadEvent` (`ADDRESS_ALONE`) where
    it does not."""
    if not is_reserved(customer):
        return statement
    if statement.state is ConsentState.REVOKED:
        return statement
    if customer.startswith(EMAIL) and statement.channel == _BY_EMAIL:
        return msgspec.structs.replace(statement, by_address=True)
    raise BadEvent(ADDRESS_ALONE, "a number, an address or a contact alone revokes consent and gives none", field)
