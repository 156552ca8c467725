"""Ids that are made here alone: of contacts whose caller nobody names, of e-mail addresses and of phone numbers.

Whoever brings a customer's id in cannot name one of these: an event or a trait under it would be
somebody else's word of whoever that contact or address turns out to be. People may ask for such a customer, link,
split, export and erase them, and state their consent, for only what is known here can be named so.
"""

from __future__ import annotations

from engine.errors import BadEvent, BadRequest
from engine.events import UNKNOWN_CUSTOMER

EMAIL, PHONE = "email:", "phone:"  # before the hash of one
PREFIXES = (UNKNOWN_CUSTOMER, EMAIL, PHONE)

CODE = "reserved_id"
_DETAIL = f"ids that begin with {', '.join(PREFIXES)} are made here alone: send the customer's own"


def is_reserved(text: str) -> bool:
    """Whether `text` is such an id.

    >>> [is_reserved(text) for text in ("contact:7", "email:ann@shop.de", "ann", "x-contact:7", "Contact:7")]
    [True, True, False, False, False]
    """
    return text.startswith(PREFIXES)


def check_brought(text: str, field: str) -> None:
    """Raises `BadEvent` that names `field` when `text`, which an event brings, is reserved."""
    if is_reserved(text):
        raise BadEvent(CODE, _DETAIL, field)


def refuse_reserved(text: str, field: str) -> None:
    """Raises `BadRequest` that names `field` when `text`, which a request brings, is reserved."""
    if is_reserved(text):
        raise BadRequest(_DETAIL, field)
