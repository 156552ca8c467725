"""Single values of a payload: texts, amounts of money, numbers of pieces; or `BadEvent` that names the field."""

from __future__ import annotations

import math
from typing import Any

from engine.errors import BadEvent
from engine.events import MAX_VALUE, LeftOut
from engine.sources.segment.written_amounts import amount

MAX_TEXT_BYTES = 256  # of an item or category
MAX_QUANTITY = 1_000_000
PIECE = 1_000  # thousandths
MAX_LEFT_OUT = 8  # of one event: what more there is goes unnoted
_WHOLE = 1 << 53  # floats below are exact
_LONGEST = 1 << 1_024  # a whole number below is not longer than any text may be


def text(value: object, field: str, limit: int = MAX_TEXT_BYTES) -> str:
    """A text or whole number as text, without the blanks around it; empty when absent. Raises `BadEvent` above
    `limit` bytes."""
    if not isinstance(value, str):
        if value is None:
            return ""
        value = _whole_number(value, field)
    value = value.strip()
    if len(value) * 4 > limit and len(value.encode(errors="replace")) > limit:
        raise BadEvent("too_large", f"longer than {limit} bytes", field)
    return value


def is_nothing(value: object) -> bool:
    """Whether a field states nothing: it is absent, or blank."""
    return value is None or (isinstance(value, str) and not value.strip())


def _whole_number(value: object, field: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LONGEST:
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    raise BadEvent("bad_field", "a text is needed", field)


def money(value: object, field: str) -> float | None:
    """An amount >= 0, given as a number or a text; None when absent. Raises `BadEvent` (bad_number)."""
    number = _number(value, field)
    if number is None and isinstance(value, str) and value.strip():
        number = amount(value)
        if number is None:
            raise BadEvent("bad_number", "not one plain number", field)
    if number is not None and not 0.0 <= number <= MAX_VALUE:  # also refuses NaN
        raise BadEvent("bad_number", f"a finite number from 0 to {MAX_VALUE:.0e} is needed", field)
    return number


def thousandths(value: object, field: str) -> int:
    """A number of pieces in thousandths, `PIECE` when absent, at least one of what is more than nothing (goods by
    weight have parts of a piece). Raises `BadEvent`."""
    number = _number(value, field)
    if number is None:
        if isinstance(value, str) and value.strip():
            raise BadEvent("bad_number", "not a number", field)
        return PIECE
    if not 0.0 <= number <= MAX_QUANTITY:
        raise BadEvent("bad_number", f"a number from 0 to {MAX_QUANTITY} is needed", field)
    return max(math.floor(number * PIECE + 0.5), int(number > 0))


def whole_pieces(thousandths: int) -> int:
    """How many pieces `thousandths` are, a part of one counted as one."""
    return -(-thousandths // PIECE)


def _number(value: Any, field: str) -> float | None:
    """A number as it is or as text; None when there is none, or a text that is no number."""
    if value is None or value is False:
        return None
    if value is True or not isinstance(value, int | float | str):
        raise BadEvent("bad_number", "a finite number is needed", field)
    try:
        return None if isinstance(value, str) and "_" in value else float(value)
    except ValueError:
        return None
    except OverflowError:
        raise BadEvent("bad_number", "a finite number is needed", field) from None


def leave_out(fault: BadEvent, left_out: list[LeftOut]) -> None:
    """Note in `left_out` what of an event could not be read and was not needed; once of what is read twice."""
    known = any(one.reason == fault.code and one.field == fault.field for one in left_out)
    if len(left_out) < MAX_LEFT_OUT and not known:
        left_out.append(LeftOut(fault.code, fault.field, fault.detail))


def side_text(value: object, field: str, left_out: list[LeftOut]) -> str:
    """As `text`, for what no event needs: what cannot be read is left out."""
    if value is None:
        return ""
    try:
        return text(value, field)
    except BadEvent as fault:
        leave_out(fault, left_out)
        return ""


def side_money(value: object, field: str, left_out: list[LeftOut]) -> float:
    """As `money`, 0 when absent, for what no event needs."""
    if value is None:
        return 0.0
    try:
        return money(value, field) or 0.0
    except BadEvent as fault:
        leave_out(fault, left_out)
        return 0.0


def side_thousandths(value: object, field: str, left_out: list[LeftOut]) -> int:
    """As `thousandths`, for what no event needs."""
    if value is None:
        return PIECE
    try:
        return thousandths(value, field)
    except BadEvent as fault:
        leave_out(fault, left_out)
        return PIECE
