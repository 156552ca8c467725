"""JSON as programs really write it, read all the same: what msgspec refuses is repaired once and read again.

Valid JSON is decoded as it is; only a payload that was refused is repaired. Each repair is a pass or two over the
bytes in compiled code, and replaces at most `MAX_REPAIRS` places, so its cost is bounded by the payload's size.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from engine.errors import BadEvent
from engine.validation_errors import describe_validation_error

T = TypeVar("T")

MAX_REPAIRS = 1_000  # of one kind in one payload; one that needs more stays malformed

_BOM = rb"\xef\xbb\xbf"
_STRING = rb'"(?:[^"\\]++|\\[\s\S])*+(?:"|\\?\Z)'  # to the end where it is never closed
_NUMBER = (  # of fewer than 309 digits and an exponent below 100
    rb"-?(?![0-9]{309})[0-9]++(?:\.[0-9]++)?+(?:[eE](?:-[0-9]++|\+?0*+[0-9]{1,2}))?+(?![0-9.eE+\-])"
)
_NO_NUMBER = rb"[-+]?(?:[Nn][Aa][Nn]|[Ii][Nn][Ff](?:inity|INITY)?)(?!\w)|[-+]?[0-9][0-9.eE+\-]*+"

# It matches wherever it is tried, so that a scan never goes back: the good part, then what is wrong.
_OUTSIDE = re.compile(
    rb"(?P<good>(?:" + _STRING + rb"|[^\"NnIi0-9+\-\xef]++|null|" + _NUMBER + rb")*+)"
    rb"(?:(?P<number>" + _NO_NUMBER + rb")|(?P<mark>" + _BOM + rb")|\Z|(?P<other>[\s\S]))"
)
# Backslashes of which the last begins the escape of a pair, or of a half that stands alone. It is tried at the
# first of a run only, and begins with a byte that a search leaps to.
_SURROGATE = re.compile(
    rb"\\(?<!\\\\)(?:\\\\)*+u[dD](?:[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>[89a-fA-F][0-9a-fA-F]{2}))"
)
_CONTROL = bytes.maketrans(bytes(range(32)), b" " * 32)


def decode(decoder: msgspec.json.Decoder[T], payload: bytes | msgspec.Raw, limit: int) -> T:
    """What `payload` holds. Raises `BadEvent`: malformed, bad_field, bad_number; above `limit` bytes too_large."""
    size = len(payload if isinstance(payload, bytes) else memoryview(payload))
    if size > limit:
        raise BadEvent("too_large", f"larger than {limit} bytes")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as fault:
        refused = described(fault)
        if refused.code != "bad_number":
            raise refused from None
    except RecursionError:
        raise BadEvent("malformed", "nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        refused = BadEvent("malformed", str(fault) if size else "it is empty")
    return _decode_repaired(decoder, bytes(payload), refused)


def _decode_repaired(decoder: msgspec.json.Decoder[T], payload: bytes, refused: BadEvent) -> T:
    """What `payload` holds once it is repaired; raises `refused` where that did not help."""
    try:
        return decoder.decode(repaired(payload))
    except msgspec.ValidationError as fault:
        raise described(fault) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refused from None
    except RecursionError:
        raise BadEvent("malformed", "nested too deeply") from None


def repaired(payload: bytes) -> bytes:
    """`payload` as JSON, where it is nearly that.

    In texts: a blank for each raw control character, U+FFFD for bytes that are not UTF-8 and for each half of a
    surrogate pair that stands alone (RFC 8259, 8.2, allows it, msgspec does not). Outside of them: no byte order
    marks, and ``true`` for NaN, Infinity and numbers that no float can hold: it is refused by name where a text,
    number or time is read, and harms nothing elsewhere.

    >>> repaired(b'{"price":NaN,"name":"NaN","size":[-Infinity,1e400,2.5]}')
    b'{"price":true,"name":"NaN","size":[true,true,2.5]}'
    """
    text = payload.translate(_CONTROL)
    try:
        text.decode()
    except UnicodeDecodeError:
        text = text.decode(errors="replace").encode()
    return _OUTSIDE.sub(_readable, _without_halves(text), MAX_REPAIRS)


def _without_halves(text: bytes) -> bytes:
    """`text` with U+FFFD for each half of a surrogate pair, at most `MAX_REPAIRS`."""
    parts: list[bytes] = []
    done = 0
    for found in _SURROGATE.finditer(text):
        if found["lone"] is not None:
            parts += (text[done : found.end() - 6], rb"\ufffd")
            done = found.end()
            if len(parts) == 2 * MAX_REPAIRS:
                break
    return b"".join((*parts, text[done:])) if parts else text


def _readable(found: re.Match[bytes]) -> bytes:
    good, number, other = found.group("good", "number", "other")
    return good + (b"true" if number else other or b"")


def described(error: msgspec.ValidationError) -> BadEvent:
    """A validation error as a refusal that names the field in the sender's own shape."""
    detail, field = describe_validation_error(str(error))
    if "out of range" in str(error):
        return BadEvent("bad_number", "not a finite number", field)
    if str(error).startswith("Object missing required field"):
        return BadEvent("malformed", detail, field)
    return BadEvent("bad_field" if field else "malformed", detail, field)
