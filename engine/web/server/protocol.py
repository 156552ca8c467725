"""uvicorn's protocol with bounds: on heads, on requests that wait, on time; and without its gaps in HTTP/1.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl

from engine.errors import BadRequest
from engine.web.server.answers import Refusal, raw, without_chunks
from engine.web.server.corked import Corked
from engine.web.server.heads import CHUNKED, MOST_HEADERS, body_length, too_many
from engine.web.server.held_bytes import HeldBytes
from engine.web.server.problems import HeadTooLarge
from engine.web.server.timeouts import TimedProtocol

HEAD_BYTES = 64 * 1024
LEFT_BYTES = 1024 * 1024  # of a request that has been answered: a refused body may still arrive
PORTION = 4 * 1024  # bytes parsed at once of heads and chunks, which cost far more than …
BODY_PORTION = 32 * 1024  # … those of a body of stated length
PORTIONS = 16  # parsed of one connection before others have their turn

END = b"\r\n\r\n"  # of each head, and of a chunked body


class _Flow(FlowControl):
    """uvicorn's flow control, which reads nothing while received bytes wait for the parser."""

    def __init__(self, transport: asyncio.Transport, go_on: Callable[[], None]) -> None:
        super().__init__(transport)
        self.holding = False
        self._go_on = go_on

    def resume_reading(self) -> None:
        """A request has been answered, or its handler wants more of it. (Called by uvicorn.)"""
        if self.holding:
            self._go_on()
        else:
            super().resume_reading()


class Protocol(TimedProtocol):
    """One connection. The parser is fed in portions that complete one head each. What follows a request waits as
    bytes until that request has been answered; so does a body until its handler has read what came before."""

    _left = 0  # bytes of the body to come, or `CHUNKED`
    _unread = 0  # bytes of the head, or since the last answer
    _body_follows = _reframing = False  # behind a head that asks for an upgrade
    _waiting = b""  # received and not parsed
    _continuing = False
    _ending = False  # nothing more is parsed: the connection closes with the answer in progress

    def __init__(self, held: HeldBytes, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._held = held

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected."""
        self._cork = Corked(transport, asyncio.get_running_loop())
        corked = cast("asyncio.Transport", self._cork)
        super().connection_made(corked)
        self.flow: _Flow = _Flow(corked, self._continue_soon)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection closed."""
        self._hold(b"")
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more. What it has asked is answered, for it may still read; but a stream ends, for
        most likely nobody does."""
        if not self._answering or self.cycle.more_body or self.cycle.response_started:
            self.transport.close()
        else:
            self._ending, self.cycle.keep_alive = True, False
        return True

    def give_up(self) -> None:
        """Disconnect, and hold nothing."""
        self._hold(b"")
        super().give_up()

    def data_received(self, data: bytes) -> None:
        """The next bytes, of any number of requests."""
        cycle = self.cycle
        if self._waiting:
            self._parse(self._waiting + data)
        elif self._in_head or self._left or (cycle is not None and not cycle.response_complete):
            self._parse(data)
        else:
            self._begin(data)

    def _begin(self, data: bytes) -> None:
        """The first bytes of a request."""
        if not _holds_one(data):
            self._parse(data)
        elif (parsed := self._feed(data)) < len(data):
            self._parse(data[parsed:])

    def _parse(self, data: bytes) -> None:
        """Give the parser what it may take now; hold the rest, and read no more until that is parsed."""
        if self._ending:
            self._bound_the_rest(len(data))
            return
        at = 0
        for _ in range(PORTIONS):
            if at == len(data) or not self._takes():
                break
            at += self._feed(data[at : self._portion_end(data, at)])
        self._hold(b"" if self._ending or self.transport.is_closing() else data[at:])
        if self._waiting and self._takes():
            self._continue_soon()

    def _portion_end(self, data: bytes, at: int) -> int:
        """Where the portion of `data` ends that begins at `at`: with a head, or within one body."""
        if self._left > 0:
            return at + min(self._left, BODY_PORTION)
        end = data.find(END, at, at + PORTION)
        return at + PORTION if end < 0 else end + len(END)

    def _takes(self) -> bool:
        if self.pipeline or self._ending or self.transport.is_closing():
            return False
        cycle = self.cycle
        return not self._answering or (cycle.more_body and len(cycle.body) <= HIGH_WATER_LIMIT) or self._in_head

    def _hold(self, rest: bytes) -> None:
        if rest or self._waiting:
            self._waiting = rest
            self.flow.holding = bool(rest)
            if rest:
                self.flow.pause_reading()
            elif not self.transport.is_closing():
                self.flow.resume_reading()
            self._held.set(self, len(rest))  # last, for it may give this connection up

    def _continue_soon(self) -> None:
        if not self._continuing:
            self._continuing = True
            asyncio.get_running_loop().call_soon(self._continue)

    def _continue(self) -> None:
        self._continuing = False
        if self._waiting:
            self._parse(self._waiting)

    def _feed(self, portion: bytes) -> int:
        """Parse a portion; its length, or what was parsed of it."""
        parsed = len(portion)
        if self._in_head and self._unread + parsed > HEAD_BYTES:
            self._refuse(HeadTooLarge(f"line and headers are larger than {HEAD_BYTES} bytes"))
            return parsed
        try:
            self.parser.feed_data(portion)
        except httptools.HttpParserUpgrade as upgrade:
            parsed = upgrade.args[0]
            self._ignore_upgrade()
        except httptools.HttpParserError:
            self._refuse(BadRequest("this is no HTTP/1.1 request"))
            return parsed
        if self._in_head or self.headers or not self._answering:
            self._bound(parsed)
        return parsed

    def _ignore_upgrade(self) -> None:
        """Go on as if no upgrade had been asked for (RFC 9110, 7.8, permits it). The parser gives the body up: one
        that has seen a head of the same framing takes its place."""
        if not self._body_follows:
            return
        framing = b"Content-Length: %d" % self._left if self._left != CHUNKED else b"Transfer-Encoding: chunked"
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._reframing = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        self._reframing = self._body_follows = False
        self.cycle.more_body = True
        self.cycle.message_event.clear()
        self.headers = []

    def on_message_begin(self) -> None:
        """A request begins."""
        if not self._reframing:
            self._in_head, self._left, self._unread = True, 0, 0
            super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        if self._reframing:
            return
        self._in_head, self._unread = False, 0
        if self._timeout is not None:
            self._clear_timeout()
        try:
            self._left = body_length(self.headers, self.parser.get_http_version)
        except BadRequest as error:
            self.app = cast("Any", Refusal(error))
        super().on_headers_complete()
        self.headers = []  # trailers are no headers
        self._body_follows = self._left != 0 and self.parser.should_upgrade()
        if self.scope["http_version"] == "1.0":
            without_chunks(self.cycle)

    def on_body(self, body: bytes) -> None:
        """The next part of its body."""
        if self._left > 0:
            self._left -= len(body)
        super().on_body(body)

    def _bound(self, parsed: int) -> None:
        """Limit the bytes that no handler sees: of a head, or of a request that has been answered."""
        if self._answering and not self._in_head:
            if len(self.headers) > MOST_HEADERS:  # trailers
                self.transport.close()
            return
        self._bound_the_rest(parsed)
        if self._in_head and len(self.headers) > MOST_HEADERS:
            self._refuse(too_many())
        elif self._timeout is None:
            self._wait_for_more()

    def _bound_the_rest(self, received: int) -> None:
        self._unread += received
        if self._unread > LEFT_BYTES:
            self.transport.close()

    def _refuse(self, error: BadRequest) -> None:
        """Respond with `error` and close; or close behind the response in progress, if it can end. A handler that
        waits for its body is answered for, where it has not begun to respond."""
        if not self._answering:
            if not self.transport.is_closing():
                self.transport.write(raw(error))
            self.transport.close()
        elif self.cycle.more_body and not isinstance(self.app, Refusal):
            if not self.cycle.response_started and not self.transport.is_closing():
                self.transport.write(raw(error))
            self.cycle.disconnected = True  # its handler waits for a body that will never be complete
            self.transport.close()
        else:
            self._ending, self.cycle.keep_alive = True, False


def _holds_one(data: bytes) -> bool:
    """Whether `data` is small and cannot be more than one request."""
    return len(data) <= PORTION and data.find(END, data.find(END) + len(END)) < 0
