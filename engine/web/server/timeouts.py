"""How long a connection may wait: for a head, for a reader, for the next request."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.errors import BadRequest
from engine.web.server.problems import TooSlow

HEAD_WITHIN_S = 10.0
ANSWER_TAKEN_WITHIN_S = 30.0


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with these timeouts. What parses calls `_wait_for_more`, `_clear_timeout` and `_idle`."""

    _in_head = False
    _timeout: asyncio.TimerHandle | None = None  # for the rest of a head, or of a body nobody reads
    _stalled: asyncio.TimerHandle | None = None
    _idle_since = 0.0  # by the loop's clock

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: its first head is waited for."""
        super().connection_made(transport)
        self._wait_for_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection closed."""
        self._clear_timeout()
        self._clear_stalled()
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        """The client does not read what it is sent. (Called by the transport.)"""
        super().pause_writing()
        self._stalled = asyncio.get_running_loop().call_later(ANSWER_TAKEN_WITHIN_S, self.give_up)

    def resume_writing(self) -> None:
        """It reads again."""
        self._clear_stalled()
        super().resume_writing()

    def give_up(self) -> None:
        """Disconnect without sending what is left: it may never be read."""
        self.transport.abort()

    def on_response_complete(self) -> None:
        """A request has been answered; the next may be parsed."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._idle()
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for long enough."""
        self.timeout_keep_alive_task = None
        if self._answering or self._timeout is not None:
            return  # the end of the answer, or that timeout, sees to it
        loop = asyncio.get_running_loop()
        left = self._idle_since + self.timeout_keep_alive - loop.time()
        if left > 0:
            self.timeout_keep_alive_task = loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Not for each request: see `_idle`. (Called by uvicorn.)"""

    def _idle(self) -> None:
        """A request has been answered. One timer looks now and then how long ago that was, instead of one that is
        set and cleared for each request."""
        loop = asyncio.get_running_loop()
        self._idle_since = loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_more(self) -> None:
        self._timeout = asyncio.get_running_loop().call_later(HEAD_WITHIN_S, self._timed_out)

    def _timed_out(self) -> None:
        self._timeout = None
        if self._answering:
            return  # perhaps not reading; afterwards the keep-alive timeout applies, 5 s
        if not self._in_head:
            self.transport.close()  # no bytes, no response: browsers connect in advance
        else:
            self._refuse(TooSlow(f"the head of a request has not arrived within {HEAD_WITHIN_S:.0f} s"))

    def _clear_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _clear_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _refuse(self, error: BadRequest) -> None:
        """Answer with `error` and close."""
        raise NotImplementedError
