"""Good answers."""

from __future__ import annotations

import msgspec
from blacksheep import Content, Response

_encode = msgspec.json.Encoder().encode


def json(told: object, status: int = 200) -> Response:
    """`told` (a Struct or plain values) as JSON."""
    return Response(status, None, Content(b"application/json", _encode(told)))


def ready_json(told: bytes) -> Response:
    """JSON that is encoded already."""
    return Response(200, None, Content(b"application/json", told))


def body(content_type: str, told: bytes, status: int = 200) -> Response:
    """Bytes of a type."""
    return Response(status, None, Content(content_type.encode(), told))
