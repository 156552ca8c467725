"""Answers that uvicorn's protocol does not give by itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from engine.errors import BadRequest
from engine.web.server.problems import problem

Headers = list[tuple[bytes, bytes]]


class Refusal:
    """An application (ASGI) that answers `error`, whatever is asked, and lets the connection close. In the place
    of the real one it answers in its turn, behind the requests before it."""

    def __init__(self, error: BadRequest) -> None:
        self._status, self._headers, self._body = _content(error)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


def raw(error: BadRequest) -> bytes:
    """The problem document of `error` as a whole HTTP/1.1 response."""
    status, headers, body = _content(error)
    lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _content(error: BadRequest) -> tuple[int, Headers, bytes]:
    response = problem(error)
    body = response.content.body if response.content else b""
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    return response.status, headers, body


def without_chunks(cycle: RequestResponseCycle) -> None:
    """Let the answer of `cycle` be one that HTTP/1.0 knows: where its length is not stated, the end of the
    connection is its end (RFC 9112, 6.3)."""
    send = cycle.send

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            if not any(name.lower() == b"content-length" for name, _ in headers):
                cycle.chunked_encoding = False
                kept = [header for header in headers if header[0].lower() != b"transfer-encoding"]
                message = {**message, "headers": kept}
        elif cycle.expected_content_length == 0:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = sending  # type: ignore[method-assign]
