"""Successful responses."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import orjson
from blacksheep import Content, Response

_encode = msgspec.json.Encoder().encode


def json(answer: object, status: int = 200) -> Response:
    """`answer` (a Struct or plain values) as JSON."""
    return Response(status, None, Content(b"application/json", _encode(answer)))


def plain_json(answer: Mapping[str, object]) -> Response:
    """`answer`, of plain values, as JSON: where it holds dictionaries orjson is faster (a customer's 38 features:
    5.2 µs, msgspec 12.7)."""
    return Response(200, None, Content(b"application/json", orjson.dumps(answer)))


def ready_json(encoded: bytes) -> Response:
    """JSON that is encoded already."""
    return Response(200, None, Content(b"application/json", encoded))


def body(content_type: str, content: bytes, status: int = 200) -> Response:
    """Bytes of a type."""
    return Response(status, None, Content(content_type.encode(), content))
