"""Dates in cells, of the form that the mapping names (`strptime`'s), else of ISO 8601; none is guessed.

``03/04/2024`` is a day in March or in April, and ``24`` a year of any century: a mapping says which comes first,
and no form has a year of two digits.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

from engine.imports.bad_cell import BadCell

_EARLIEST_YEAR = 1900  # of a date of birth
_LATEST_YEAR = 2135
_SAMPLE = datetime(2_024, 12, 29, 13, 45, 56)
_SHORT_YEAR = re.compile(r"(?<!%)(?:%%)*%[yxDgE]")

#: A text that is meant for a date, whatever its form; a count of days as Excel has it, or of seconds.
_ANY_DATE = re.compile(r"[0-9]{1,4}[./\- ]\s?(?:[0-9]{1,2}|[^\W\d_]{3,})[./\- ]\s?[0-9]{1,4}")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?|[0-9]{8}(?:T.*)?"
_DIGITS = {
    "d": "{1,2}",
    "m": "{1,2}",
    "H": "{1,2}",
    "I": "{1,2}",
    "M": "{1,2}",
    "S": "{1,2}",
    "Y": "{4}",
    "j": "{1,3}",
}


def epoch_ms(cell: object, form: str) -> int:
    """The moment in a cell; without a zone it is UTC. Raises `BadCell`: impossible_date for one of the form that
    is none, or out of the years that there are; other_date for one of another form; number_for_date; bad_date."""
    moment = _read(cell, form) if isinstance(cell, str) else cell
    if isinstance(moment, int | float | Decimal) and not isinstance(moment, bool):
        raise BadCell("number_for_date")
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if not isinstance(moment, datetime):
        raise BadCell("bad_date")
    if not _EARLIEST_YEAR <= moment.year <= _LATEST_YEAR:
        raise BadCell("impossible_date")
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def fault_of_form(form: str) -> str:
    """Why `form` reads no date that is sure; empty where it does.

    >>> fault_of_form("%d.%m.%Y"), fault_of_form("%d.%m.%y")[:24], fault_of_form("dd.mm.yyyy")[:23]
    ('', 'has a year of two digits', 'names no day, month and')
    """
    if _SHORT_YEAR.search(form):
        return "has a year of two digits, whose century nobody knows: export it with four (%Y)"
    try:
        read = datetime.strptime(_SAMPLE.strftime(form), form)
    except (ValueError, re.error):
        return "cannot be read back: write it as in %d.%m.%Y or %m/%d/%Y %H:%M"
    whole = read.date() == _SAMPLE.date()
    return "" if whole else "names no day, month and year: write it as in %d.%m.%Y or %m/%d/%Y %H:%M"


def _read(cell: str, form: str) -> datetime:
    try:
        return datetime.strptime(cell, form) if form else datetime.fromisoformat(cell)
    except (ValueError, OverflowError):
        raise BadCell(_why_none(cell, form)) from None


def _why_none(cell: str, form: str) -> str:
    if _shape(form).fullmatch(cell):
        return "impossible_date"
    if _NUMBER.fullmatch(cell):
        return "number_for_date"
    return "other_date" if _ANY_DATE.match(cell) else "bad_date"


@lru_cache(maxsize=64)
def _shape(form: str) -> re.Pattern[str]:
    """What texts of `form` look like, be they dates or not."""
    if not form:
        return re.compile(_ISO, re.DOTALL)
    parts = re.findall(r"%.|[^%]+", form)
    return re.compile("".join(map(_part, parts)), re.IGNORECASE)


def _part(part: str) -> str:
    if not part.startswith("%") or part == "%%":
        return re.escape(part.replace("%%", "%"))
    return f"[0-9]{_DIGITS[part[1]]}" if part[1] in _DIGITS else r"[^\d]*?"
