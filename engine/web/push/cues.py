"""``GET /v1/customers/{id}/cues`` and ``GET /v1/agents/{id}/cues``: cues as server-sent events.

The format is https://html.spec.whatwg.org/multipage/server-sent-events.html: a reader that lost its
connection comes back with ``Last-Event-ID`` and is first given what it missed, then what comes. What has
expired is not shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from blacksheep import Request, Response
from blacksheep.contents import StreamedContent
from blacksheep.exceptions import MessageAborted

from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.events import Cue
from engine.ports.store import CueEntry
from engine.web.api.customers import asked_for, named
from engine.web.auth.keys import ApiKeys, ask
from engine.web.push.feed import CueFeed, Listener, past, pushed
from engine.web.server.limits import chunks
from engine.web.services import Services

RETRY_MS = 2_000
HEARTBEAT_S = 15.0  # under the 30 s after which many proxies close what is silent
GRACE_S = 10.0  # for a client that was let go to take its last words

HEADERS = [(b"Cache-Control", b"no-cache, no-transform"), (b"X-Accel-Buffering", b"no")]


class CueRoutes:
    """The two streams."""

    def __init__(self, services: Services, keys: ApiKeys, feed: CueFeed, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._services = services
        self._keys = keys
        self.feed = feed
        self._heartbeat_s = heartbeat_s

    async def of_customer(self, request: Request) -> Response:
        """The cues of one customer; with no more than a write key only those meant for the website."""
        customer, visitor = named(request), self._keys.visitor(request)
        return self._stream(request, customer, (lambda cue: "web" in cue.channels) if visitor else _any)

    async def of_agent(self, request: Request) -> Response:
        """The cues for agents, of every customer or of ``?customer=``."""
        named(request)
        self._keys.api(request, query=True)
        name = ask(request, "customer")
        customer = asked_for(name, "customer") if name else None
        return self._stream(request, customer, lambda cue: "agent" in cue.channels)

    def _stream(self, request: Request, customer: CustomerId | None, wants: Callable[[Cue], bool]) -> Response:
        last = (request.get_first_header(b"last-event-id") or b"").decode(errors="replace")
        last = last or ask(request, "lastEventId")
        listener = self.feed.listen(customer, wants)  # before the past is read: nothing falls between

        async def frames() -> AsyncIterator[bytes]:
            with self.attended(request, customer, listener):
                yield b"retry: %d\n\n" % RETRY_MS
                seen: set[str] = set()
                async for entry in self._before(customer, last):
                    seen.add(entry.id)
                    if wants(entry.cue) and self._alive(entry):
                        yield pushed(entry).frame
                async for frame in self._coming(listener, seen):
                    yield frame

        return Response(200, list(HEADERS), StreamedContent(b"text/event-stream", frames))

    async def _before(self, customer: CustomerId | None, last: str) -> AsyncIterator[CueEntry]:
        """What a reader missed. One that saw nothing yet is given its customer's newest cue: it may have gone
        out while the page was being loaded, or while the visitor was away.

        Of a customer the stream is read only when there is something newer than `last`: it holds every
        customer's cues, and a website comes back with each page.
        """
        newest = None if customer is None else await self._services.cues.latest(customer)
        if last and (customer is None or (newest is not None and newest.id != last)):
            async for entry in past(self._services.cues, customer, last):
                yield entry
        elif not last and newest is not None:
            yield newest

    @contextmanager
    def attended(self, request: Request, customer: CustomerId | None, listener: Listener) -> Iterator[None]:
        """End the stream when its client goes, and cut a client off that does not even take its farewell."""
        loop, sender = asyncio.get_running_loop(), asyncio.current_task()
        timers: list[asyncio.TimerHandle] = []
        if sender is not None:
            listener.closed = lambda: timers.append(loop.call_later(GRACE_S, sender.cancel))
        gone = asyncio.create_task(_until_gone(request, lambda: self.feed.leave(customer, listener)))
        try:
            yield
        finally:
            gone.cancel()
            self.feed.leave(customer, listener)
            for timer in timers:
                timer.cancel()

    async def _coming(self, listener: Listener, seen: set[str]) -> AsyncIterator[bytes]:
        due = time.monotonic() + self._heartbeat_s
        while listener.farewell is None:
            for cue in await listener.wait(max(due - time.monotonic(), 0.0)):
                if cue.entry.id not in seen and self._alive(cue.entry):
                    yield cue.frame
                    self._measure(cue.entry.cue)
                    due = time.monotonic() + self._heartbeat_s
            if time.monotonic() >= due and listener.farewell is None:
                yield b": heartbeat\n\n"
                due = time.monotonic() + self._heartbeat_s
        if listener.farewell:
            yield listener.farewell

    def _alive(self, entry: CueEntry) -> bool:
        return entry.cue.expires_at > self._services.clock.now_ms()

    def _measure(self, cue: Cue) -> None:
        if cue.received_at:
            self._services.meter.observe("cue_seconds", (wall_ms() - cue.received_at) / 1_000)


async def _until_gone(request: Request, leave: Callable[[], None]) -> None:
    """Wait until the client closes the connection.

    Without this a client that went away would be noticed only at the next write, if at all.
    """
    try:
        async for _ in chunks(request):
            pass  # the body, which is empty
        async for _ in chunks(request):
            pass  # nothing more can come but the end of the connection
    except MessageAborted:
        leave()


def _any(cue: Cue) -> bool:
    return True
