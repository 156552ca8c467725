"""Lengths of time and how often, as people say them, and as offers take them: ``7d``, ``{max: 1, period: 7d}``."""

from __future__ import annotations

import re
from fractions import Fraction

from engine.rulebook.language.numerals import LONGEST, UNITS, WORDS

SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
OFTEN = {"hourly": "1h", "daily": "1d", "weekly": "7d", "monthly": "30d", "yearly": "365d"}
NO_CAP = frozenset(("never", "none", "no", "unlimited", "off", "null", "infinite", "0"))

_WORD = "|".join(WORDS)
_WRITTEN = re.compile(r"[0-9]{1,9}(?:s|min|h|d)")
_WHOLE = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{1,3})?)\s*-?\s*([a-z]*)\.?", re.IGNORECASE | re.ASCII)
_PARTS = re.compile(r"(?:[0-9]{1,9}\s*[a-z]+\s*){2,4}", re.IGNORECASE | re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2,4}")
_COUNT = rf"(?P<count>[0-9]{{1,5}}|{_WORD})\s*(?:x|×|times?)?"
_RATE = re.compile(
    rf"(?:max(?:imum)?\.?|at most)?\s*(?:{_COUNT})?\s*"
    r"(?:(?:per|every|each|in|within|pro|je|/)\s*|(?=an?\s))(?P<period>.+)"
)


def period(text: str) -> str:
    """What to write for a period, as the end of a sentence; empty when `text` is none.

    >>> period("7 days"), period("2 weeks"), period("10 Minuten"), period("90")
    (': write 7d', ': write 14d', ': write 10min', ': write the unit too, 90s, 90min, 90h or 90d')
    >>> period("1,5 h"), period("ten minutes"), period("1h 30min"), period("soon")
    (': write 90min', ': write 10min', ': write 90min', '')
    """
    if len(text := text.strip()) > LONGEST:
        return ""
    if _DATE.fullmatch(text):
        return ": it is a length of time and no date"
    first, _, rest = text.partition(" ")
    found = _WHOLE.fullmatch(f"{WORDS.get(first.lower(), first)} {rest}".strip())
    if found is None:
        return _sum(text) or (_in_unit(Fraction(1), text) if text.isalpha() else "")
    count, unit = Fraction(found[1].replace(",", ".")), found[2]
    if not count:
        return ": write more than 0"
    if unit:
        return _in_unit(count, unit)
    units = f"{count}s, {count}min, {count}h or {count}d"
    return f": write the unit too, {units}" if count.denominator == 1 else ""


def cap(text: str) -> str:
    """What to write for a cap that is no mapping, as the end of a sentence.

    >>> cap("once a week"), cap("2 per day"), cap("daily")
    (': write {max: 1, period: 7d}', ': write {max: 2, period: 1d}', ': write {max: 1, period: 1d}')
    >>> cap("once"), cap("never")
    (': write {max: 1, period: 30d} for once in 30 days', ': leave the line away for no cap')
    """
    text = " ".join(text.lower().split())
    if text in NO_CAP:
        return ": leave the line away for no cap"
    if len(text) <= LONGEST:
        found = _RATE.fullmatch(text)
        length = _written(found["period"] if found else OFTEN.get(text, text))
        count = (found["count"] if found else "") or "1"
        if length:
            return f": write {{max: {WORDS.get(count, count)}, period: {length}}}"
        if times := re.fullmatch(_COUNT, text):
            count = WORDS.get(times["count"], times["count"])
            return f": write {{max: {count}, period: 30d}} for {times[0]} in 30 days"
    return ": write {max: 1, period: 7d} for once in 7 days"


def _written(text: str) -> str:
    """A length of time as an offer takes it; empty when it is none."""
    text = re.sub(r"^an?\s+", "1 ", text)
    advice = text if _WRITTEN.fullmatch(text) else period(text).removeprefix(": write ")
    return advice if _WRITTEN.fullmatch(advice) else ""


def _in_unit(count: Fraction, unit: str) -> str:
    for word, (_, _, times, short) in UNITS.items():
        if re.fullmatch(word, unit, re.IGNORECASE):
            return _whole(count * times * SECONDS[short])
    return ""


def _sum(text: str) -> str:
    """Of ``1h 30min``."""
    total = Fraction(0)
    for count, unit in re.findall(r"([0-9]+)\s*([a-z]+)", text, re.IGNORECASE) if _PARTS.fullmatch(text) else ():
        length = next((times * SECONDS[short] for word, (_, _, times, short) in UNITS.items()
                       if re.fullmatch(word, unit, re.IGNORECASE)), 0)  # fmt: skip
        if not length:
            return ""
        total += int(count) * length
    return _whole(total) if total else ""


def _whole(seconds: Fraction) -> str:
    """In the largest unit that divides it."""
    short = next((short for short in ("d", "h", "min", "s") if seconds % SECONDS[short] == 0), "")
    return f": write {seconds / SECONDS[short]}{short}" if short else ""
