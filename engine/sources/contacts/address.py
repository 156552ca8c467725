"""Addresses as vendors write them: in lists and objects, with a name before them, as URIs.

What comes of it is one address or number at a time, as `engine.identity.addresses` reads them. Nothing here says
whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

MOST = 50  # of one place in a payload
_DEEPEST = 3  # lists and objects within one another

#: What objects name the address that they hold, in small letters without dashes and underscores.
_NAMES = (
    "address", "email", "emailaddress", "phone", "phonenumber", "number", "value", "addressnormalized", "uri",
)  # fmt: skip
_SCHEME = re.compile(r"(tel|callto|sips?|whatsapp|sms|rcs):(?://)?", re.IGNORECASE)
_REMARK = re.compile(r'"[^"]{0,200}"|\([^()]{0,200}\)')  # a quoted name, a comment
_ANGLE = re.compile(r"<([^<>]{1,400})>")
_DIGITS = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)


def emails(value: object) -> Iterator[str]:
    """
    >>> list(emails(["Ann <ann@shop.example>, lee@shop.example", {"emailAddress": "mailto:kim@shop.example"}]))
    ['ann@shop.example', 'lee@shop.example', 'kim@shop.example']
    """
    for text in _texts(value):
        parts = [_bare(part) for part in re.split("[,;]", _REMARK.sub("", text))]
        yield from [part for part in parts if "@" in part] or [text]


def _bare(text: str) -> str:
    """Without the name before it and what a mailto: has around it."""
    inner = _ANGLE.search(text)
    written = (inner[1] if inner else text).strip()
    return unquote(written[7:].partition("?")[0]) if written[:7].lower() == "mailto:" else written


def phones(value: object) -> Iterator[str]:
    """
    >>> list(phones(["sip:+4930123@pbx.example;user=phone", '"Ann" <tel:+49-30-123>', "whatsapp:4930123"]))
    ['+4930123', '+49-30-123', '+4930123']
    """
    for text in _texts(value):
        inner = _ANGLE.search(text)
        yield _number(inner[1].strip() if inner else text)


def _number(text: str) -> str:
    """Without its scheme, and of parameters with those alone that say what number it is (RFC 3966, 5.1)."""
    found = _SCHEME.match(text)
    if found is None:
        return text
    scheme, rest = found[1].lower(), unquote(text[found.end() :])
    if scheme.startswith("sip"):
        return re.split("[@;?]", rest, maxsplit=1)[0]
    if scheme in ("whatsapp", "sms", "rcs"):
        bare = re.split("[;?]", rest, maxsplit=1)[0]
        return f"+{bare}" if _DIGITS.fullmatch(bare) else bare  # theirs are international, with a plus or without
    number, *parameters = rest.partition("?")[0].split(";")
    needed = ("ext",) if number.startswith("+") else ("ext", "phone-context")
    kept = [one for one in parameters if one.partition("=")[0].lower() in needed]
    return ";".join([f"tel:{number}" if kept else number, *kept])


def _texts(value: object, depth: int = _DEEPEST) -> Iterator[str]:
    """The texts in `value`, at most `MOST` of each list."""
    if isinstance(value, str):
        if text := value.strip():
            yield text
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
        yield str(value)
    elif isinstance(value, list) and depth:
        for one in value[:MOST]:
            yield from _texts(one, depth - 1)
    elif isinstance(value, dict) and depth:
        plain = {re.sub("[-_]", "", name.lower()): inner for name, inner in value.items()}
        yield from _texts(next((plain[name] for name in _NAMES if plain.get(name)), None), depth - 1)
