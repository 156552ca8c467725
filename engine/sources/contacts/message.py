"""From what a vendor states of a contact to the canonical event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

import msgspec

from engine.consent import MARKETING
from engine.customer_id import CustomerId, customer_id
from engine.errors import BadEvent
from engine.events import (
    MAX_CUSTOMER_BYTES,
    MAX_ID_BYTES,
    UNKNOWN_CUSTOMER,
    WIRE_VERSION,
    Contact,
    Event,
    Kind,
    LeftOut,
    Message,
    Name,
    Rank,
)
from engine.events import ContactChannel as Channel
from engine.identity.identification import Identification
from engine.kernels.wire import FIRST_INSTRUCTION_KIND
from engine.ports.agents import AgentState
from engine.ports.sources import ContactEvent, Delivery, Receipt
from engine.sources.contacts.found import NOTHING, Found
from engine.sources.contacts.vocabulary import CONSENT_CHANNELS
from engine.sources.segment.ids import identifier
from engine.sources.segment.limits import Limits
from engine.sources.segment.values import leave_out, money, side_text
from engine.sources.times import engine_time, epoch_ms, happened_at, kept, within

#: What Python raises for a value that some line did not expect.
_SLIPS = (ValueError, TypeError, ArithmeticError, LookupError, RecursionError)

_EVENT = msgspec.msgpack.Encoder()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor states of one event: values as they came, and where. `id` is the vendor's own id of the event.
    `customer_else` counts where `customer` is no id. The contact's id gets `prefix` before it, where the vendor's
    are such as others have, too."""

    source: str
    kind: Kind
    contact: Found
    customer: Found = NOTHING
    customer_else: tuple[Found, ...] = ()
    id: Found = NOTHING
    time: Found = NOTHING
    channel: Channel = Channel.UNKNOWN
    queue: Found = NOTHING
    agent: Found = NOTHING
    reason: Found = NOTHING
    score: Found = NOTHING
    email: Found = NOTHING
    phone: Found = NOTHING
    prefix: str = ""


def message(facts: Facts, receipt: Receipt, limits: Limits) -> Message:
    """The event. What it does not need and cannot be read is left out. Raises `BadEvent`."""
    left_out: list[LeftOut] = []
    contact = Contact(
        _contact(facts, limits),
        int(facts.channel),
        _side(facts.queue, left_out),
        _side(facts.agent, left_out),
        _side(facts.reason, left_out),
    )
    purpose, consented = _consent(facts)
    stated = epoch_ms(facts.time.value, facts.time.field)
    at = within(happened_at(stated, None, receipt.now), receipt.now, facts.time.field)
    customer = _customer(facts, contact.id, limits, left_out)
    names = _names(customer, contact.id, facts, limits, left_out) if limits.identification else ()
    return Message(
        customer,
        Event(
            WIRE_VERSION,
            int(facts.kind),
            kept(at, limits.earliest_ms, limits.latest_ms, facts.time.field),
            _id(facts, contact, stated, receipt.fallback_id, limits, left_out),
            purpose,
            consented,
            value=_score(facts),
            received_at=receipt.received_at,
            engine_at=engine_time(receipt.received_at, receipt.now),
            trust=receipt.trust,
            contact=contact,
        ),
        tuple(left_out),
        names,
    )


def _names(
    customer: CustomerId, contact: str, facts: Facts, limits: Limits, left_out: list[LeftOut]
) -> tuple[Name, ...]:
    """All ids of the customer: whom the vendor names, the contact, and what it was made with. A number or address
    that somebody calls or writes from is only what a network says."""
    made, unknown = limits.identification, customer_id(UNKNOWN_CUSTOMER + contact)
    found = [Name(unknown, Rank.DEVICE, facts.contact.field)]
    if customer != unknown:
        found.insert(0, Name(customer, Rank.USER, facts.customer.field))
    for (value, field), read in ((facts.email, _email), (facts.phone, _phone)):
        try:
            text = identifier(value, field, MAX_CUSTOMER_BYTES, limits.placeholders)
            if text and made is not None:
                found.append(read(made, text, field, facts.source))
        except BadEvent as fault:
            leave_out(fault, left_out)
    return tuple(found)


def _email(made: Identification, text: str, field: str, source: str) -> Name:
    return made.email(text, field, vouched=False)


def _phone(made: Identification, text: str, field: str, source: str) -> Name:
    return made.phone(text, field, source, vouched=False)


def _contact(facts: Facts, limits: Limits) -> str:
    """The contact's id, without which nothing says what an event belongs to. Raises `BadEvent`."""
    value, field = facts.contact
    found = identifier(value, field, MAX_ID_BYTES - len(facts.prefix.encode()), limits.placeholders)
    if not found:
        raise BadEvent("missing_id", "the contact's id is needed", field)
    return facts.prefix + found


def _customer(facts: Facts, contact: str, limits: Limits, left_out: list[LeftOut]) -> CustomerId:
    """Whom the vendor names: the first that is an id; else one who is known by this contact alone."""
    for value, field in (facts.customer, *facts.customer_else):
        try:
            if named := identifier(value, field, MAX_CUSTOMER_BYTES, limits.placeholders):
                return customer_id(named, field)
        except BadEvent as fault:
            leave_out(fault, left_out)
    return customer_id(UNKNOWN_CUSTOMER + contact)


def _id(
    facts: Facts, contact: Contact, stated: int | None, fallback_id: str, limits: Limits, left_out: list[LeftOut]
) -> str:
    """The vendor's own id of the event; else one made of what it states, so that a repeat has the same."""
    try:
        if found := identifier(facts.id.value, facts.id.field, MAX_ID_BYTES, limits.placeholders):
            return found
    except BadEvent as fault:
        if fault.code != "placeholder_id":
            raise
        leave_out(fault, left_out)
    if stated is None:
        return fallback_id
    parts = (facts.source, facts.kind.name, str(stated), contact.id, contact.queue, contact.agent, contact.reason)
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _side(found: Found, left_out: list[LeftOut]) -> str:
    return side_text(found.value, found.field, left_out)


def _consent(facts: Facts) -> tuple[str, str]:
    """The purpose and the channel of offers that consent is given to or taken from; empty of all else. Raises
    `BadEvent`."""
    if facts.kind < FIRST_INSTRUCTION_KIND:
        return "", ""
    if facts.channel not in CONSENT_CHANNELS:
        raise BadEvent("bad_field", "nothing says which channel the customer unsubscribes from", "channel")
    return MARKETING, CONSENT_CHANNELS[facts.channel]


def _score(facts: Facts) -> float:
    """A survey's score, which is what it is about; 0 of all else. Raises `BadEvent`."""
    if facts.kind is not Kind.CONTACT_SURVEYED:
        return 0.0
    score = money(facts.score.value, facts.score.field)
    if score is None:
        raise BadEvent("bad_number", "a survey's score is needed", facts.score.field)
    return score


def of_record(
    read: Callable[[Delivery, Receipt], Iterable[ContactEvent]],
    delivery: Delivery,
    received_at: int,
    fallback_id: str,
) -> tuple[bytes, bytes | None, Sequence[LeftOut]]:
    """The one event of a record on Kafka, as `engine.ports.sources.RecordSource.canonical` returns it, by `read`.
    A worker reads it again at every start, so nothing but `BadEvent` may come of it, be it for a slip of ours."""
    try:
        return _only([*read(delivery, Receipt(received_at, received_at, fallback_id))])
    except _SLIPS as slip:
        raise BadEvent("malformed", f"it cannot be read: {type(slip).__name__}") from slip


def _only(events: Sequence[ContactEvent]) -> tuple[bytes, bytes | None, Sequence[LeftOut]]:
    if len(events) != 1:
        raise BadEvent("malformed", f"{len(events)} events in one record: write each into one of its own")
    found = events[0]
    if isinstance(found, BadEvent):
        raise found
    if isinstance(found, LeftOut):
        return b"", None, (found,)
    if isinstance(found, AgentState):
        return b"", None, (LeftOut("agent_state", "", "what agents are ready for is taken over HTTP"),)
    return found.customer.encode(), _EVENT.encode(found.event), found.left_out
