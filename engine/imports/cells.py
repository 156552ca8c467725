"""A cell as a trait's value: cleaned, or refused with a reason that never quotes it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Literal

import email_validator
import phonenumbers

from engine.events import EARLIEST_MS, LATEST_MS
from engine.imports.bad_cell import BadCell as BadCell
from engine.imports.dates import epoch_ms
from engine.imports.mapping import FileMapping, Type
from engine.imports.unseen import has_controls, seen
from engine.traits import TraitValue, fault_of

_TRUE = frozenset({"1", "true", "t", "yes", "y", "ja", "j", "on", "x", "oui", "si", "sí", "wahr"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "nein", "off", "non", "falsch"})
_BOUNDS = 64  # characters of what is no text

#: What a cell may be of: a trait's type, or a customer's id.
Kind = Type | Literal["id"]

#: What was done to a cell: characters that nobody sees went; `="007"`, as programs write texts for Excel, is 007.
UNSEEN, FORMULA = "unseen", "formula"
_FORMULA = re.compile(r'="([^"]*)"')


class Cleaned:
    """A cell's value, and what was done to it (empty: nothing)."""

    __slots__ = ("how", "value")

    def __init__(self, value: TraitValue, how: str = "") -> None:
        self.value = value
        self.how = how


def clean(cell: object, kind: Kind, mapping: FileMapping) -> Cleaned | None:
    """The value of a cell of type `kind`; None for an empty one, which says nothing. Raises `BadCell`."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    how = ""
    if isinstance(cell, str):
        cell, how = _plain(cell, kind)
        if not cell:
            return None
        if kind not in ("text", "id") and len(cell) > 4 * _BOUNDS:
            raise BadCell(f"bad_{kind}")
    cleaned = _BY_TYPE[kind](cell, mapping)
    if fault_of(cleaned.value):
        raise BadCell("too_long")
    return cleaned if cleaned.how else Cleaned(cleaned.value, how)


def id_of(cell: object, mapping: FileMapping) -> Cleaned | None:
    """A customer's id in a cell; None for an empty one. Raises `BadCell`, of one with control characters, too,
    since nobody knows what it was without them."""
    if isinstance(cell, str) and has_controls(cell):
        raise BadCell("unreadable_id")
    try:
        cleaned = clean(cell, "id", mapping)
    except BadCell as fault:
        raise BadCell("long_id" if fault.reason == "too_long" else "no_customer") from None
    return cleaned if cleaned is not None and cleaned.value else None


def _plain(cell: str, kind: Kind) -> tuple[str, str]:
    """What one sees of a cell, and what was done to it but for the blanks around."""
    shown = seen(cell, kind == "text")
    how = "" if shown == cell.strip() else UNSEEN
    found = _FORMULA.fullmatch(shown)
    return (found[1].strip(), FORMULA) if found else (shown, how)


def time_of(cell: object, mapping: FileMapping) -> int:
    """Epoch ms of the cell that says when a line was so. Raises `BadCell`."""
    at = epoch_ms(_plain(cell, "date")[0] if isinstance(cell, str) else cell, mapping.dates)
    if not EARLIEST_MS <= at <= LATEST_MS:
        raise BadCell("impossible_date")
    return at


def _text(cell: object, mapping: FileMapping) -> Cleaned:
    if isinstance(cell, str):
        return Cleaned(cell)
    if isinstance(cell, bool | int | Decimal):
        return Cleaned(str(cell).lower())
    if isinstance(cell, float):
        return Cleaned(str(int(cell)) if cell.is_integer() else str(cell))
    if isinstance(cell, date):
        return Cleaned(cell.isoformat())
    raise BadCell("bad_text")


def _number(cell: object, mapping: FileMapping) -> Cleaned:
    if isinstance(cell, int | float | Decimal):
        return _finite(float(cell), "")
    if not isinstance(cell, str):
        raise BadCell("bad_number")
    thousands = "." if mapping.decimal == "," else ","
    plain = cell.replace("\xa0", "").replace("\u202f", "").replace(" ", "").replace("'", "")
    plain = _without_groups(plain, thousands).replace(mapping.decimal, ".")
    if "_" in plain or not plain.isascii() or plain.lower().lstrip("+-")[:1] in ("n", "i"):
        raise BadCell("bad_number")
    try:
        return _finite(float(plain), "number" if plain != cell else "")
    except ValueError:
        raise BadCell("bad_number") from None


def _without_groups(text: str, mark: str) -> str:
    """Without the marks between thousands, where they stand between groups of three; else it is no number."""
    if mark not in text:
        return text
    first, *groups = text.split(mark)
    last, point, fraction = groups[-1].partition("," if mark == "." else ".")
    groups[-1] = last
    if not 0 < len(first.lstrip("+-")) <= 3 or any(len(group) != 3 or not group.isdigit() for group in groups):
        raise BadCell("bad_number")
    return first + "".join(groups) + point + fraction


def _finite(number: float, how: str) -> Cleaned:
    if not math.isfinite(number):
        raise BadCell("bad_number")
    return Cleaned(number, how)


def _flag(cell: object, mapping: FileMapping) -> Cleaned:
    if isinstance(cell, bool):
        return Cleaned(cell)
    word = str(cell).lower() if isinstance(cell, str | int) else ""
    if word not in _TRUE | _FALSE:
        raise BadCell("bad_flag")
    return Cleaned(word in _TRUE)


def _date(cell: object, mapping: FileMapping) -> Cleaned:
    return Cleaned(float(epoch_ms(cell, mapping.dates)))


def _email(cell: object, mapping: FileMapping) -> Cleaned:
    if not isinstance(cell, str):
        raise BadCell("bad_email")
    try:
        found = email_validator.validate_email(cell.removeprefix("mailto:"), check_deliverability=False)
    except email_validator.EmailNotValidError:
        raise BadCell("bad_email") from None
    return Cleaned(found.normalized, "email" if found.normalized != cell else "")


def _phone(cell: object, mapping: FileMapping) -> Cleaned:
    text = str(cell) if isinstance(cell, str | int) else ""
    if text.startswith("00"):
        text = "+" + text[2:]
    try:
        number = phonenumbers.parse(text.removeprefix("tel:"), mapping.region or None)
    except phonenumbers.NumberParseException:
        raise BadCell("bad_phone") from None
    if not phonenumbers.is_valid_number(number):
        raise BadCell("bad_phone")
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Cleaned(written, "phone" if written != cell else "")


_BY_TYPE: dict[Kind, Callable[[object, FileMapping], Cleaned]] = {
    "id": _text,
    "text": _text,
    "number": _number,
    "flag": _flag,
    "date": _date,
    "email": _email,
    "phone": _phone,
}
