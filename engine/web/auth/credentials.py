"""What a request shows: a key in one of its places."""

from __future__ import annotations

import base64
import binascii

from blacksheep import Request

from engine.errors import BadRequest

COOKIE = b"cueline_key"  # by which the demo page's own browser is recognised


def shown_key(request: Request) -> bytes:
    """The key in X-Api-Key, or of Authorization as Bearer or as Basic's user name; empty when there is none."""
    header = request.get_first_header(b"x-api-key")
    if header:
        return header
    scheme, _, value = (request.get_first_header(b"authorization") or b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        return _decoded(value.strip()).partition(b":")[0]
    return b""


def shown_cookie(request: Request) -> bytes:
    """The value of the demo page's cookie; empty when there is none."""
    for pair in (request.get_first_header(b"cookie") or b"").split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == COOKIE:
            return value
    return b""


def ask(request: Request, name: str) -> str:
    """A parameter of the query, empty when absent."""
    try:
        return request.query.get(name, [""])[0]
    except ValueError:
        raise BadRequest("the query is not UTF-8", name) from None


def _decoded(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
