"""``DELETE /v1/customers/{id}``: a customer leaves."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import msgspec
from blacksheep import Request, Response

from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.events import WIRE_VERSION, Event, Kind, Message
from engine.ports.kafka import AuditAction, EventLog
from engine.web.api.customers import asked_for
from engine.web.api.erasure_reach import ErasureReach
from engine.web.api.export import ExportRoutes
from engine.web.auth.audit import AuditTrail
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.services import Services


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


class LeavingRoutes:
    """Erasure, and the export."""

    def __init__(self, services: Services, audit: AuditTrail) -> None:
        self._services = services
        self._audit = audit
        self._reach = ErasureReach(services.known_links, services.held)
        self.export = ExportRoutes(services, self._reach, audit).get

    async def erase(self, request: Request, caller: Principal) -> Response:
        """Write the erasure to the log; the customer's worker makes it."""
        services = self._services
        customer, now = _customer(request, services), services.clock.now_ms()
        receipt = await erase_in_log(services.log, customer, await self._reach.ids(customer), now)
        self._audit.note(caller, AuditAction.CUSTOMER_ERASED, customer)
        return replies.json(receipt, 202)


async def erase_in_log(log: EventLog, customer: CustomerId, ids: Sequence[CustomerId], now: int) -> ErasureReceipt:
    """Write the record that erases `customer`, whose `ids` it reaches, and what happened until `now` (engine time,
    epoch ms); their workers do the rest. Raises `Unavailable`."""
    wall = wall_ms()
    event = Event(WIRE_VERSION, int(Kind.ERASED), now, uuid4().hex, received_at=wall, engine_at=now, trust=1)
    place = await log.publish_one(Message(customer, event))
    return ErasureReceipt(customer, now, place.topic, place.partition, place.offset, wall, ids)


def _customer(request: Request, services: Services) -> CustomerId:
    return asked_for((request.route_values or {}).get("id") or "", "id", services.placeholders)
