"""What the head of a request says about the request itself: the length of its body, and whether it is sound."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import BadRequest
from engine.web.server.problems import HeadTooLarge, WrongVersion

MOST_HEADERS = 1_000
VERSIONS = ("1.1", "1.0")
CHUNKED = -1

_BLANK = 32  # the code of a space; a tab's is below


def body_length(headers: list[tuple[bytes, bytes]], version: Callable[[], str]) -> int:
    """Bytes of the body that follows a head, `CHUNKED` where its chunks say so (RFC 9112, 6.3).

    `headers` have lower-case names; blanks behind their values, which belong to none (RFC 9110, 5.5), are taken
    away. `version` is that of its line. Raises `BadRequest`, `HeadTooLarge` and `WrongVersion`. (The parser has
    refused lengths that are no numbers or contradict one another.)
    """
    if (spoken := version()) not in VERSIONS:
        raise WrongVersion(f"HTTP/{spoken} is not spoken here: HTTP/1.1 is")
    if len(headers) > MOST_HEADERS:
        raise too_many()
    for place, (name, value) in enumerate(headers):
        if value and value[-1] <= _BLANK:
            headers[place] = (name, value.rstrip(b" \t"))
    fields = dict(headers)
    if b"host" not in fields:
        if spoken != "1.0":
            raise BadRequest("it is needed", "Host")
    elif len(fields) < len(headers) and sum(name == b"host" for name, _ in headers) > 1:
        raise BadRequest("it is given twice", "Host")
    if b"transfer-encoding" in fields:
        return _chunked(fields[b"transfer-encoding"], spoken)
    return int(fields.get(b"content-length", 0))


def _chunked(coding: bytes, version: str) -> int:
    if coding.lower() != b"chunked" or version == "1.0":
        raise BadRequest("only chunked is taken, of HTTP/1.1", "Transfer-Encoding")
    return CHUNKED


def too_many() -> HeadTooLarge:
    """The error for a head with too many headers."""
    return HeadTooLarge(f"more than {MOST_HEADERS} headers")
