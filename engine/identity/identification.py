"""Customers known by e-mail address or phone number: under an HMAC of it, which says nothing of either.

The key is the deployment's, so that nobody else finds an address by hashing all there are. It is never changed:
with another one every address and number is a new customer.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping

from engine.customer_id import CustomerId, customer_id
from engine.errors import BadEvent
from engine.events import Name, Rank
from engine.identity.addresses import SHARED, email, phone
from engine.reserved_ids import EMAIL, PHONE

DIGITS = 32  # of a digest, hexadecimal: 128 bits (RFC 2104, 5, on cutting one short)


class Identification:
    """Makes names of addresses and numbers.

    ``region`` is that of numbers without a country, and ``regions`` that of single sources, by name. ``shared``
    are numbers and addresses that are nobody's own: a switchboard's ("+4930123*": all that begin so), info@…
    Raises `ValueError` for one of them that is neither.
    """

    def __init__(
        self, secret: bytes, region: str = "", regions: Mapping[str, str] | None = None, shared: Iterable[str] = ()
    ) -> None:
        self._secret = secret
        self._region = region
        self._regions = dict(regions or {})
        listed = [_normal(one, region) for one in shared]
        self._shared = frozenset(one for one in listed if not one.endswith("*"))
        self._prefixes = tuple(one[:-1] for one in listed if one.endswith("*"))

    def email(self, written: str, field: str, vouched: bool = True) -> Name:
        """Raises `BadEvent` that names `field` and quotes nothing; `vouched` as of `Name`."""
        return self._name(EMAIL, lambda: email(written), field, vouched)

    def phone(self, written: str, field: str, source: str, vouched: bool = True) -> Name:
        """Raises as `email`."""
        region = self._regions.get(source, self._region)
        return self._name(PHONE, lambda: phone(written, region), field, vouched)

    def _name(self, prefix: str, normal: Callable[[], str], field: str, vouched: bool = True) -> Name:
        try:
            found = normal()
        except BadEvent as fault:
            raise BadEvent(fault.code, fault.detail, field) from None
        if found in self._shared or found.startswith(self._prefixes):
            raise BadEvent(SHARED, "listed in identity.shared", field)
        return Name(self._hashed(prefix, found), Rank.ADDRESS, field, vouched)

    def _hashed(self, prefix: str, normal: str) -> CustomerId:
        said = f"{prefix.removesuffix(':')}\0{normal}"
        digest = hmac.new(self._secret, said.encode(), hashlib.sha256).hexdigest()
        return customer_id(f"{prefix}{digest[:DIGITS]}")


def _normal(listed: str, region: str) -> str:
    """One of ``shared`` as it is compared. Raises `ValueError`."""
    text = "".join(listed.split())
    if re.fullmatch(r"\+[0-9]{3,15}\*", text):
        return text
    try:
        return email(text) if "@" in text else phone(text, region)
    except BadEvent as fault:
        if fault.code == SHARED:
            return text.lower()  # known to be so without the list
        raise ValueError(f"neither an e-mail address nor a phone number: {fault.detail}") from None
