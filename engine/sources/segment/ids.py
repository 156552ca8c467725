"""Whose event it is and which: ids that are ids, and no placeholders."""

from __future__ import annotations

from engine.errors import BadEvent
from engine.events import MAX_CUSTOMER_BYTES, MAX_ID_BYTES, LeftOut
from engine.placeholder_ids import is_placeholder, is_plain
from engine.reserved_ids import check_brought, is_reserved
from engine.sources.segment.values import leave_out, text


def identifier(value: object, field: str, limit: int, placeholders: frozenset[str]) -> str:
    """An id as text, empty when absent. Raises `BadEvent`: placeholder_id where it stands for nobody."""
    found = text(value, field, limit)
    if found and is_placeholder(found, placeholders):
        raise BadEvent("placeholder_id", "it stands for no one: a placeholder", field)
    return found


def brought(value: object, field: str, placeholders: frozenset[str]) -> str:
    """As `identifier`, a customer's id that somebody brings. Raises `BadEvent`: reserved_id, too, where such ids
    are made here alone."""
    found = identifier(value, field, MAX_CUSTOMER_BYTES, placeholders)
    check_brought(found, field)
    return found


def customer(
    user_id: object, anonymous_id: object, fallback: object, placeholders: frozenset[str], left_out: list[LeftOut]
) -> tuple[str, bool]:
    """The userId, else the anonymousId, else `fallback`: the first that is an id; and whether it is the anonymous
    one. Raises `BadEvent`."""
    likely = anonymous_id if user_id is None else user_id
    if type(likely) is str and len(likely) <= MAX_CUSTOMER_BYTES and _is_likely(likely, placeholders):
        return likely, user_id is None  # as nearly all are
    return _first(user_id, anonymous_id, fallback, placeholders, left_out)


def _is_likely(text: str, placeholders: frozenset[str]) -> bool:
    return is_plain(text, placeholders) and not is_reserved(text)


def _first(
    user_id: object, anonymous_id: object, fallback: object, placeholders: frozenset[str], left_out: list[LeftOut]
) -> tuple[str, bool]:
    """The first that is an id; what else cannot be read is left out."""
    faults: list[BadEvent] = []
    for value, field in ((user_id, "userId"), (anonymous_id, "anonymousId"), (fallback, "key")):
        if value is None:
            continue
        try:
            if found := brought(value, field, placeholders):
                break
        except BadEvent as fault:
            faults.append(fault)
    else:
        raise _nobody(faults)
    for unread in faults:
        leave_out(unread, left_out)
    return found, field == "anonymousId"


def _nobody(faults: list[BadEvent]) -> BadEvent:
    """Why there is no customer: the first id that cannot be read, else that each is missing or a placeholder."""
    unreadable = [fault for fault in faults if fault.code != "placeholder_id"]
    if unreadable:
        return unreadable[0]
    detail = "userId or anonymousId is needed" + (": a placeholder is no id" if faults else "")
    return BadEvent("missing_customer", detail, faults[0].field if faults else "userId")


def message_id(value: object, fallback: str, placeholders: frozenset[str], left_out: list[LeftOut]) -> str:
    """The messageId, else `fallback`. Raises `BadEvent` when there is neither, or for one that is no text."""
    if type(value) is str and len(value) <= MAX_ID_BYTES and is_plain(value, placeholders):
        return value
    try:
        if found := identifier(value, "messageId", MAX_ID_BYTES, placeholders):
            return found
    except BadEvent as fault:
        if not fallback or not (fault.code == "placeholder_id" or value is False):
            raise _no_id(fault) from None
        leave_out(fault, left_out)
    if not fallback:
        raise BadEvent("missing_id", "messageId is needed", "messageId")
    return fallback


def _no_id(fault: BadEvent) -> BadEvent:
    if fault.code == "placeholder_id":
        return BadEvent("missing_id", "messageId is needed: a placeholder is no id", "messageId")
    return fault
