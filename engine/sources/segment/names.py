"""All ids by which a payload names its customer: what links are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import MAX_CUSTOMER_BYTES, LeftOut, Name, Rank
from engine.identity.identification import Identification
from engine.identity.link import ITSELF
from engine.identity.linking import REFUSED
from engine.reserved_ids import check_brought
from engine.sources.segment.ids import identifier
from engine.sources.segment.values import leave_out

SOURCE = "segment"

T = TypeVar("T")


class _Addresses(msgspec.Struct, frozen=True, gc=False):
    email: Any = None
    phone: Any = None


class _Context(msgspec.Struct, frozen=True, gc=False):
    traits: msgspec.Raw = msgspec.Raw()


class _Who(msgspec.Struct, frozen=True, gc=False):
    traits: msgspec.Raw = msgspec.Raw()
    context: msgspec.Raw = msgspec.Raw()


_WHO = msgspec.json.Decoder(_Who)
_CONTEXT = msgspec.json.Decoder(_Context)
_ADDRESSES = msgspec.json.Decoder(_Addresses)


class StatedIds(msgspec.Struct, frozen=True, gc=False):
    """What a payload has under these names; `customer` is whom it was found to be about, `anonymous` where an
    anonymous id alone says so. `previous` is that of an alias, `company` of a group, whose traits are not a
    customer's."""

    customer: str
    anonymous: bool
    anonymous_id: object = None
    previous_id: object = None
    company: bool = False


def names(
    payload: bytes | msgspec.Raw,
    stated: StatedIds,
    identification: Identification,
    placeholders: frozenset[str],
    left_out: list[LeftOut],
) -> tuple[Name, ...]:
    """The customer's names, the one that the event goes under first; `left_out` gets what is none."""
    rank, field = (Rank.DEVICE, "anonymousId") if stated.anonymous else (Rank.USER, "userId")
    found = [Name(customer_id(stated.customer), rank, field)]

    def add(value: object, field: str, make: Callable[[str, str], Name]) -> None:
        try:
            if text := identifier(value, field, MAX_CUSTOMER_BYTES, placeholders):
                made = make(text, field)
                if all(made.id != one.id for one in found):
                    found.append(made)
        except BadEvent as fault:
            leave_out(fault, left_out)

    if not stated.anonymous:
        add(stated.anonymous_id, "anonymousId", _other_than(stated.customer, rank=Rank.DEVICE))
    if stated.previous_id is not None:
        add(stated.previous_id, "previousId", _other_than(stated.customer, rank=rank, alias=True))
    for place, addresses in _addresses(payload, stated.company):
        add(addresses.email, f"{place}.email", identification.email)
        add(addresses.phone, f"{place}.phone", lambda text, field: identification.phone(text, field, SOURCE))
    return tuple(found)


def _other_than(customer: str, rank: Rank, alias: bool = False) -> Callable[[str, str], Name]:
    """Names of `rank` for ids that are not `customer`. Nothing says what a former id (`alias`) is: it counts as
    one of the customer's rank, which needs a secret key."""

    def make(text: str, field: str) -> Name:
        check_brought(text, field)
        if text == customer:
            raise BadEvent(REFUSED, ITSELF, field)
        return Name(customer_id(text), rank, field, alias=alias)

    return make


def _addresses(payload: bytes | msgspec.Raw, company: bool) -> list[tuple[str, _Addresses]]:
    """Those in `traits` and in `context.traits`; none where they cannot be read, since no event needs them."""
    if b"traits" not in bytes(payload):
        return []
    who = _read(_WHO, payload)
    if who is None:
        return []
    context = _read(_CONTEXT, who.context)
    places = [("context.traits", context.traits if context else msgspec.Raw())]
    if not company:
        places.insert(0, ("traits", who.traits))
    read = [(place, _read(_ADDRESSES, traits)) for place, traits in places]
    return [(place, found) for place, found in read if found is not None]


def _read(decoder: msgspec.json.Decoder[T], payload: bytes | msgspec.Raw) -> T | None:
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
