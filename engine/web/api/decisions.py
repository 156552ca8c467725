"""``POST /v1/decisions`` and ``GET /v1/decisions/{id}``."""

from __future__ import annotations

import msgspec
from blacksheep import Request, Response

from engine.customer_id import customer_id
from engine.decisions.request import DecisionRequest, for_visitors, read_request
from engine.errors import Forbidden, NotFound
from engine.ports.kafka import AuditAction
from engine.settings import Web
from engine.web.api.customers import named
from engine.web.auth.audit import AuditTrail
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.limits import read_body
from engine.web.services import Services


class DecisionRoutes:
    """Decisions made, and looked up."""

    def __init__(self, services: Services, web: Web, bulkhead: Bulkhead, audit: AuditTrail) -> None:
        self._batcher = services.batcher
        self._audit = audit
        self._bulkhead = bulkhead
        self._limit = web.max_event_bytes
        self._placeholders = services.placeholders

    async def decide(self, request: Request, caller: Principal) -> Response:
        """The best offers for a customer on a channel, now."""
        question = read_request(await read_body(request, self._limit), self._placeholders)
        if caller.visitor:
            _require_own(caller, question)
        with self._bulkhead:
            self._audit.note(caller, AuditAction.DECISION_MADE, question.customer)
            answer = await self._batcher.decide(question)
        # reasons are for agents, and what an offer is worth for the company
        return replies.ready_json(for_visitors(answer) if caller.visitor else answer)

    async def get(self, request: Request, caller: Principal) -> Response:
        """A decision or cue of the last day: every candidate, every reason."""
        decision = await self._batcher.recall(named(request))
        if decision is None:
            raise NotFound("no such decision, or it is older than a day", "id")
        self._audit.note(caller, AuditAction.DECISION_READ, customer_id(decision.customer_id))
        return replies.plain_json(msgspec.to_builtins(decision))


def _require_own(caller: Principal, question: DecisionRequest) -> None:
    """Raises `Forbidden` for what a visitor may not ask: for others, for agents, why not something else."""
    caller.require_customer(question.customer)
    caller.require_channel(question.channel)
    if question.explain:
        raise Forbidden("explain is not for visitors", "explain")
