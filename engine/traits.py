"""Traits: what a customer is said to be, by name. Their bounds, and the values that they may have."""

from __future__ import annotations

import math

from engine.kernels.wire import MAX_TRAIT_NAME_BYTES, MAX_TRAIT_TEXT_BYTES, MAX_TRAITS

MOST_TRAITS = MAX_TRAITS  # of one event, and of one customer

#: A membership in a segment or list is a trait whose name begins so, true or false.
MEMBER = "member:"

#: Who said it, where it was a visitor by a token: not by the token's name, which is a customer's id.
VISITOR = "visitor"

#: A value; None takes the trait back.
TraitValue = str | int | float | bool | None


def is_name(text: str) -> bool:
    """Whether a trait may be called so: printable, no blanks around it, at most `MAX_TRAIT_NAME_BYTES` of UTF-8.

    >>> [is_name(text) for text in ("plan", "member:vip", "", " plan", "a\\nb", "x" * 65)]
    [True, True, False, False, False, False]
    """
    return (
        0 < len(text.encode(errors="replace")) <= MAX_TRAIT_NAME_BYTES
        and text.isprintable()
        and text == text.strip()
    )


def fault_of(value: object) -> str:
    """Why `value` can be no trait's; empty when it can.

    >>> fault_of("gold"), fault_of(None), fault_of(float("nan")), fault_of(1 << 64)
    ('', '', 'a finite number is needed', 'a whole number has at most 64 bits')
    """
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return _fault_of_text(value)
    if isinstance(value, int):  # as MessagePack has them, and so an event on Kafka
        return "" if -1 << 63 <= value < 1 << 64 else "a whole number has at most 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "a finite number is needed"
    return "a text, a number, true, false or null is needed"


def _fault_of_text(value: str) -> str:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "not UTF-8"
    return f"longer than {MAX_TRAIT_TEXT_BYTES} bytes" if size > MAX_TRAIT_TEXT_BYTES else ""
