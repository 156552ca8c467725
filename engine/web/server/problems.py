"""Errors as responses: one table from error to status, `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import msgspec
from blacksheep import Content, Response

from engine.errors import (
    BadEvent,
    BadRequest,
    CuelineError,
    Forbidden,
    NotAuthorised,
    NotFound,
    Overloaded,
    RateLimited,
    Unavailable,
)


class TooLarge(BadRequest):
    """A body above the limit."""


class HeadTooLarge(BadRequest):
    """A request's line and headers above the limit."""


class WrongVersion(BadRequest):
    """A version of HTTP that is not spoken here."""


class TooSlow(BadRequest):
    """A head or body that does not arrive."""


class WrongEncoding(BadRequest):
    """A content encoding that is not supported."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, "Content-Encoding")


class WrongMethod(BadRequest):
    """The path exists, but not with this method; ``allowed`` are those it has."""

    def __init__(self, allowed: str) -> None:
        super().__init__(f"this address takes {allowed}")
        self.allowed = allowed


#: The first class that fits decides: status, title, code. Any other error is ours: 500.
STATUS: tuple[tuple[type[CuelineError], int, str, str], ...] = (
    (NotAuthorised, 401, "Not authorised", "not_authorised"),
    (Forbidden, 403, "Forbidden", "forbidden"),
    (NotFound, 404, "Not found", "not_found"),
    (WrongMethod, 405, "Method not allowed", "wrong_method"),
    (TooSlow, 408, "Too slow", "too_slow"),
    (TooLarge, 413, "Too large", "too_large"),
    (HeadTooLarge, 431, "Head too large", "head_too_large"),
    (WrongVersion, 505, "HTTP version not supported", "wrong_version"),
    (WrongEncoding, 415, "Unsupported encoding", "wrong_encoding"),
    (BadEvent, 400, "Bad event", "malformed"),
    (BadRequest, 400, "Bad request", "bad_request"),
    (RateLimited, 429, "Too many requests", "rate_limited"),
    (Overloaded, 503, "Overloaded", "overloaded"),
    (Unavailable, 503, "Unavailable", "unavailable"),
)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong; ``field`` names what the caller must correct, ``code`` is for programs."""

    title: str
    status: int
    detail: str
    code: str
    field: str = ""


_encode = msgspec.json.Encoder().encode


def problem(error: Exception) -> Response:
    """The response for `error`."""
    for kind, status, title, code in STATUS:
        if isinstance(error, kind):
            code, field = getattr(error, "code", code), getattr(error, "field", "")
            return respond(Problem(title, status, _detail(error), code, field), status, _headers(error))
    return respond(Problem("Internal error", 500, "the fault is ours and has been logged", "internal"), 500, [])


def respond(document: object, status: int, headers: list[tuple[bytes, bytes]]) -> Response:
    """`document` as application/problem+json."""
    return Response(status, headers, Content(b"application/problem+json", _encode(document)))


def _detail(error: CuelineError) -> str:
    if isinstance(error, Unavailable):  # behind its colon is what a library said, which may name hosts and users
        said, colon, _ = str(error).partition(":")
        return f"{said} does not answer" if colon and " " not in said else said
    detail = getattr(error, "detail", None)
    return detail if isinstance(detail, str) else str(error)


def _headers(error: CuelineError) -> list[tuple[bytes, bytes]]:
    if isinstance(error, NotAuthorised):
        return [(b"WWW-Authenticate", b'Bearer realm="cueline"')]
    if isinstance(error, WrongMethod):
        return [(b"Allow", error.allowed.encode())]
    if isinstance(error, WrongEncoding):
        return [(b"Accept-Encoding", b"gzip")]  # RFC 9110, 15.5.16: what would have been taken
    if isinstance(error, TooSlow):
        return [(b"Connection", b"close")]
    if isinstance(error, Overloaded | RateLimited):
        return [(b"Retry-After", str(error.retry_after).encode())]
    if isinstance(error, Unavailable):
        return [(b"Retry-After", b"1")]
    return []
