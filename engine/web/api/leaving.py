"""``DELETE /v1/customers/{id}`` and ``GET /v1/customers/{id}/export``: a customer leaves, or asks what is held."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
from blacksheep import Request, Response

from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.errors import NotFound
from engine.events import WIRE_VERSION, Cue, Event, Kind, Message
from engine.ports.kafka import AuditAction, EventLog
from engine.ports.offer_history import Consent
from engine.ports.traits import Trait
from engine.state.profile import profile_of
from engine.web.api.customers import asked_for
from engine.web.api.erasure_reach import ErasureReach
from engine.web.auth.audit import AuditTrail
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.services import Services

MOST_CUES = 1_000


class ErasureReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """That the erasure is in the log, and where: ``topic``, ``partition``, ``offset``. What happened until
    ``erasedUntil`` (epoch ms) has no effect any more; ``recordedAt`` is when it was asked for (epoch ms of the
    wall). Once the workers have applied that offset nothing of the
    customer is in Redis, and records about them lie before that offset alone, until the topics' retention ends.
    ``ids`` are all that are erased with it, the one that was asked for first: those that signed links had made the
    customer's by then."""

    customer_id: str
    erased_until: int
    topic: str
    partition: int
    offset: int
    recorded_at: int = 0
    ids: Sequence[str] = ()


class CustomerExport(msgspec.Struct, frozen=True, rename="camel"):
    """All that is held (times in epoch ms). ``features`` are what the customer's row says now (null: no value),
    ``row`` is the row itself (base64), ``timeline`` are its newest events: time, code of the kind, hashes of item
    and category, value. ``decisions`` are those of the last day, as ``GET /v1/decisions/{id}`` has them."""

    customer_id: str
    as_of: int
    row: bytes
    features: dict[str, float | str | None]
    indicators: list[str]
    timeline: list[dict[str, Any]]
    traits: list[Trait]
    consent: list[Consent]
    offers_given: dict[str, list[int]]
    cues: list[Cue]
    decisions: list[dict[str, Any]]


class LeavingRoutes:
    """Erasure and export."""

    def __init__(self, services: Services, audit: AuditTrail) -> None:
        self._services = services
        self._audit = audit
        self._reach = ErasureReach(services.known_links, services.held)

    async def erase(self, request: Request, caller: Principal) -> Response:
        """Write the erasure to the log; the customer's worker makes it."""
        services = self._services
        customer, now = _customer(request, services), services.clock.now_ms()
        receipt = await erase_in_log(services.log, customer, await self._reach.ids(customer), now)
        self._audit.note(caller, AuditAction.CUSTOMER_ERASED, customer)
        return replies.json(receipt, 202)

    async def export(self, request: Request, caller: Principal) -> Response:
        """What is held, whether or not there is a row."""
        services = self._services
        customer, now = _customer(request, services), services.clock.now_ms()
        (view,) = await services.decisions.views([customer])
        whose = view.customer or customer
        traits, cues, names = await asyncio.gather(
            services.held.traits(whose),
            services.cues.since(whose, "", MOST_CUES),
            services.held.recorded(whose),
        )
        if view.row is None and not (view.history or traits or cues or names):
            raise NotFound("nothing is held of this customer", "id")
        profile = None if view.row is None else profile_of(view.row, now)
        known = {} if profile is None else await services.stats.names(profile.hashes)
        records = [await services.batcher.recall(name) for name in dict.fromkeys(names)]
        self._audit.note(caller, AuditAction.CUSTOMER_EXPORTED, customer)
        indicators = services.rulebook().indicators
        return replies.json(
            CustomerExport(
                customer,
                now,
                view.row or b"",
                {} if profile is None else {name: one["value"] for name, one in profile.worded(known).items()},
                [] if profile is None else [one.name for one in indicators if one.code in profile.active],
                [] if profile is None else [msgspec.to_builtins(moment) for moment in profile.timeline],
                traits,
                view.consents(),
                {offer: list(times) for offer, times in view.offers_given(now).items()},
                [entry.cue for entry in cues],
                [msgspec.to_builtins(record) for record in records if record is not None],
            )
        )


async def erase_in_log(log: EventLog, customer: CustomerId, ids: Sequence[CustomerId], now: int) -> ErasureReceipt:
    """Write the record that erases `customer`, whose `ids` it reaches, and what happened until `now` (engine time,
    epoch ms); their workers do the rest. Raises `Unavailable`."""
    wall = wall_ms()
    event = Event(WIRE_VERSION, int(Kind.ERASED), now, uuid4().hex, received_at=wall, engine_at=now, trust=1)
    place = await log.publish_one(Message(customer, event))
    return ErasureReceipt(customer, now, place.topic, place.partition, place.offset, wall, ids)


def _customer(request: Request, services: Services) -> CustomerId:
    return asked_for((request.route_values or {}).get("id") or "", "id", services.placeholders)
