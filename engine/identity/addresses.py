"""E-mail addresses and phone numbers in the one form in which they are compared.

An address is what `email-validator` takes for one (RFC 5322 without quoted local parts), in lower case, because
nearly no provider minds the case of a local part. Nothing is asked of the network. A number is E.164, as
`phonenumbers` has it.
"""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from engine.errors import BadEvent

LONGEST = 320  # characters: what an e-mail address may have, and more than a number needs

SHARED = "shared_id"  # the code for what is nobody's own

#: Local parts of addresses that nobody reads, or a whole company.
_LOCALS = frozenset(
    {
        "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "mailer-daemon", "postmaster",
        "webmaster", "hostmaster", "abuse", "info", "office", "support", "sales", "contact", "admin", "root",
        "nobody", "none", "null", "unknown", "anonymous", "test", "noemail", "no-email", "na", "n/a", "undefined",
    }
)  # fmt: skip

#: What telephone systems write for a number that the caller withholds, and the digits that some dial for it.
_WITHHELD = (
    "anonymous", "withheld", "private", "restricted", "blocked", "unknown", "unavailable", "suppressed", "hidden",
)  # fmt: skip
_KEYPAD = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_WITHHELD_DIGITS = frozenset(word.translate(_KEYPAD) for word in _WITHHELD)

#: Numbers of persons; the others are a company's, or cost the caller something.
_OWN = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)


@lru_cache(maxsize=4_096)
def email(written: str) -> str:
    """
    >>> email(" Ann@Shop.Example.COM ")
    'ann@shop.example.com'

    Raises `BadEvent`: bad_field for what is no address, `SHARED` for what is nobody's own.
    """
    text = written.strip()
    if len(text) > LONGEST:
        raise BadEvent("too_large", f"longer than {LONGEST} characters")
    try:
        found = validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise BadEvent("bad_field", "no e-mail address") from None  # its own words quote the address
    if found.partition("@")[0] in _LOCALS:
        raise BadEvent(SHARED, "an e-mail address that is nobody's own")
    return found


@lru_cache(maxsize=4_096)
def phone(written: str, region: str = "") -> str:
    """
    >>> phone("030 1234567", "DE")
    '+49301234567'

    `region` (ISO 3166) is that of numbers without a country; "": they are refused. Raises `BadEvent`: bad_field
    for what is no number, `SHARED` for withheld ones, for companies', and for those with an extension.
    """
    text = written.strip()
    if len(text) > LONGEST:
        raise BadEvent("too_large", f"longer than {LONGEST} characters")
    if text.lower().strip("\"'<>()+ ") in (*_WITHHELD, *_WITHHELD_DIGITS):
        raise BadEvent(SHARED, "a withheld number")
    try:
        number = phonenumbers.parse(text, region or None)
    except NumberParseException:
        detail = "no phone number" if region else "no phone number with its country (+49 …)"
        raise BadEvent("bad_field", detail) from None
    if not phonenumbers.is_valid_number(number):
        raise BadEvent("bad_field", "no phone number that is in use")
    if number.extension or phonenumbers.number_type(number) not in _OWN:
        raise BadEvent(SHARED, "a company's phone number")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
