"""``POST /v1/track … /v1/batch``: events in. A 2xx means that Kafka has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import msgspec
from blacksheep import Request, Response

from engine.access import VISITORS, Scope
from engine.clock import wall_ms
from engine.errors import BadEvent
from engine.events import Kind, Message
from engine.identity.link import Link
from engine.settings import Web
from engine.web.api.sent_batches import SentBatches
from engine.web.auth.authenticator import Authenticator
from engine.web.auth.principal import NOBODY, Principal
from engine.web.server import replies
from engine.web.server.admission import Admission
from engine.web.server.body_budget import BodyBudget
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.limits import read_body
from engine.web.server.problems import TooLarge, respond
from engine.web.services import Services

CALLS = ("track", "identify", "page", "screen", "group", "alias")
KNOWN_BODIES = 128 * 1024 * 1024  # bytes that arrive at once, of all who show a key in a header …
UNKNOWN_BODIES = 32 * 1024 * 1024  # … and of the others, who keep no one out but one another
YIELD_EVENTS = 100  # of a batch, between two yields to the event loop: about a millisecond …
YIELD_BYTES = 32 * 1024  # … or so many bytes of them


class Warned(msgspec.Struct, frozen=True):
    """What could not be read of an event that was accepted without it: a code, and the place."""

    reason: str
    field: str
    detail: str


class Accepted(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One event was accepted; its id, made here when the sender gave none. ``warnings`` are there when there are
    any."""

    message_id: str
    accepted: int
    warnings: list[Warned] = []


class ItemError(msgspec.Struct, frozen=True):
    """Why one event of a batch was refused; ``index`` is its place in the batch."""

    index: int
    code: str
    field: str
    detail: str


class ItemWarning(msgspec.Struct, frozen=True):
    """What could not be read of one event of a batch that was accepted without it; ``index`` is its place."""

    index: int
    reason: str
    field: str
    detail: str


class BatchAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a batch. ``warnings`` are there when there are any."""

    accepted: int
    rejected: int
    errors: list[ItemError]
    warnings: list[ItemWarning] = []


class BatchProblem(msgspec.Struct, frozen=True):
    """None of a batch was accepted: a problem document with the same members."""

    title: str
    status: int
    detail: str
    code: str
    field: str
    accepted: int
    rejected: int
    errors: list[ItemError]


class EventRoutes:
    """The Segment calls."""

    def __init__(
        self, services: Services, authenticator: Authenticator, admission: Admission, web: Web, bulkhead: Bulkhead
    ) -> None:
        self._services = services
        self._bulkhead = bulkhead
        self._authenticator = authenticator
        self._admission = admission
        self._web = web
        self._batches = SentBatches(services.log, services.sent)
        self._of_known, self._of_unknown = BodyBudget(KNOWN_BODIES), BodyBudget(UNKNOWN_BODIES)

    def call(self, name: str) -> Callable[[Request, Principal], Awaitable[Response]]:
        """The handler of one call."""

        async def handle(request: Request, caller: Principal) -> Response:
            return await self._single(request, caller, name)

        return handle

    async def _single(self, request: Request, caller: Principal, name: str) -> Response:
        body, caller = await self._authorised(request, caller, self._web.max_event_bytes)
        with self._bulkhead:
            message, links = self._read(body, name, None, caller)
            self._admission.events(caller, request, [message])
            await self._services.log.publish([message])
            skipped = await self._services.links.announce(links, message.event) if links else []
        self._services.meter.add("events_accepted")
        self._count_warned([message])
        left_out = [*message.left_out, *(why for _, why in skipped)]
        warnings = [Warned(one.reason, one.field, one.detail) for one in left_out]
        return replies.json(Accepted(message.event.id, 1, warnings))

    async def batch(self, request: Request, caller: Principal) -> Response:
        """Many at once; an invalid one does not stop the others."""
        body, caller = await self._authorised(request, caller, self._web.max_batch_bytes, ": send it in parts")
        with self._bulkhead:
            return await self._take(body, caller, request)

    async def _take(self, body: bytes, caller: Principal, request: Request) -> Response:
        try:
            payloads, sent_at = self._services.source.batch(body)
        except BadEvent as fault:
            self._services.meter.add("events_rejected", label=fault.code)
            raise
        messages: list[Message] = []
        links: list[Link] = []
        showing: list[int] = []  # the places of those that show them
        errors: list[ItemError] = []
        warnings: list[ItemWarning] = []
        size = 0
        for index, payload in enumerate(payloads):
            size += len(memoryview(payload))
            if index % YIELD_EVENTS == YIELD_EVENTS - 1 or size > YIELD_BYTES:
                await asyncio.sleep(0)
                size = 0
            try:
                message, shown = self._read(payload, "", sent_at, caller)
            except BadEvent as fault:
                errors.append(ItemError(index, fault.code, fault.field, fault.detail))
                continue
            messages.append(message)
            links += shown
            showing += [index] * len(shown)
            if message.left_out:
                warnings += [ItemWarning(index, one.reason, one.field, one.detail) for one in message.left_out]
        if not messages:
            return _nothing_taken(errors)
        self._admission.events(caller, request, messages)
        repeated = await self._batches.publish(messages)
        if links:
            skipped = await self._services.links.announce(links, messages[0].event)
            warnings += [ItemWarning(showing[at], one.reason, one.field, one.detail) for at, one in skipped]
        self._services.meter.add("events_accepted", len(messages) - repeated)
        self._services.meter.add("events_repeated", repeated)
        self._count_warned(messages)
        return replies.json(BatchAnswer(len(messages), len(errors), errors, warnings))

    def _count_warned(self, messages: Sequence[Message]) -> None:
        """Count accepted events by the reasons for which something of them was left out."""
        for message in messages:
            for reason in {one.reason for one in message.left_out} if message.left_out else ():
                self._services.meter.add("events_warned", label=reason)

    async def _authorised(
        self, request: Request, caller: Principal, limit: int, cure: str = ""
    ) -> tuple[bytes, Principal]:
        """The body of a request, and who holds its key, which may be in the body itself. `cure`: what helps when
        it is larger than `limit`."""
        try:
            body = await read_body(request, limit, self._of_unknown if caller is NOBODY else self._of_known)
        except TooLarge as large:
            self._services.meter.add("events_rejected", label="too_large")
            raise TooLarge(f"{large.detail}{cure}") from None
        if caller is NOBODY:
            key = self._services.source.write_key(body)
            caller = self._authenticator.of_body(key, Scope.EVENTS_WRITE, request)
            self._admission.request(caller, request)
        return body, caller

    def _read(
        self, payload: bytes | msgspec.Raw, call: str, sent_at: object, caller: Principal
    ) -> tuple[Message, list[Link]]:
        services = self._services
        try:
            message = services.source.message(
                payload, wall_ms(), services.clock.now_ms(), call=call, sent_at=sent_at,
                fallback_id=uuid4().hex, trust=int(caller.signed), by=author(caller),
            )  # fmt: skip
            caller.require_event(_asked_for(message.event.true_kind), message.customer)
            return services.links.read(message, caller.vouches_for, author(caller))
        except BadEvent as fault:
            services.meter.add("events_rejected", label=fault.code)
            raise


def author(caller: Principal) -> str:
    """Who says what a caller says: a key by its id, visitors without their names."""
    return VISITORS if caller.visitor else caller.id


def _asked_for(kind: int) -> int:
    """The kind that a key must be allowed: of traits that of the call that brought them."""
    return Kind.IDENTIFIED if kind == Kind.TRAITS_SET else kind


def _nothing_taken(errors: list[ItemError]) -> Response:
    first = errors[0]
    field = f"batch[{first.index}]" + (f".{first.field}" if first.field else "")
    detail = f"none of the events could be accepted: {first.detail}"
    problem = BatchProblem("Bad batch", 400, detail, first.code, field, 0, len(errors), errors)
    return respond(problem, 400, [])
