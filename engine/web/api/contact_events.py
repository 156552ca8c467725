"""``POST /v1/contact-events/{source}``: what a contact centre sends, as its vendor sends it; ``POST /v1/events``:
the same as CloudEvents. A 2xx means that Kafka has what counts of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import uuid4

import msgspec
from blacksheep import Request, Response

from engine.clock import wall_ms
from engine.errors import BadEvent, NotAuthorised, NotFound
from engine.events import LeftOut, Message
from engine.identity.link import Link
from engine.ports.agents import AgentState
from engine.ports.sources import CLOUDEVENTS, ContactEvent, ContactSource, Delivery, Receipt
from engine.settings import Settings
from engine.web.api.events import BatchProblem, ItemError, ItemWarning, author
from engine.web.api.sent_batches import SentBatches
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.server.admission import Admission
from engine.web.server.body_budget import BodyBudget
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.limits import read_body
from engine.web.server.problems import TooLarge, respond
from engine.web.services import Services

LARGE_BODIES = 32 * 1024 * 1024  # bytes that arrive at once
YIELD_EVENTS = 50  # of a delivery, between two yields to the event loop: about a millisecond


class ContactsAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a delivery's events; what agents are ready for is accepted, too. One payload may come to
    several (a conversation that begins and waits), and ``index`` is the payload's place. ``passed`` are of no kind
    that counts. ``errors`` and ``warnings`` are there when there are any; a warning with the reason of an event
    that was passed over is among them."""

    accepted: int
    passed: int
    rejected: int
    errors: list[ItemError] = []
    warnings: list[ItemWarning] = []


class _Taken:
    """What is read of a delivery, event by event."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.links: list[Link] = []
        self.showing: list[int] = []  # the places of the events that show them
        self.agents: list[AgentState] = []
        self.passed: list[str] = []  # their reasons
        self.errors: list[ItemError] = []
        self.warnings: list[ItemWarning] = []

    def skip(self, links: Iterable[tuple[int, LeftOut]]) -> None:
        """These of the links were not written."""
        places = self.showing
        self.warnings += [ItemWarning(places[at], one.reason, one.field, one.detail) for at, one in links]

    def add(self, index: int, event: ContactEvent) -> None:
        if isinstance(event, AgentState):
            self.agents.append(event)
            return
        if isinstance(event, BadEvent):
            self.errors.append(ItemError(index, event.code, event.field, event.detail))
            return
        if isinstance(event, LeftOut):
            self.passed.append(event.reason)
        else:
            self.messages.append(event)
        left_out = (event,) if isinstance(event, LeftOut) else event.left_out
        self.warnings += [ItemWarning(index, one.reason, one.field, one.detail) for one in left_out]


class ContactEventRoutes:
    """The contact centre's sources over HTTP."""

    def __init__(self, services: Services, admission: Admission, settings: Settings, bulkhead: Bulkhead) -> None:
        self._services = services
        self._admission = admission
        self._web = settings.web
        self._public_url = settings.contacts.public_url.rstrip("/")
        self._bulkhead = bulkhead
        self._batches = SentBatches(services.log, services.sent)
        self._bodies = BodyBudget(LARGE_BODIES)

    async def post(self, request: Request, caller: Principal) -> Response:
        """Take the events of one delivery; an invalid one does not stop the others."""
        return await self._take(self._source(request), request, caller)

    async def events(self, request: Request, caller: Principal) -> Response:
        """`post` for CloudEvents, at the address that is not a vendor's."""
        return await self._take(self._services.contacts[CLOUDEVENTS], request, caller)

    async def _take(self, source: ContactSource, request: Request, caller: Principal) -> Response:
        meter = self._services.meter
        try:
            body = await read_body(request, self._web.max_batch_bytes, self._bodies)
        except TooLarge:
            meter.add("events_rejected", label="too_large")
            raise
        with self._bulkhead:
            delivery = self._delivery(request, body)
            try:
                source.check(delivery, wall_ms())  # before anything is made of the body
                taken = await self._read(source, delivery, caller)
            except NotAuthorised:
                meter.add("events_rejected", label="bad_signature")
                raise
            except BadEvent as fault:
                meter.add("events_rejected", label=fault.code)
                raise
            return await self._write(taken, request, caller)

    def _source(self, request: Request) -> ContactSource:
        name = (request.route_values or {}).get("source") or ""
        source = self._services.contacts.get(name)
        if source is None:
            known = ", ".join(sorted(self._services.contacts)) or "none"
            raise NotFound(
                f"no such source; there are {known}. New mapping files are read at the next start", "source"
            )
        return source

    def _delivery(self, request: Request, body: bytes) -> Delivery:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        return Delivery(body, headers, self._public_url + _path_and_query(request) if self._public_url else "")

    async def _read(self, source: ContactSource, delivery: Delivery, caller: Principal) -> _Taken:
        receipt = Receipt(wall_ms(), self._services.clock.now_ms(), uuid4().hex, int(caller.signed))
        taken = _Taken()
        for index, events in enumerate(source.by_payload(delivery, receipt)):
            if index % YIELD_EVENTS == YIELD_EVENTS - 1:
                await asyncio.sleep(0)
            for event in events:
                allowed = _allowed(event, caller)
                if isinstance(allowed, Message):
                    allowed, shown = self._services.links.read(allowed, caller.vouches_for, author(caller))
                    taken.links += shown
                    taken.showing += [index] * len(shown)
                taken.add(index, allowed)
        return taken

    async def _write(self, taken: _Taken, request: Request, caller: Principal) -> Response:
        """Acknowledge what Kafka has. Raises `Unavailable`."""
        meter, messages = self._services.meter, taken.messages
        for error in taken.errors:
            meter.add("events_rejected", label=error.code)
        for reason in taken.passed:
            meter.add("events_passed", label=reason)
        if taken.errors and not messages and not taken.passed and not taken.agents:
            return _nothing_taken(taken.errors)
        if taken.agents:
            await self._services.agents.keep_agents(taken.agents, self._services.clock.now_ms())
            meter.add("agent_states", len(taken.agents))
        if messages:
            self._admission.events(caller, request, messages)
            repeated = await self._batches.publish(messages)
            if taken.links:
                taken.skip(await self._services.links.announce(taken.links, messages[0].event))
            meter.add("events_accepted", len(messages) - repeated)
            meter.add("events_repeated", repeated)
            for message in messages:
                for reason in {one.reason for one in message.left_out}:
                    meter.add("events_warned", label=reason)
        counts = len(messages) + len(taken.agents), len(taken.passed), len(taken.errors)
        return replies.json(ContactsAnswer(*counts, taken.errors, taken.warnings))


def _allowed(event: ContactEvent, caller: Principal) -> ContactEvent:
    """`event`, or why `caller` may not write it."""
    if isinstance(event, Message):
        try:
            caller.require_event(event.event.kind, event.customer)
        except BadEvent as refused:
            return refused
    return event


def _path_and_query(request: Request) -> str:
    """As the request has them."""
    scope = request.scope
    path = scope.get("raw_path") or scope.get("path", "").encode()
    query = scope.get("query_string") or b""
    return (path + (b"?" + query if query else b"")).decode("latin-1")


def _nothing_taken(errors: list[ItemError]) -> Response:
    first = errors[0]
    field = f"[{first.index}]" + (f".{first.field}" if first.field else "") if len(errors) > 1 else first.field
    detail = f"none of the events could be accepted: {first.detail}" if len(errors) > 1 else first.detail
    return respond(BatchProblem("Bad event", 400, detail, first.code, field, 0, len(errors), errors), 400, [])
