"""From what a vendor states of a contact to the canonical event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

import msgspec

from engine.consent import MARKETING, ConsentState, ConsentStatement
from engine.customer_id import CustomerId
from engine.errors import BadEvent
from engine.events import MAX_ID_BYTES, WIRE_VERSION, Contact, Event, Kind, LeftOut, Message
from engine.identity.vouched_consent import vouched
from engine.ports.agents import AgentState
from engine.ports.sources import ContactEvent, Delivery, Receipt
from engine.sources.contacts.facts import Facts
from engine.sources.contacts.found import NOTHING, Found
from engine.sources.contacts.vocabulary import CONSENT_CHANNELS
from engine.sources.contacts.whose import whose
from engine.sources.segment.ids import identifier
from engine.sources.segment.limits import Limits
from engine.sources.segment.values import leave_out, money, side_text
from engine.sources.times import engine_time, epoch_ms, happened_at, kept, within

#: What Python raises for a value that some line did not expect.
_SLIPS = (ValueError, TypeError, ArithmeticError, LookupError, RecursionError)

_EVENT = msgspec.msgpack.Encoder()


def messages(facts: Facts, receipt: Receipt, limits: Limits) -> list[Message]:
    """The event, once for each whose it is. What it does not need and cannot be read is left out. Raises
    `BadEvent`."""
    left_out: list[LeftOut] = []
    contact = _contact(facts, limits, left_out)
    event = _event(facts, contact, receipt, limits, left_out)
    owners = whose(facts, contact.id if contact else "", limits, left_out)
    if facts.is_instruction and receipt.trust:  # of what nobody vouches for is said that alone
        _note_without_effect(owners[0].customer, facts, event, left_out)
    noted = [tuple(left_out), *[()] * (len(owners) - 1)]  # once
    return [Message(one.customer, event, what, one.names) for one, what in zip(owners, noted, strict=True)]


def _note_without_effect(customer: CustomerId, facts: Facts, event: Event, left_out: list[LeftOut]) -> None:
    """Note that consent under this id counts for nothing, as the worker will find. Of several only revocations."""
    state = ConsentState[facts.kind.name.removeprefix("CONSENT_")]
    try:
        vouched(customer, ConsentStatement(event.item, event.category, state, event.at), "")
    except BadEvent as fault:
        leave_out(fault, left_out)


def messages_of(facts: Facts, also: Kind | None, receipt: Receipt, limits: Limits) -> list[Message]:
    """As `messages`, and behind it the same as an event of the kind `also`: of a conversation that begins, that it
    waits. The vendor has no id for that."""
    found = messages(facts, receipt, limits)
    if also is None:
        return found
    second = msgspec.structs.replace(receipt, fallback_id=f"{receipt.fallback_id}-{also.name.lower()}")
    others = messages(msgspec.structs.replace(facts, kind=also, id=NOTHING), second, limits)
    return found + [msgspec.structs.replace(one, left_out=()) for one in others]


def _event(
    facts: Facts, contact: Contact | None, receipt: Receipt, limits: Limits, left_out: list[LeftOut]
) -> Event:
    purpose, consented = _consent(facts)
    stated = epoch_ms(facts.time.value, facts.time.field)
    at = within(happened_at(stated, None, receipt.now), receipt.now, facts.time.field)
    return Event(
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
    )


def _contact(facts: Facts, limits: Limits, left_out: list[LeftOut]) -> Contact | None:
    """Which contact it is; None for consent that is of none. Raises `BadEvent`."""
    try:
        identity = _contact_id(facts, limits)
    except BadEvent as fault:
        if not facts.is_instruction:
            raise
        if fault.code != "missing_id":
            leave_out(fault, left_out)
        return None
    sides = (_side(one, left_out) for one in (facts.queue, facts.agent, facts.said))
    return Contact(identity, int(facts.channel), *sides)


def _contact_id(facts: Facts, limits: Limits) -> str:
    """The contact's id, without which nothing says what an event belongs to: the first that is one. Raises
    `BadEvent`, why the first is none."""
    most, faults = MAX_ID_BYTES - len(facts.prefix.encode()), []
    for value, field in (facts.contact, *facts.contact_else):
        try:
            if found := identifier(value, field, most, limits.placeholders):
                return facts.prefix + found
        except BadEvent as fault:
            faults.append(fault)
    raise faults[0] if faults else BadEvent("missing_id", "the contact's id is needed", facts.contact.field)


def _id(
    facts: Facts,
    contact: Contact | None,
    stated: int | None,
    fallback_id: str,
    limits: Limits,
    left_out: list[LeftOut],
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
    of = contact or Contact("")
    parts = (facts.source, facts.kind.name, str(stated), of.id, of.queue, of.agent, of.reason)
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _side(found: Found, left_out: list[LeftOut]) -> str:
    """A word of a contact: as it was sent, without the blanks around it."""
    return side_text(found.value, found.field, left_out).strip()


def _consent(facts: Facts) -> tuple[str, str]:
    """The purpose and the channel of offers that consent is given to or taken from; empty of all else. Raises
    `BadEvent`."""
    if not facts.is_instruction:
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
    read: Callable[[Delivery, Receipt], Iterable[Sequence[ContactEvent]]],
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


def _only(payloads: Sequence[Sequence[ContactEvent]]) -> tuple[bytes, bytes | None, Sequence[LeftOut]]:
    if len(payloads) != 1:
        raise BadEvent("malformed", f"{len(payloads)} events in one record: write each into one of its own")
    found = _last(payloads[0])
    if isinstance(found, BadEvent):
        raise found
    if isinstance(found, LeftOut):
        return b"", None, (found,)
    if isinstance(found, AgentState):
        return b"", None, (LeftOut("agent_state", "", "what agents are ready for is taken over HTTP"),)
    first = payloads[0][0]  # what could not be read is noted with it
    left_out = first.left_out if isinstance(first, Message) else ()
    return found.customer.encode(), _EVENT.encode(found.event), left_out


def _last(events: Sequence[ContactEvent]) -> ContactEvent:
    """The one that a record can be: of a conversation that begins and waits, that it waits."""
    if len({one.customer for one in events if isinstance(one, Message)}) > 1:
        raise BadEvent("malformed", "several customers in one record: it is read over HTTP")
    return events[-1]
