"""Amounts of money as people write them, where only one reading is possible."""

from __future__ import annotations

import re

_CODES = (
    "EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|TRY|UAH|RUB|INR|AUD|CAD|NZD|SGD|HKD|KRW|TWD|THB"
    "|IDR|MYR|PHP|VND|BRL|MXN|ARS|CLP|COP|PEN|ZAR|AED|SAR|ILS|EGP|NGN|KES"
)
_CURRENCY = rf"(?:(?:{_CODES}|[A-Z]{{0,3}}[€$£¥₹₽₩₺₴₪₫₱฿₦₸₼₾]|kr\.?|zł|Kč|Ft|Fr\.)[ \u00a0\u202f\u2009]*)?"
_GROUP = r"[ \u00a0\u202f\u2009'’]"
#: The digits end with one, and blanks behind them are taken once: so no text costs much more than another.
_DIGITS = r"[0-9](?:[0-9.,'’ \u00a0\u202f\u2009]*[0-9])?"
_AMOUNT = re.compile(rf"{_CURRENCY}(?P<digits>{_DIGITS})\s*+{_CURRENCY}", re.IGNORECASE)
_LONGEST = 64  # characters

#: Thousands and decimals in the ways that leave no doubt, of digits whose spaces and apostrophes are commas or
#: points by now.
_PLAIN = re.compile(r"[0-9]+")
_DECIMALS = re.compile(r"(?P<whole>[0-9]+)[.,](?P<part>[0-9]+)")
_GROUPED = re.compile(
    r"(?P<whole>[0-9]{1,3}(?:(?P<mark>[., ])[0-9]{3})(?:(?P=mark)[0-9]{3})*)(?:(?!(?P=mark))[.,](?P<part>[0-9]+))?"
)


def amount(written: str) -> float | None:
    """The number in `written`, which may bear a currency, thousands and a decimal comma; None where that is not
    certain: "1,234" and "€1.234" may be a thousand or one and a bit. (A bare "1.234" is a number as JSON has it,
    and is not read here.)

    >>> [amount(text) for text in ("€12.50", "12,50 €", "1.234,56", "1 234 kr", "€1.234", "5 kg")]
    [12.5, 12.5, 1234.56, 1234.0, None, None]
    """
    found = _AMOUNT.fullmatch(written.strip()) if len(written) <= _LONGEST else None
    if found is None:
        return None
    digits = re.sub(_GROUP, " ", found["digits"])
    if _PLAIN.fullmatch(digits):
        return float(digits)
    if decimals := _DECIMALS.fullmatch(digits):
        return None if _is_ambiguous(**decimals.groupdict()) else float(digits.replace(",", "."))
    if grouped := _GROUPED.fullmatch(digits):
        return float(re.sub(r"\D", "", grouped["whole"]) + "." + (grouped["part"] or "0"))
    return None


def _is_ambiguous(whole: str, part: str) -> bool:
    """Whether ``whole`` and ``part`` may be thousands as well as decimals."""
    return len(part) == 3 and len(whole) <= 3 and not whole.startswith("0")
