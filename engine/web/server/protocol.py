"""uvicorn's protocol with limits on heads, refusals as problem documents, and joined packets."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.errors import BadRequest
from engine.web.server.problems import HeadTooLarge, TooSlow, problem

HEAD_BYTES = 64 * 1024  # beyond the read, of at most 256 KB, that it began in
LEFT_BYTES = 1024 * 1024  # of a request that has been answered: a refused body may still arrive
MOST_HEADERS = 1_000  # with the trailers
HEAD_WITHIN_S = 10.0
AT_ONCE = 64 * 1024  # bytes


class Corked:
    """A transport that sends what is written in one event-loop iteration together.

    uvicorn writes a head and its body one after the other, uvloop sends each at once: two packets and two
    system calls an answer, of which one is saved (60 to 53 µs for a bare endpoint).
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this event-loop iteration; at once when `AT_ONCE` bytes wait, so that
        backpressure works."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)
        self._bytes += len(data)
        if self._bytes >= AT_ONCE:
            self._send()

    def close(self) -> None:
        """Close when everything written has been sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        parts, self._parts, self._bytes = self._parts, [], 0
        if parts and not self._transport.is_closing():  # the client may have disconnected meanwhile
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which limits neither the size of a head nor its time."""

    _in_head = _begun = False  # a head; in this read
    _unread = 0  # bytes since, or since the last answer
    _timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: start the timeout for its first head."""
        loop = asyncio.get_running_loop()
        super().connection_made(cast("asyncio.Transport", Corked(transport, loop)))
        self._timeout = loop.call_later(HEAD_WITHIN_S, self._timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection closed."""
        self._clear_timeout()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The next bytes, of any number of requests."""
        self._begun = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._answering and not self._in_head:  # the handler limits the body, but not its trailers
            if len(self.headers) > MOST_HEADERS:
                self.transport.close()
            return
        self._bound(len(data))

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._begun = True
        self._unread = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._in_head, self._unread = False, 0
        if self._timeout is not None:
            self._clear_timeout()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP. (Called by uvicorn.)"""
        self._refuse(BadRequest("this is no HTTP/1.1 request"))

    def _bound(self, arrived: int) -> None:
        """Limit the bytes that no handler sees: of a head, or of a request that has been answered."""
        if not self._begun:
            self._unread += arrived
        if self._in_head and self._unread > HEAD_BYTES:
            self._refuse(HeadTooLarge(f"line and headers are larger than {HEAD_BYTES} bytes"))
        elif self._unread > LEFT_BYTES:
            self.transport.close()
        elif self._timeout is None:
            self._timeout = asyncio.get_running_loop().call_later(HEAD_WITHIN_S, self._timed_out)

    def _clear_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _timed_out(self) -> None:
        self._timeout = None
        if self._answering:
            return  # perhaps not reading; afterwards uvicorn's keep-alive timeout applies, 5 s
        if not self._in_head:
            self.transport.close()  # no bytes, no response: browsers connect in advance
        else:
            self._refuse(TooSlow(f"the head of a request has not arrived within {HEAD_WITHIN_S:.0f} s"))

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, error: BadRequest) -> None:
        """Respond with `error`, unless another response is in progress, and close."""
        if not self._answering and not self.transport.is_closing():
            self.transport.write(_raw(error))
        self.transport.close()


def _raw(error: BadRequest) -> bytes:
    """The problem document of `error` as a whole HTTP/1.1 response."""
    response = problem(error)
    body = response.content.body if response.content else b""
    lines = (
        b"HTTP/1.1 %d %b" % (response.status, HTTPStatus(response.status).phrase.encode()),
        b"content-type: application/problem+json",
        b"content-length: %d" % len(body),
        b"connection: close",
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
