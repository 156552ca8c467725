"""Numbers and times as people write them, and how the rule files take them: digits, with a point."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

LONGEST = 30

#: Digits with a point, or with what other countries and spreadsheets put between them.
NUMERAL = r"(?<![0-9])[0-9]{1,15}+(?:[.,'’_][0-9]{1,15}+|[ \u00a0\u202f][0-9]{3}(?![0-9])){0,6}+(?![0-9])"
PERCENT = r"(?:%|per ?cent|pct|Prozent)"
MONEY = (
    r"(?:[$£¥€₹₺₽₩]|(?:EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|AUD|CAD|CNY|INR)(?![A-Za-z])"
    r"|(?:euros?|dollars?|pounds?|francs?|franken|cents?)(?![A-Za-z]))"
)

#: Words for a unit of time: what a condition calls, times how much; how a period is written, times how much.
UNITS = {
    r"s|secs?|seconds?|sek|sekunden?": ("minutes", Fraction(1, 60), 1, "s"),
    r"m|mins?|minutes?|minuten": ("minutes", Fraction(1), 1, "min"),
    r"h|hrs?|hours?|std|stunden?": ("hours", Fraction(1), 1, "h"),
    r"d|days?|tage?n?": ("days", Fraction(1), 1, "d"),
    r"w|wks?|weeks?|wochen?": ("days", Fraction(7), 7, "d"),
    r"months?|mths?|monate?n?": ("days", Fraction(30), 30, "d"),
    r"y|yrs?|years?|jahre?n?": ("days", Fraction(365), 365, "d"),
}
UNIT = rf"(?:{'|'.join(UNITS)})"

#: Numbers in words, as far as offers need them.
WORDS = {
    "once": "1", "one": "1", "a": "1", "an": "1", "twice": "2", "two": "2", "double": "2", "half": "0.5",
    "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip

_GROUPED = re.compile(r"[0-9]{1,3}([.,'’_ \u00a0\u202f])[0-9]{3}(?:\1[0-9]{3})*(?:[.,][0-9]+)?")
_PERCENT = re.compile(rf"({NUMERAL})\s*{PERCENT}", re.IGNORECASE)
_MONEY = re.compile(rf"{MONEY}\s*({NUMERAL})|({NUMERAL})\s*(?:,-|\.-)?\s*{MONEY}", re.IGNORECASE)
_RATIO = re.compile(r"([0-9]{1,9})\s*(?:/|in|von|out\s+of)\s*([0-9]{1,9})", re.IGNORECASE)
_BELOW_0 = re.compile(r"-\s*[0-9]+(?:[.,][0-9]+)?\s*[^0-9\s]")  # which nothing is that stands here
_TIMES = re.compile(r"[x×]\s*([0-9]{1,9})", re.IGNORECASE)
_ANY = re.compile(rf"(?:[^0-9]*[^\w.,])?({NUMERAL})[^0-9]*")


class Advice(NamedTuple):
    """What to write, and the sentence that says so."""

    instead: str
    reason: str


def point(numeral: str) -> Advice:
    """A `NUMERAL` with a point.

    >>> point("0,1")
    Advice(instead='0.1', reason='write 0.1, with a point')
    >>> point("1.234,50").instead, point("1'000").instead, point("6").instead
    ('1234.50', '1000', '6')
    >>> point("1,500").reason
    'write 1500, or 1.500 with a point'
    """
    marks = [mark for mark in numeral if not mark.isdigit()]
    if _GROUPED.fullmatch(numeral) and marks != ["."]:
        decimal = marks[-1] in ".," and len(marks) > 1 and marks[-1] != marks[0]
        whole, _, rest = numeral.rpartition(marks[-1]) if decimal else (numeral, "", "")
        plain = _without_zeros(re.sub("[^0-9]", "", whole)) + ("." + rest if decimal else "")
        either = f", or {numeral.replace(',', '.')} with a point" if marks == [","] else ""
        return Advice(plain, f"write {plain}{either or ', with nothing between the digits but a point'}")
    plain = _without_zeros(re.sub(r"[^0-9,.]", "", numeral).replace(",", "."))
    return Advice(plain, f"write {plain}, with a point" if "," in marks else f"write {plain}")


def _without_zeros(digits: str) -> str:
    """`digits` without zeros before them, with which neither YAML nor a condition takes them."""
    return re.sub("^0+(?=[0-9])", "", digits)


def percent(numeral: str) -> Advice:
    """
    >>> percent("10"), percent("12,5").instead
    (Advice(instead='0.10', reason='write 0.10 for 10 %'), '0.125')
    """
    plain = point(numeral).instead
    share = f"{Decimal(plain).scaleb(-2):f}" if plain.count(".") < 2 else plain
    return Advice(share, f"write {share} for {numeral} %")


def propensity(number: float) -> str:
    """Why `number` is no propensity, and what to write.

    >>> propensity(10.0).partition(": ")[2], propensity(1.0).partition(": ")[2]
    ('write 0.10 for 10 %', 'nothing is sure, so write 0.99')
    """
    instead = ""
    if 1 < number < 100:
        instead = f": {percent(f'{number:g}').reason}"
    elif number in (1, 100):
        instead = ": nothing is sure, so write 0.99"
    elif number == 0:
        instead = ": write 0.01 for hardly ever, or leave the offer away"
    return f"propensity must lie between 0 and 1{instead}"


def money(numeral: str) -> Advice:
    """
    >>> money("6,50").reason
    "write 6.50, the number alone: money is in the shop's currency"
    """
    plain = point(numeral).instead
    return Advice(plain, f"write {plain}, the number alone: money is in the shop's currency")


def number(text: str) -> Advice | None:
    """What to write for a number that YAML does not take for one; None when `text` holds no single number.

    >>> [number(text).instead for text in ("0,1", "10%", "€6", "6 euros", "about 6", "1e3", "−5")]
    ['0.1', '0.10', '6', '6', '6', '1000', '-5']
    """
    text = text.strip().strip("\"'“”„‘’«»").strip()
    if len(text) > LONGEST or _BELOW_0.match(text):
        return None
    if plain := WORDS.get(text.lower(), "") or _times(text):
        return Advice(plain, f"write {plain}")
    if found := _PERCENT.fullmatch(text):
        return percent(found[1])
    if found := _MONEY.fullmatch(text):
        return money(found[1] or found[2])
    if re.fullmatch(NUMERAL, text):
        return _single(point(text))
    if text[-1:] in "kK" and re.fullmatch(NUMERAL, text[:-1].rstrip()):
        return thousands(text[:-1].rstrip())
    return _minus(text) or _float(text) or _ratio(text) or _alone(text)


def _times(text: str) -> str:
    found = _TIMES.fullmatch(text)
    return found[1] if found else ""


def _single(advice: Advice) -> Advice | None:
    """Not what has two points, such as 1.0.1."""
    return advice if advice.instead.count(".") < 2 else None


def _ratio(text: str) -> Advice | None:
    found = _RATIO.fullmatch(text)
    if found is None or not int(found[2]):
        return None
    share = f"{int(found[1]) / int(found[2]):.6f}".rstrip("0").rstrip(".")
    return Advice(share, f"write {share} for {text}")


def thousands(numeral: str) -> Advice:
    """
    >>> thousands("1,5").reason
    'write 1500 for 1,5k'
    """
    plain = point(numeral).instead
    times = f"{Decimal(plain) * 1000:f}" if plain.count(".") < 2 else plain
    times = times.rstrip("0").rstrip(".") if "." in times else times
    return Advice(times, f"write {times} for {numeral}k")


def _minus(text: str) -> Advice | None:
    if text[:1] in "–—−" and (found := number(text[1:])):
        return Advice(f"-{found.instead}", f"write -{found.instead}, with the - of the keyboard")
    return None


def _float(text: str) -> Advice | None:
    try:
        plain = f"{Decimal(text):f}"
    except ArithmeticError:
        return None
    return Advice(plain, f"write {plain}") if re.fullmatch(r"-?[0-9.]{1,30}", plain) else None


def _alone(text: str) -> Advice | None:
    found = _ANY.fullmatch(text)
    plain = point(found[1]).instead if found else ""
    return _single(Advice(plain, f"write {plain}, the number alone")) if found else None


def duration(numeral: str, unit: str) -> Advice:
    """A time in a condition.

    >>> duration("5", "min").reason, duration("90", "s").instead, duration("20", "seconds").instead
    ('write minutes(5)', 'minutes(1.5)', 'minutes(20 / 60)')
    >>> duration("2", "weeks").instead, duration("1,5", "Stunden").instead
    ('days(14)', 'hours(1.5)')
    """
    call, factor = next(
        (call, factor) for word, (call, factor, *_) in UNITS.items() if re.fullmatch(word, unit, re.IGNORECASE)
    )
    plain = point(numeral).instead
    if plain.count(".") > 1:
        return Advice(plain, f"write {call}(n), a number in it")
    count = Fraction(plain) * factor
    exact = f"{float(count):.10f}".rstrip("0").rstrip(".")
    inside = exact if Fraction(exact) == count else f"{plain} / 60"
    return Advice(f"{call}({inside})", f"write {call}({inside})")
