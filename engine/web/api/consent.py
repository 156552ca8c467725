"""``PUT /v1/customers/{id}/consent``: what a customer consented to. A 200 means that Kafka has it, and that it
holds from the next decision on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import uuid4

import msgspec
from blacksheep import Request, Response

from engine.clock import wall_ms
from engine.consent import MARK, MARKETING, MOST_CONSENTS, ConsentState, ConsentStatement, purpose_of
from engine.customer_id import CustomerId
from engine.errors import BadEvent, BadRequest
from engine.events import EARLIEST_MS, WIRE_VERSION, Event, Kind, Message
from engine.identity.vouched_consent import vouched
from engine.json_bodies import read_json
from engine.ports.kafka import AuditAction
from engine.ports.offer_history import Consent, View
from engine.settings import Web
from engine.web.api.customers import asked_for
from engine.web.auth.audit import AuditTrail
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.limits import read_body
from engine.web.services import Services

MOST_STATED = 64  # at once

KINDS = {
    ConsentState.REVOKED: Kind.CONSENT_REVOKED,
    ConsentState.GRANTED: Kind.CONSENT_GRANTED,
    ConsentState.CONFIRMED: Kind.CONSENT_CONFIRMED,
}

# For the documentation alone: the messages below are clearer than msgspec's.
_Purpose = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": "^[a-z][a-z0-9_]{0,31}$", "maxLength": 32})]
_At = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": EARLIEST_MS})]


class ConsentStated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``granted`` is the first step of a double opt-in and all of a single one, ``confirmed`` the second. ``at``
    (epoch ms): when the customer said so; absent: now. The newest word wins for each purpose and channel."""

    channel: Literal["web", "agent", "email", "app"]
    state: Literal["revoked", "granted", "confirmed"]
    purpose: _Purpose = MARKETING
    at: _At | None = None


_Stated = Annotated[
    tuple[ConsentStated, ...], msgspec.Meta(extra_json_schema={"minItems": 1, "maxItems": MOST_STATED})
]


class ConsentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was said, of one customer."""

    consent: _Stated


class ConsentAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """What holds now."""

    customer_id: str
    consent: list[Consent]


_decode = msgspec.json.Decoder(ConsentRequest).decode


class ConsentRoutes:
    """Consent, as the company's own systems state it."""

    def __init__(self, services: Services, web: Web, bulkhead: Bulkhead, audit: AuditTrail) -> None:
        self._services = services
        self._audit = audit
        self._limit = web.max_event_bytes
        self._bulkhead = bulkhead

    async def put(self, request: Request, caller: Principal) -> Response:
        """Keep what is stated: in the log first, so that it outlives Redis, then where offers are given."""
        services = self._services
        text = (request.route_values or {}).get("id") or ""
        asked = read_json(_decode, await read_body(request, self._limit))
        with self._bulkhead:
            customer, now = asked_for(text, "id", services.placeholders), services.clock.now_ms()
            statements = _statements(customer, asked, now)
            (view,) = await services.decisions.views([customer])
            _require_room(view, statements)
            await services.log.publish([_message(customer, one, now) for one in statements])
            view = await self._keep(customer, statements)
            self._audit.note(caller, AuditAction.CONSENT_STATED, customer)
        return replies.json(ConsentAnswer(customer, view.consents()))

    async def _keep(self, customer: CustomerId, statements: Sequence[ConsentStatement]) -> View:
        """Keep them under `customer`, and under whose it is by signed links, where all its ids are looked for. A
        link may overtake this, so it is looked for again, until nothing is new."""
        services, kept, whose = self._services, set[CustomerId](), customer
        while True:
            await services.consents.state_consents(whose, statements)
            kept.add(whose)
            (view,) = await services.decisions.views([customer])
            whose = view.customer or customer
            if whose in kept:
                return view


def _require_room(view: View, statements: Sequence[ConsentStatement]) -> None:
    """Raises `BadRequest` where more would be kept than may be."""
    names = {name for name in (*view.history, *view.brought) if name.startswith(MARK)}
    if len(names.union(one.name for one in statements)) > max(MOST_CONSENTS, len(names)):
        raise BadRequest(f"at most {MOST_CONSENTS} purposes and channels are kept of a customer", "consent")


def _statements(customer: CustomerId, asked: ConsentRequest, now: int) -> list[ConsentStatement]:
    if not 1 <= len(asked.consent) <= MOST_STATED:
        raise BadRequest(f"1 to {MOST_STATED} are needed", "consent")
    return [_statement(customer, one, f"consent[{place}]", now) for place, one in enumerate(asked.consent)]


def _statement(customer: CustomerId, stated: ConsentStated, field: str, now: int) -> ConsentStatement:
    at = now if stated.at is None else stated.at
    if not EARLIEST_MS <= at <= now:
        raise BadRequest("epoch milliseconds, since 2000 and not ahead of now", f"{field}.at")
    try:
        purpose = purpose_of(stated.purpose, f"{field}.purpose")
        made = ConsentStatement(purpose, stated.channel, ConsentState[stated.state.upper()], at)
        return vouched(customer, made, f"{field}.state")
    except BadEvent as fault:
        raise BadRequest(fault.detail, fault.field) from None


def _message(customer: CustomerId, one: ConsentStatement, now: int) -> Message:
    received = wall_ms()
    return Message(
        customer,
        Event(
            WIRE_VERSION,
            int(KINDS[one.state]),
            one.at,
            uuid4().hex,
            one.purpose,
            one.channel,
            received_at=received,
            engine_at=now if abs(now - received) >= 1_000 else 0,
            trust=1,
        ),
    )
