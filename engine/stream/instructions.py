"""Records that change what is kept beside the rows: what a customer consented to, and that one is to be erased.

They travel as events do, in their place among the customer's events, and change no row.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.consent import ConsentState, ConsentStatement, purpose_of
from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import CHANNELS, Event, Kind
from engine.identity.vouched_consent import ADDRESS_ALONE, vouched
from engine.ports.stream_store import CustomerConsent, Erasure
from engine.validation_errors import UNREADABLE

#: What a record instructs.
Instruction = CustomerConsent | Erasure

#: Kind -> what it states.
STATES = {
    Kind.CONSENT_REVOKED: ConsentState.REVOKED,
    Kind.CONSENT_GRANTED: ConsentState.GRANTED,
    Kind.CONSENT_CONFIRMED: ConsentState.CONFIRMED,
}

#: Why an instruction has no effect: nobody vouches for it.
UNSIGNED = "unsigned_instruction"
WITHOUT_EFFECT = (UNSIGNED, ADDRESS_ALONE)

_decode = msgspec.msgpack.Decoder(Event).decode


def split(instructions: Sequence[Instruction]) -> tuple[list[CustomerConsent], list[Erasure]]:
    """`instructions` by what they are."""
    erasures = [one for one in instructions if isinstance(one, Erasure)]
    return [one for one in instructions if not isinstance(one, Erasure)], erasures


def instruction_in(customer: bytes, value: bytes, at: int, said_under: str = "") -> Instruction:
    """What the event `value` of a `customer` instructs, as of `at` (epoch ms); ``said_under``: the id under which
    it was said, where that is another. Raises `BadEvent`."""
    try:
        event = _decode(value)
    except UNREADABLE as fault:
        raise BadEvent("malformed", f"an instruction: {fault}") from None
    if event.trust != 1:
        raise BadEvent(UNSIGNED, "its writer is not known", "trust")
    if event.true_kind == Kind.ERASED:
        return Erasure(customer, at)
    if event.true_kind not in STATES:
        raise BadEvent("unknown_type", f"no instruction has the kind {event.true_kind}")
    if event.category not in CHANNELS:
        raise BadEvent("bad_field", f"a consent's channel is one of {', '.join(CHANNELS)}", "category")
    purpose = purpose_of(event.item, "item")
    stated = ConsentStatement(purpose, event.category, STATES[Kind(event.true_kind)], at)
    return CustomerConsent(customer, vouched(customer_id(said_under or customer.decode()), stated))
