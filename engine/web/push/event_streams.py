"""``GET /v1/customers/{id}/cues`` and ``GET /v1/agents/{id}/cues``: cues as server-sent events.

The format is https://html.spec.whatwg.org/multipage/server-sent-events.html: a client that
reconnects with ``Last-Event-ID`` first catches up, then gets live cues. Expired cues are not sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager

from blacksheep import Request, Response
from blacksheep.contents import StreamedContent
from blacksheep.exceptions import MessageAborted

from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.errors import BadState, Unavailable
from engine.events import Cue
from engine.ports.cue_store import CueEntry
from engine.ports.kafka import AuditAction
from engine.web.api.customers import asked_for, named
from engine.web.auth.audit import AuditTrail
from engine.web.auth.credentials import ask
from engine.web.auth.principal import Principal
from engine.web.auth.tickets import CueStream
from engine.web.push.audience import AGENTS, Audience, audience_of
from engine.web.push.fan_out import MOVED, QUEUE, CueFeed, Listener, Share
from engine.web.push.frames import CueFrame
from engine.web.push.taken_cues import TakenCues
from engine.web.server.admission import Admission
from engine.web.server.limits import chunks
from engine.web.server.query import has_field
from engine.web.services import Services

RETRY_MS = 2_000
HEARTBEAT_S = 15.0  # under the 30 s after which many proxies close idle connections
GRACE_S = 10.0  # for a client that was disconnected to take its last frame

HEADERS = [(b"Cache-Control", b"no-cache, no-transform"), (b"X-Accel-Buffering", b"no")]


def stream_of_customer(request: Request) -> CueStream:
    """Which of the customers' streams is asked for."""
    return CueStream(named(request))


def stream_of_agent(request: Request) -> CueStream:
    """Which of the agents' streams is asked for."""
    return CueStream(ask(request, "customer"), named(request))


class CueRoutes:
    """The two streams."""

    def __init__(
        self,
        services: Services,
        feed: CueFeed,
        audit: AuditTrail,
        admission: Admission,
        taken: TakenCues,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._services = services
        self._audit = audit
        self._admission = admission
        self._taken = taken
        self.feed = feed
        self._heartbeat_s = heartbeat_s

    async def of_customer(self, request: Request, caller: Principal) -> Response:
        """The cues of one customer: those that the caller may have (`engine.web.push.audience`)."""
        customer = asked_for(named(request), "id", self._services.placeholders)
        caller.require_customer(customer)
        shares = self._admission.stream(caller, request, customer)
        answer = await self._stream(request, caller, customer, audience_of(caller, customer), shares)
        if not caller.public:
            self._audit.note(caller, AuditAction.CUES_READ, customer)
        return answer

    async def of_agent(self, request: Request, caller: Principal) -> Response:
        """The cues for agents, of every customer or of ``?customer=``."""
        named(request)
        customer = None
        if has_field(request, "customer"):  # an empty one is a page's mistake, and no wish for the cues of all
            customer = asked_for(ask(request, "customer"), "customer", self._services.placeholders)
        answer = await self._stream(request, caller, customer, AGENTS)
        self._audit.note(caller, AuditAction.CUES_READ, customer)
        return answer

    async def _whose(self, asked: CustomerId | None) -> CustomerId | None:
        """Whose the cues are that are `asked` for. An unsigned link leads nowhere, so it opens nobody's stream."""
        if asked is None:
            return None
        try:
            (view,) = await self._services.decisions.views([asked])
        except (BadState, Unavailable):  # then the stream itself says so, or another worker does
            return asked
        return view.customer or asked

    async def _stream(
        self,
        request: Request,
        caller: Principal,
        asked: CustomerId | None,
        audience: Audience,
        shares: Iterable[Share] = (),
    ) -> Response:
        last = (request.get_first_header(b"last-event-id") or b"").decode(errors="replace")
        last = last or ask(request, "lastEventId")
        # before the past is read, so that no cue is missed
        customer = await self._whose(asked)
        listener = self.feed.listen(customer, audience.wants, shares, asked)
        listener.caller = caller

        async def frames() -> AsyncIterator[bytes]:
            with self.until_disconnected(request, customer, listener):
                yield b"retry: %d\n\n" % RETRY_MS
                if await self._whose(asked) != customer:  # it moved before anybody listened
                    yield MOVED
                    return
                seen: set[str] = set()
                try:
                    missed = await self._missed(customer, last)
                except Unavailable:  # readiness says why; the head is sent, so this cannot be a 503
                    yield b": what was missed cannot be read now, come back\n\n"
                    return
                for entry in missed:
                    seen.add(entry.id)
                    if audience.wants(entry.cue) and self._alive(entry):
                        yield audience.form(CueFrame(entry))
                        self._taken.note(entry, by_visitor=not audience.agent)
                async for frame in self._live(listener, audience, seen):
                    yield frame

        return Response(200, list(HEADERS), StreamedContent(b"text/event-stream", frames))

    async def _missed(self, customer: CustomerId | None, last: str) -> list[CueEntry]:
        """What came after `last`. Without it the customer's newest cue, which may have been sent while the page
        was loading or the visitor was away; nothing for who listens to all."""
        cues = self._services.cues
        if customer is None:
            return await cues.newest(QUEUE, last) if last else []
        if last:
            return await cues.since(customer, last)
        newest = await cues.latest(customer)
        return [newest] if newest else []

    @contextmanager
    def until_disconnected(
        self, request: Request, customer: CustomerId | None, listener: Listener
    ) -> Iterator[None]:
        """End the stream when its client disconnects, and cut off one that does not even take its last frame."""
        loop, sender = asyncio.get_running_loop(), asyncio.current_task()
        timers: list[asyncio.TimerHandle] = []
        if sender is not None:
            listener.closed = lambda: timers.append(loop.call_later(GRACE_S, sender.cancel))
        gone = asyncio.create_task(_wait_for_disconnect(request, lambda: self.feed.leave(customer, listener)))
        try:
            yield
        finally:
            gone.cancel()
            self.feed.leave(customer, listener)
            for timer in timers:
                timer.cancel()

    async def _live(self, listener: Listener, audience: Audience, seen: set[str]) -> AsyncIterator[bytes]:
        due = time.monotonic() + self._heartbeat_s
        while listener.last_frame is None:
            for cue in await listener.wait(max(due - time.monotonic(), 0.0)):
                if cue.entry.id not in seen and self._alive(cue.entry):
                    yield audience.form(cue)
                    self._taken.note(cue.entry, by_visitor=not audience.agent)
                    self._measure(cue.entry.cue)
                    due = time.monotonic() + self._heartbeat_s
            if time.monotonic() >= due and listener.last_frame is None:
                yield b": heartbeat\n\n"
                due = time.monotonic() + self._heartbeat_s
        if listener.last_frame:
            yield listener.last_frame

    def _alive(self, entry: CueEntry) -> bool:
        return entry.cue.expires_at > self._services.clock.now_ms()

    def _measure(self, cue: Cue) -> None:
        if cue.received_at:
            self._services.meter.observe("cue_seconds", (wall_ms() - cue.received_at) / 1_000)


async def _wait_for_disconnect(request: Request, leave: Callable[[], None]) -> None:
    """Wait until the client closes the connection.

    Without this a disconnect would be noticed only at the next write, if at all.
    """
    try:
        async for _ in chunks(request):
            pass  # the body, which is empty
        async for _ in chunks(request):
            pass  # nothing more can come but the end of the connection
    except MessageAborted:
        leave()
