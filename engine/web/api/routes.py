"""The routes as a table: what is served where, to whom, and with which shapes.

The application, the authorisation, the OpenAPI document and the page at ``/docs`` are made from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from blacksheep import Request, Response

from engine.decisions.log import LoggedDecision
from engine.decisions.request import Answer, DecisionRequest
from engine.web.api.customers import Customer, CustomerRoutes
from engine.web.api.decisions import DecisionRoutes
from engine.web.api.events import CALLS, Accepted, BatchAnswer, EventRoutes
from engine.web.api.health import Health, HealthRoutes
from engine.web.api.outcomes import OutcomeReport, OutcomeRoutes, Taken
from engine.web.api.rulebook import RulebookAnswer, RulebookRoutes
from engine.web.push.event_streams import CueRoutes
from engine.web.server.bulkheads import BulkheadName

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a caller may add to a request besides its path and body."""

    place: Literal["query", "header"]
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Route:
    """One address. ``key``: ``api`` is checked before the handler runs; ``write`` and ``stream`` keys, which
    may also be in the body or the query, by the handler. ``bulkhead``: whose places its requests take; with
    none they are always let in. For ``pages`` the place is taken on arrival, for the others by the handler: once
    the body is there, and a stream keeps it until it ends.
    ``body`` and ``answer`` are types, for the documentation, or an OpenAPI schema as plain values, and
    ``parameters`` are documented there too."""

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    summary: str
    key: Literal["", "api", "write", "stream"] = "api"
    body: type | dict[str, Any] | None = None
    answer: type | str = "application/json"
    status: int = 200
    bulkhead: BulkheadName | None = "pages"
    parameters: tuple[Parameter, ...] = ()

    @property
    def cross_origin(self) -> bool:
        """Whether browsers may call it from other origins: whatever a write key permits."""
        return self.key in ("write", "stream")


_CALL: dict[str, Any] = {
    "type": "object",
    "description": "A Segment payload; fields that are not named here may be there and are ignored.",
    "properties": {
        "type": {"type": "string", "description": "needed in a batch"},
        "event": {"type": "string", "description": "of a track call: Product Viewed, Order Completed …"},
        "messageId": {"type": "string", "maxLength": 100, "description": "makes retries idempotent"},
        "userId": {
            "type": "string",
            "description": "a placeholder such as undefined, null or 0 counts as missing",
        },
        "anonymousId": {"type": "string", "description": "counts where there is no userId; as for placeholders"},
        "timestamp": {"type": "string", "format": "date-time"},
        "sentAt": {"type": "string", "format": "date-time"},
        "properties": {"type": "object"},
        "writeKey": {"type": "string", "description": "where no header can be set"},
    },
}
_BATCH: dict[str, Any] = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "items": _CALL, "maxItems": 2_500},
        "sentAt": {"type": "string", "format": "date-time"},
    },
}
_STREAM = "text/event-stream"
_KEY = Parameter("query", "key", "an API key, or a write key; for browsers, which can set no header here")
_AGENTS_KEY = Parameter("query", "key", "an API key; for browsers, which can set no header here")
_RESUMED = (
    Parameter("header", "Last-Event-ID", "the id of the last cue seen: resume after it"),
    Parameter("query", "lastEventId", "the same, where no header can be set; the header wins"),
)
_ONE = Parameter("query", "customer", "only the cues of this customer")


def table(
    events: EventRoutes,
    decisions: DecisionRoutes,
    outcomes: OutcomeRoutes,
    customers: CustomerRoutes,
    cues: CueRoutes,
    rules: RulebookRoutes,
    health: HealthRoutes,
) -> tuple[Route, ...]:
    """All routes of the API."""
    calls = [
        Route(
            "POST",
            f"/v1/{name}",
            events.call(name),
            f"Segment's {name} call",
            "write",
            _CALL,
            Accepted,
            bulkhead="events",
        )
        for name in CALLS
    ]
    return (
        *calls,
        Route(
            "POST",
            "/v1/batch",
            events.batch,
            "Many Segment calls at once",
            "write",
            _BATCH,
            BatchAnswer,
            bulkhead="events",
        ),
        Route(
            "POST",
            "/v1/decisions",
            decisions.decide,
            "The best offers for a customer, with reasons",
            body=DecisionRequest,
            answer=Answer,
            bulkhead="decisions",
        ),
        Route(
            "GET",
            "/v1/decisions/{id}",
            decisions.get,
            "A decision of the last day, looked up",
            answer=LoggedDecision,
        ),
        Route(
            "POST",
            "/v1/outcomes",
            outcomes.post,
            "What became of an offer; with a write key, of one on the channel web",
            "stream",
            body=OutcomeReport,
            answer=Taken,
            status=202,
            bulkhead="events",
            parameters=(_KEY,),
        ),
        Route("GET", "/v1/customers/{id}", customers.get, "What is known of a customer now", answer=Customer),
        Route(
            "GET",
            "/v1/customers/{id}/cues",
            cues.of_customer,
            "A customer's cues; with a write key, those for the channel web",
            "stream",
            answer=_STREAM,
            bulkhead="streams",
            parameters=(*_RESUMED, _KEY),
        ),
        Route(
            "GET",
            "/v1/agents/{id}/cues",
            cues.of_agent,
            "Cues for agents",
            "stream",
            answer=_STREAM,
            bulkhead="streams",
            parameters=(_ONE, *_RESUMED, _AGENTS_KEY),
        ),
        Route("GET", "/v1/rulebook", rules.get, "The rules in use", answer=RulebookAnswer),
        Route("GET", "/metrics", health.metrics, "For Prometheus", "", answer="text/plain", bulkhead=None),
        Route("GET", "/health/live", health.live, "The process answers", "", answer=Health, bulkhead=None),
        Route("GET", "/health/ready", health.ready, "It can do its work", "", answer=Health, bulkhead=None),
    )
