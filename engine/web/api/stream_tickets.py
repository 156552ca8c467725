"""``POST /v1/stream-tickets``: a key or a token, in a header, for a ticket that opens one event stream."""

from __future__ import annotations

from typing import Annotated

import msgspec
from blacksheep import Request, Response

from engine.access import Scope
from engine.clock import wall_ms
from engine.errors import BadRequest
from engine.events import MAX_CUSTOMER_BYTES
from engine.json_bodies import read_json
from engine.settings import Web
from engine.web.api.customers import asked_for
from engine.web.auth.principal import Principal
from engine.web.auth.tickets import CueStream, StreamTickets
from engine.web.server import replies
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.limits import read_body
from engine.web.services import Services

# For the documentation alone: the messages below are clearer than msgspec's.
_Id = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_CUSTOMER_BYTES})]


class TicketRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which stream: ``customerId`` for a customer's cues, ``agentId`` for those for agents, both for those for
    agents of one customer."""

    customer_id: _Id | None = None
    agent_id: _Id | None = None


class Ticket(msgspec.Struct, frozen=True, rename="camel"):
    """The ticket, which goes into the stream's address as ``ticket``, and its end (epoch ms)."""

    ticket: str
    expires_at: int


_decode = msgspec.json.Decoder(TicketRequest).decode


class TicketRoutes:
    """Tickets made."""

    def __init__(self, services: Services, web: Web, bulkhead: Bulkhead) -> None:
        self._tickets = StreamTickets(services.tickets)
        self._placeholders = services.placeholders
        self._limit = web.max_event_bytes
        self._bulkhead = bulkhead

    async def make(self, request: Request, caller: Principal) -> Response:
        """A ticket for the caller. Whether the stream is open to them is asked again when it is opened."""
        stream = self._stream(read_json(_decode, await read_body(request, self._limit)))
        if stream.agent:
            caller.require(Scope.AGENTS_READ)
        else:
            caller.require(Scope.CUES_READ)
            caller.require_customer(stream.customer)
        with self._bulkhead:
            return replies.json(Ticket(*await self._tickets.make(stream, caller, wall_ms())))

    def _stream(self, asked: TicketRequest) -> CueStream:
        if asked.customer_id is None and asked.agent_id is None:
            raise BadRequest("customerId or agentId is needed", "customerId")
        customer = agent = ""
        if asked.customer_id is not None:
            customer = asked_for(asked.customer_id, "customerId", self._placeholders)
        if asked.agent_id is not None:
            agent = asked_for(asked.agent_id, "agentId", frozenset())
        return CueStream(customer, agent)
