"""Who a customer is to the engine: the key of their events, their row, their offers and cues."""

from __future__ import annotations

from typing import NewType

from engine.errors import BadEvent
from engine.kernels.wire import MAX_CUSTOMER_BYTES

#: A customer's id: 1 to `MAX_CUSTOMER_BYTES` bytes of UTF-8. Made by `customer_id`, and by nothing else.
CustomerId = NewType("CustomerId", str)

NO_CUSTOMER = CustomerId("")  # where there is none


def customer_id(text: str, field: str = "customerId") -> CustomerId:
    """`text` as a customer's id. Raises `BadEvent` that names `field` and does not quote the text.

    >>> customer_id("visitor-1")
    'visitor-1'
    >>> customer_id("", "userId")
    Traceback (most recent call last):
    engine.errors.BadEvent: missing_customer: userId: empty
    """
    if not text:
        raise BadEvent("missing_customer", "empty", field)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise BadEvent("bad_field", "not UTF-8", field) from None
    if size > MAX_CUSTOMER_BYTES:
        raise BadEvent("too_large", f"longer than {MAX_CUSTOMER_BYTES} bytes", field)
    return CustomerId(text)


def stated_id(text: str, field: str = "customerId") -> CustomerId:
    """The id that somebody states as `text`: blanks around it are no part of it. Raises `BadEvent` as above.

    >>> stated_id(" visitor-1 ")
    'visitor-1'
    """
    return customer_id(text.strip(), field)
