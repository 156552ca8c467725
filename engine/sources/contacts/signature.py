"""How vendors sign what they send: an HMAC of a text that holds the body, or a signature with a private key, shown
in a header; and how old a text that holds the time may be."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec

from engine.errors import BadEvent, NotAuthorised
from engine.ports.sources import Delivery
from engine.sources.contacts.bodies import form_fields
from engine.sources.contacts.public_key import is_signed, public_key
from engine.sources.times import epoch_ms

HASHES = ("sha1", "sha256", "sha512")
ENCODINGS = ("hex", "base64")
BODY, FORM, URL = "body", "form", "url"
KEYS = ("shared", "public")
MOST_AGE_MS = 300_000
_PLACE = re.compile(r"\{([A-Za-z0-9-]{1,100})\}")
_PORTS = {"https": 443, "http": 80}


class Signature(msgspec.Struct, frozen=True):
    """A vendor's way. In `over`, ``{body}`` stands for the body, ``{form}`` for a form's fields, sorted by name,
    each name followed by its value, ``{url}`` for the address as the vendor has it, and any other name in braces
    for that header. Before the signature in `header` stands `prefix`. With `key` public it is ECDSA's, and what is
    known is the public key. `time` is the header, within `over`, that says when it was signed."""

    header: str
    over: str = "{body}"
    hash: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    key: Literal["shared", "public"] = "shared"
    time: str = ""

    @property
    def needs_url(self) -> bool:
        """Whether the address of the API, as the vendor has it, must be known."""
        return URL in self.places

    @property
    def places(self) -> list[str]:
        """The names in braces."""
        return _PLACE.findall(self.over)

    def check(
        self, delivery: Delivery, secrets: Sequence[bytes], now: int | None = None, most_ms: int = MOST_AGE_MS
    ) -> None:
        """Raises `NotAuthorised` unless `delivery` is signed with one of `secrets`, and, where the signature has a
        time, no longer than `most_ms` before or after `now` (wall time, epoch ms; None, or 0 ms: at any time)."""
        shown = delivery.headers.get(self.header.lower(), "").strip().encode()
        if not shown:
            raise NotAuthorised("the vendor's signature is missing", self.header)
        fits = False
        for text in self._texts(delivery):  # all are tried, so that time shows nothing
            for secret in secrets:
                fits |= self._fits(text, shown, secret)
        if not fits:
            raise NotAuthorised("the vendor's signature is wrong", self.header)
        if self.time and most_ms and now is not None:
            self._check_age(delivery, now, most_ms)

    def refusal(self, secret: bytes) -> str:
        """Why nothing can be checked with `secret`; empty where it can."""
        if self.key == "shared":
            return ""
        try:
            public_key(secret)
        except ValueError as fault:
            return str(fault)
        return ""

    def _check_age(self, delivery: Delivery, now: int, most_ms: int) -> None:
        """After the signature, which says that the time is the vendor's."""
        try:
            signed_at = epoch_ms(delivery.headers.get(self.time.lower(), ""), self.time)
        except BadEvent:
            signed_at = None
        if signed_at is None:
            raise NotAuthorised("nothing says when it was signed", self.time)
        if abs(now - signed_at) > most_ms:
            raise NotAuthorised("signed too long ago, or by a clock that is wrong", self.time)

    def _fits(self, text: bytes, shown: bytes, secret: bytes) -> bool:
        if self.key == "shared":
            return hmac.compare_digest(self._signed(text, secret), shown)
        try:
            bare = shown.removeprefix(self.prefix.encode()).decode("ascii")
            decoded = base64.b64decode(bare, validate=True) if self.encoding == "base64" else bytes.fromhex(bare)
        except ValueError:
            return False
        return is_signed(text, decoded, secret, self.hash)

    def _texts(self, delivery: Delivery) -> Iterator[bytes]:
        addresses = addresses_of(delivery.url) if self.needs_url else [""]
        for address in addresses:
            parts = _PLACE.split(self.over)
            names = [_named(name, delivery, address) for name in parts[1::2]]
            plain = [part.encode() for part in parts[::2]]
            yield b"".join(one for pair in zip(plain, [*names, b""], strict=True) for one in pair)

    def _signed(self, text: bytes, secret: bytes) -> bytes:
        digest = hmac.digest(secret, text, self.hash)
        shown = base64.b64encode(digest) if self.encoding == "base64" else digest.hex().encode()
        return self.prefix.encode() + shown


def _named(name: str, delivery: Delivery, address: str) -> bytes:
    if name == BODY:
        return delivery.body
    if name == FORM:
        return "".join(part for field in sorted(form_fields(delivery.body)) for part in field).encode()
    return (address if name == URL else delivery.headers.get(name.lower(), "")).encode()


def addresses_of(url: str) -> list[str]:
    """`url` with its scheme's own port and without: vendors differ in whether they sign it.

    >>> addresses_of("https://api.example/v1?a=b")
    ['https://api.example/v1?a=b', 'https://api.example:443/v1?a=b']
    """
    parts = urlsplit(url)
    usual = _PORTS.get(parts.scheme)
    if usual is None or not parts.hostname:
        return [url]
    if parts.netloc.endswith(f":{usual}"):
        return [url, urlunsplit(parts._replace(netloc=parts.netloc.removesuffix(f":{usual}")))]
    if ":" in parts.netloc.rpartition("@")[2].rpartition("]")[2]:
        return [url]
    return [url, urlunsplit(parts._replace(netloc=f"{parts.netloc}:{usual}"))]
