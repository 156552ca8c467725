"""Whose event it is: whom the vendor names; else, of what is no contact, whose address it is; else one who is
known by this contact alone. And all ids of that customer in it, where links are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from engine.customer_id import CustomerId, customer_id
from engine.errors import BadEvent
from engine.events import MAX_CUSTOMER_BYTES, UNKNOWN_CUSTOMER, ContactChannel, Kind, LeftOut, Name, Rank
from engine.sources.contacts import address
from engine.sources.contacts.facts import Facts
from engine.sources.contacts.found import Found
from engine.sources.segment.ids import brought, identifier
from engine.sources.segment.limits import Limits
from engine.sources.segment.values import leave_out

MOST_ADDRESSES = 50  # of one event that are read, the readable and the others


class Whose(NamedTuple):
    """Whose event it is, and all names of that customer."""

    customer: CustomerId
    names: tuple[Name, ...] = ()


def whose(facts: Facts, contact: str, limits: Limits, left_out: list[LeftOut]) -> list[Whose]:
    """Whose event it is: one customer, or each of those whose addresses a revocation names. `contact` is its id,
    empty where there is none. Raises `BadEvent` where nobody is known by anything."""
    if named := _named(facts, limits, left_out):
        return [Whose(named, _names(named, contact, facts, limits, left_out))]
    if not facts.is_contact and (addressed := _addressed(facts, limits, left_out)):
        return [Whose(name.id) for name in addressed]
    if facts.is_instruction and (limits.identification is None or not contact):
        raise _nobody(facts, limits)
    unknown = customer_id(UNKNOWN_CUSTOMER + contact)
    return [Whose(unknown, _names(unknown, contact, facts, limits, left_out))]


def _named(facts: Facts, limits: Limits, left_out: list[LeftOut]) -> CustomerId | None:
    """The first that is an id."""
    for value, field in (facts.customer, *facts.customer_else):
        try:
            if named := brought(value, field, limits.placeholders):
                return customer_id(named, field)
        except BadEvent as fault:
            leave_out(fault, left_out)
    return None


def _names(
    customer: CustomerId, contact: str, facts: Facts, limits: Limits, left_out: list[LeftOut]
) -> tuple[Name, ...]:
    """`customer`, the contact, and the first address and number that it was made with. They are only what a
    network says, and nothing says that the others are the same person's."""
    unknown = customer_id(UNKNOWN_CUSTOMER + contact)
    if limits.identification is None:
        return ()
    found = [Name(unknown, Rank.DEVICE, facts.contact.field)] if contact and facts.is_contact else []
    if customer != unknown:
        found.insert(0, Name(customer, Rank.USER, facts.customer.field))
    for names in (_emails(facts, limits, left_out), _phones(facts, limits, left_out)):
        found += islice(names, 1)
    return tuple(found)


def _addressed(facts: Facts, limits: Limits, left_out: list[LeftOut]) -> list[Name]:
    """Those at whose addresses something that is no contact is directed: e-mail addresses or numbers, whichever is
    rather of its channel. Of what is not a revocation, no more than one. Raises `BadEvent`."""
    readers = [_emails, _phones] if facts.channel is ContactChannel.EMAIL else [_phones, _emails]
    for read in readers:
        if found := list(dict.fromkeys(read(facts, limits, left_out))):
            break
    else:
        return []
    if facts.kind is Kind.CONSENT_REVOKED:
        return found
    if facts.is_instruction and len(found) > 1:
        raise BadEvent("bad_field", "several addresses: nothing says whose consent it is", found[0].field)
    return found[:1]


def _emails(facts: Facts, limits: Limits, left_out: list[LeftOut]) -> Iterator[Name]:
    made = limits.identification
    if made is None:
        return iter(())
    return _read(
        facts.emails, address.emails, lambda text, field: made.email(text, field, vouched=False), limits, left_out
    )


def _phones(facts: Facts, limits: Limits, left_out: list[LeftOut]) -> Iterator[Name]:
    made = limits.identification
    if made is None:
        return iter(())
    return _read(
        facts.phones,
        address.phones,
        lambda text, field: made.phone(text, field, facts.source, vouched=False),
        limits,
        left_out,
    )


def _read(
    places: Sequence[Found],
    written: Callable[[object], Iterator[str]],
    make: Callable[[str, str], Name],
    limits: Limits,
    left_out: list[LeftOut],
) -> Iterator[Name]:
    """The names of the first of `places` that holds some; what is none is left out."""
    for value, field in places:
        found = False
        for one in islice(written(value), MOST_ADDRESSES):
            try:
                if text := identifier(one, field, MAX_CUSTOMER_BYTES, limits.placeholders):
                    yield make(text, field)
                    found = True
            except BadEvent as fault:
                leave_out(fault, left_out)
        if found:
            return


def _nobody(facts: Facts, limits: Limits) -> BadEvent:
    """Why it is nobody's: consent that helps nobody is not taken silently."""
    stated = next((one.field for one in chain(facts.emails, facts.phones)), facts.customer.field)
    if limits.identification is None:
        return BadEvent("missing_customer", "nobody is named, and addresses are read with identity.links", stated)
    return BadEvent("missing_customer", "neither a customer nor an address that is somebody's own", stated)
